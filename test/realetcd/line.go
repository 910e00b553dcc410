package realetcd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Line is one minor version of etcd's server that can be run here.
type Line struct {
	Name    string // the minor version: 3.6
	Version string // what the binary says: 3.6.16
	Binary  string // absolute path
}

// String returns the line with its exact version, for names of tests.
func (l Line) String() string { return "etcd-" + l.Version }

// builtLines are the lines that `make servers` builds, oldest first.
var builtLines = []string{"3.5", "3.6", "3.7"}

// packagedBinary is where Debian's package etcd-server puts its server. It is
// used for the line that cannot be built from a module, where it is of it.
const (
	packagedBinary = "/usr/bin/etcd"
	packagedLine   = "3.4"
)

// Lines returns every line that can be run here, oldest first: 3.4 where
// Debian's package of that version is installed, and the lines that
// `make servers` builds. A line of the latter that is missing is an error.
func Lines() ([]Line, error) { return lookUp() }

// FindLine returns the line of that name, such as "3.6".
func FindLine(name string) (Line, error) {
	lines, err := Lines()
	if err != nil {
		return Line{}, err
	}
	var known []string
	for _, l := range lines {
		if l.Name == name {
			return l, nil
		}
		known = append(known, l.Name)
	}
	return Line{}, fmt.Errorf("no etcd server of line %s on this machine; there are: %s", name, strings.Join(known, ", "))
}

var lookUp = sync.OnceValues(func() ([]Line, error) {
	root, err := repositoryRoot()
	if err != nil {
		return nil, err
	}
	var lines []Line
	if v, err := serverVersion(packagedBinary); err == nil && minor(v) == packagedLine {
		lines = append(lines, Line{Name: packagedLine, Version: v, Binary: packagedBinary})
	}
	for _, name := range builtLines {
		binary := filepath.Join(root, "build", "servers", "etcd-"+name)
		v, err := serverVersion(binary)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("the etcd server of line %s is not built: run `make servers` (looked for %s)", name, binary)
		case err != nil:
			return nil, err
		case minor(v) != name:
			return nil, fmt.Errorf("%s is etcd %s: run `make clean servers`", binary, v)
		}
		lines = append(lines, Line{Name: name, Version: v, Binary: binary})
	}
	return lines, nil
})

// serverVersion asks a server binary for its version.
func serverVersion(binary string) (string, error) {
	out, err := exec.Command(binary, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", binary, err)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "etcd Version: "); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("%s --version: no version in %q", binary, out)
}

// minor cuts a version down to its first two numbers.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return version
	}
	return parts[0] + "." + parts[1]
}

// repositoryRoot returns the directory of the main module: the nearest one
// above the working directory that has a go.mod.
func repositoryRoot() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod in %s or above: run this inside the repository", start)
		}
	}
}
