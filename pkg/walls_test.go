// Package pkg_test keeps the walls between the rooms of this program: who may
// import what, who may ask for the time, the environment and the exit, and how
// long a page may be. It reads the sources, so that good will is not needed.
package pkg_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/etcd-watchdog/etcd-watchdog/"

// room is one package, with its sources but without its tests.
type room struct {
	ImportPath     string
	Dir            string
	Imports        []string
	GoFiles        []string
	IgnoredGoFiles []string // for other systems
	files          []*ast.File
}

// name is the path inside the module, such as "pkg/policy".
func (r room) name() string { return strings.TrimPrefix(r.ImportPath, module) }

// within reports that the room is one of those, or below one of them.
func (r room) within(rooms ...string) bool { return slices.ContainsFunc(rooms, r.below) }

func (r room) below(parent string) bool { return within(r.name(), parent) }

func within(name, parent string) bool { return name == parent || strings.HasPrefix(name, parent+"/") }

// serves reports that the room serves tests only, and is no part of the program.
func (r room) serves() bool { return r.within("test") || strings.HasSuffix(r.name(), "test") }

// A wall returns a sentence for each place where the room breaks it.
type wall func(r room, fset *token.FileSet) []string

var walls = []wall{pureRooms, dependencies, silencer, configuration, process, clock, pages, names}

func TestWalls(t *testing.T) {
	fset := token.NewFileSet()
	rooms := listRooms(t, fset)
	if len(rooms) < 5 {
		t.Fatalf("only %d packages found: the walls would hold by themselves", len(rooms))
	}
	for _, r := range rooms {
		for _, w := range walls {
			for _, breach := range w(r, fset) {
				t.Error(breach)
			}
		}
	}
}

func listRooms(t *testing.T, fset *token.FileSet) []room {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,IgnoredGoFiles", "./...")
	list.Dir = ".."
	var stderr strings.Builder
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var rooms []room
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var r room
		if err := d.Decode(&r); errors.Is(err, io.EOF) {
			return rooms
		} else if err != nil {
			t.Fatal(err)
		}
		for _, name := range append(r.GoFiles, r.IgnoredGoFiles...) {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(fset, filepath.Join(r.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			r.files = append(r.files, file)
		}
		rooms = append(rooms, r)
	}
}

// pureRooms: decisions are made of their arguments alone, so that equal inputs
// give equal decisions, and a test needs nothing but values.
func pureRooms(r room, _ *token.FileSet) []string {
	if !r.within("pkg/policy", "pkg/cluster", "pkg/forecast", "pkg/keyspace", "pkg/doctor") {
		return nil
	}
	var breaches []string
	for _, imported := range r.Imports {
		switch {
		case r.within("pkg/doctor") && (imported == module+"pkg/cluster" || imported == module+"pkg/policy"):
		case r.within("pkg/policy") && (imported == module+"pkg/cluster" || imported == module+"pkg/forecast"):
		case strings.Contains(strings.Split(imported, "/")[0], "."):
			breaches = append(breaches, fmt.Sprintf("%s imports %s: it may import the standard library only (and policy the nouns of pkg/cluster and the arithmetic of pkg/forecast), "+
				"for a decision must not depend on how the world is reached", r.name(), imported))
		case slices.ContainsFunc([]string{"context", "os", "net", "log", "math/rand", "sync"}, func(s string) bool { return within(imported, s) }):
			breaches = append(breaches, fmt.Sprintf("%s imports %s: a decision does no input or output, waits for nothing and draws no lots; "+
				"pass in as a value what it needs to know", r.name(), imported))
		}
	}
	return breaches
}

// dependencies: each foreign library has the rooms that translate it into our
// own words; everywhere else it can be replaced without being noticed.
func dependencies(r room, _ *token.FileSet) []string {
	if r.within("test") {
		return nil // drives real servers
	}
	var breaches []string
	for _, d := range []struct {
		library string
		rooms   []string
	}{
		{"go.etcd.io", []string{"pkg/etcd", "pkg/claim"}},
		{"google.golang.org/grpc", []string{"pkg/etcd", "pkg/claim"}},
		{"github.com/coreos/go-systemd", []string{"pkg/systemd"}},
		{"go.uber.org/zap", []string{"pkg/event", "pkg/systemd", "cmd", "pkg/etcd"}}, // for pkg/etcd see silencer
		{"gopkg.in/yaml.v3", []string{"pkg/config"}},
		{"github.com/spf13/cobra", []string{"cmd"}},
		{"github.com/prometheus", []string{"pkg/metrics"}},
	} {
		for _, imported := range r.Imports {
			if within(imported, d.library) && !r.within(d.rooms...) {
				breaches = append(breaches, fmt.Sprintf("%s imports %s: only %s may; let it offer what is needed, in our own types",
					r.name(), imported, strings.Join(d.rooms, ", ")))
			}
		}
	}
	return breaches
}

// silencer: etcd's client logs past our journal unless it is given one of zap's
// loggers, so pkg/etcd may make the one that says nothing.
func silencer(r room, fset *token.FileSet) []string {
	if !r.within("pkg/etcd") {
		return nil
	}
	return uses(r, fset, "go.uber.org/zap", func(name string) bool { return name != "NewNop" },
		"pkg/etcd may use NewNop alone, to keep etcd's client silent; what is worth reporting goes through pkg/event")
}

// configuration: a room takes its own options, never all of them.
func configuration(r room, _ *token.FileSet) []string {
	if r.within("cmd") || !slices.Contains(r.Imports, module+"pkg/config") {
		return nil
	}
	return []string{fmt.Sprintf("%s imports pkg/config: only cmd may; take options of your own, which config fills in", r.name())}
}

// process: a room that reads the environment, or ends the process, can't be
// used in a test or by another command.
func process(r room, fset *token.FileSet) []string {
	if r.within("cmd") || r.serves() {
		return nil
	}
	breaches := uses(r, fset, "os", oneOf("Exit", "Args", "Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv"),
		"only cmd may: return an error, or take an argument")
	if slices.Contains(r.Imports, "os/signal") {
		breaches = append(breaches, fmt.Sprintf("%s imports os/signal: only cmd may; signals arrive in the other rooms as the end of a context", r.name()))
	}
	return breaches
}

// clock: there is one now in a tick, and it is passed on; who asks again sees
// another world than the decision that is carried out.
func clock(r room, fset *token.FileSet) []string {
	if r.serves() {
		return nil
	}
	breaches := uses(r, fset, "time", oneOf("Sleep"), "nobody may: wait for a timer or the end of a context, whichever is first")
	if r.within("pkg/watchdog", "pkg/maintenance", "pkg/claim", "pkg/systemd", "pkg/etcd") { // etcd: how long an answer takes
		return breaches
	}
	return append(breaches, uses(r, fset, "time",
		oneOf("Now", "Since", "Until", "After", "AfterFunc", "NewTicker", "NewTimer", "Tick"),
		"only watchdog, maintenance, claim, systemd and etcd may: take the time as an argument")...)
}

func oneOf(names ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

// uses returns a sentence for every use of a package's names that are meant.
func uses(r room, fset *token.FileSet, imported string, meant func(name string) bool, why string) []string {
	var breaches []string
	for _, file := range r.files {
		local := localName(file, imported)
		if local == "." {
			breaches = append(breaches, fmt.Sprintf("%s imports %s with a dot: then nobody sees where it is used", r.name(), imported))
		}
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok || !meant(selector.Sel.Name) {
				return true
			}
			if x, ok := selector.X.(*ast.Ident); ok && local != "" && x.Name == local {
				breaches = append(breaches, fmt.Sprintf("%s: %s.%s: %s", fset.Position(n.Pos()), imported, selector.Sel.Name, why))
			}
			return true
		})
	}
	return breaches
}

// localName is what the file calls an imported package; empty if it does not
// import it.
func localName(file *ast.File, imported string) string {
	for _, spec := range file.Imports {
		if strings.Trim(spec.Path.Value, `"`) != imported {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path.Base(imported)
	}
	return ""
}

// pages: a file and a function are what one can read and keep in mind.
func pages(r room, fset *token.FileSet) []string {
	const fileLines, functionLines = 400, 60
	var breaches []string
	for _, file := range r.files {
		whole := fset.File(file.FileStart)
		if n := whole.LineCount(); n > fileLines {
			breaches = append(breaches, fmt.Sprintf("%s: %d lines, more than %d: it is about two things, make two files of it", whole.Name(), n, fileLines))
		}
		for _, decl := range file.Decls {
			function, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := 1 + fset.Position(function.End()).Line - fset.Position(function.Pos()).Line; n > functionLines {
				breaches = append(breaches, fmt.Sprintf("%s: %s has %d lines, more than %d: name its parts", fset.Position(function.Pos()), function.Name.Name, n, functionLines))
			}
		}
	}
	return breaches
}

// names: a place that is called after nothing attracts everything.
func names(r room, fset *token.FileSet) []string {
	vague := []string{"util", "utils", "common", "helper", "helpers", "types", "manager", "misc"}
	var breaches []string
	if slices.Contains(vague, path.Base(r.name())) {
		breaches = append(breaches, fmt.Sprintf("%s: a package is called after what it is about, not %q", r.name(), path.Base(r.name())))
	}
	for _, file := range r.files {
		name := fset.File(file.FileStart).Name()
		if slices.Contains(vague, strings.TrimSuffix(filepath.Base(name), ".go")) {
			breaches = append(breaches, fmt.Sprintf("%s: a file is called after what it is about", name))
		}
	}
	return breaches
}
