// Package docs_test keeps the documents true: links lead somewhere, every event
// that an operator has to act on is in the runbook, every command and flag is in
// the manual, and the README's commands and defaults are those of the program.
package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/configs"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// pages returns every document, relative to this directory.
func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("../*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	strange = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what a link into a document may name: its headings, as forges
// make anchors of them.
func anchors(page string) []string {
	var all []string
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		all = append(all, strings.ReplaceAll(strange.ReplaceAllString(strings.ToLower(h[1]), ""), " ", "-"))
	}
	return all
}

func TestLinksLeadSomewhere(t *testing.T) {
	followed := 0
	for _, page := range pages(t) {
		text := code.ReplaceAllString(fence.ReplaceAllString(read(t, page), ""), "")
		for _, l := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(l[1], "://") {
				continue
			}
			followed++
			file, anchor, _ := strings.Cut(l[1], "#")
			target := page
			if file != "" {
				target = filepath.Join(filepath.Dir(page), file)
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", page, l[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s: %s: there is no such heading", page, l[1])
			}
		}
	}
	if followed < 20 {
		t.Errorf("only %d links were followed", followed)
	}
}

// A newcomer has two commands: one shows the main job, one passes the tests.
func TestReadmeNamesTwoCommands(t *testing.T) {
	_, after, marked := strings.Cut(read(t, "../README.md"), "<!-- The newcomer's commands")
	_, block, fenced := strings.Cut(after, "```sh\n")
	block, _, closed := strings.Cut(block, "```")
	if !marked || !fenced || !closed {
		t.Fatal("the README has no block of the newcomer's commands")
	}
	var commands []string
	for line := range strings.Lines(block) {
		command, _, _ := strings.Cut(line, "#")
		if command = strings.TrimSpace(command); command != "" {
			commands = append(commands, command)
		}
	}
	if want := []string{"make demo", "make test"}; !slices.Equal(commands, want) {
		t.Errorf("the newcomer's commands are %q, want %q", commands, want)
	}
	makefile := read(t, "../Makefile")
	for _, target := range []string{"demo", "test", "build", "install", "lint"} {
		if !strings.Contains(makefile, "\n"+target+":") {
			t.Errorf("the Makefile has no target %s", target)
		}
	}
}

// What `make install` puts somewhere is what the README says.
func TestReadmeInstallsWhatTheMakefileDoes(t *testing.T) {
	readme := read(t, "../README.md")
	list := exec.Command("make", "--no-print-directory", "-n", "install", "PREFIX=/usr", "DESTDIR=")
	list.Dir = ".."
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rows := 0
	for _, row := range regexp.MustCompile("(?m)^\\| \\[?`([a-z]+/[^`\n]+)`[^|\n]*\\| `(/[^`\n]+)`").FindAllStringSubmatch(readme, -1) {
		rows++
		for _, path := range row[1:] {
			if !strings.Contains(string(out), path) {
				t.Errorf("the README installs %s, and make install does not", path)
			}
		}
	}
	if rows < 6 {
		t.Errorf("the README lists %d files that are installed, want those that an administrator looks for", rows)
	}
}

// defaults reads the sample, which is two levels deep.
func defaults() map[string]string {
	all := map[string]string{}
	section := ""
	for line := range strings.Lines(string(configs.Sample)) {
		line, _, _ = strings.Cut(strings.TrimRight(line, "\n"), " #")
		key, value, found := strings.Cut(line, ":")
		switch {
		case !found || strings.HasPrefix(strings.TrimSpace(line), "#"):
		case !strings.HasPrefix(line, " "):
			section = key
		default:
			all[section+"."+strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return all
}

func TestReadmeTellsTheDefaults(t *testing.T) {
	want, rows := defaults(), 0
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z.-]+)` \\| `([^`]*)` \\|").FindAllStringSubmatch(read(t, "../README.md"), -1) {
		rows++
		if value, known := want[row[1]]; !known || value != row[2] {
			t.Errorf("the README says that %s is %q by default, the sample says %q (known: %v)", row[1], row[2], value, known)
		}
	}
	if rows < 10 {
		t.Errorf("the README tells %d defaults, want the keys that matter", rows)
	}
}

// Every event that a person has to act on, or will have to, has an entry that
// says what it means, what to check and what to do.
func TestRunbook(t *testing.T) {
	runbook := read(t, "runbook.md")
	entries := map[string]string{}
	for _, part := range strings.Split(runbook, "\n### ")[1:] {
		name, text, _ := strings.Cut(part, "\n")
		text, _, _ = strings.Cut(text, "\n## ")
		entries[name] = text
	}
	for _, row := range event.Table() {
		text, there := entries[row.Name]
		delete(entries, row.Name)
		asks := row.Level <= event.Warning
		switch {
		case asks && !there:
			t.Errorf("%s (%s) has no entry in the runbook", row.Name, row.Level)
			continue
		case !there:
			continue
		}
		if begin := "\n*" + row.Level.String(); !strings.HasPrefix(text, begin) {
			t.Errorf("the entry of %s does not begin with its level, %s", row.Name, row.Level)
		}
		if said := strings.Contains(text, ", a condition.*"); said != row.Kind.Condition() {
			t.Errorf("the entry of %s says that it is a condition: %v", row.Name, said)
		}
		for _, part := range []string{"\n**Means.** ", "\n**Check.** ", "\n**Do.** "} {
			if !strings.Contains(text, part) {
				t.Errorf("the entry of %s has no %s", row.Name, strings.TrimSpace(part))
			}
		}
	}
	for name := range entries {
		if !strings.Contains(name, " ") {
			t.Errorf("the runbook has an entry of %s, which is no event", name)
		}
	}
}

// Each page of a decision has the same four parts, and they are counted without
// a gap.
func TestDecisions(t *testing.T) {
	found, err := filepath.Glob("adr/*.md")
	if err != nil || len(found) == 0 {
		t.Fatal("no decisions", err)
	}
	for i, file := range found {
		text := read(t, file)
		if number := fmt.Sprintf("%04d-", i+1); !strings.HasPrefix(filepath.Base(file), number) {
			t.Errorf("%s comes where %s should", file, number)
		}
		if begin := fmt.Sprintf("# %d. ", i+1); !strings.HasPrefix(text, begin) {
			t.Errorf("%s does not begin with %q", file, begin)
		}
		var parts []string
		for _, h := range regexp.MustCompile(`(?m)^## (.+)$`).FindAllStringSubmatch(text, -1) {
			parts = append(parts, h[1])
		}
		if want := []string{"Forces", "Decision", "Consequences", "What would change our mind"}; !slices.Equal(parts, want) {
			t.Errorf("%s has the parts %q, want %q", file, parts, want)
		}
	}
}

// The manual names every command and flag that the program's own help does.
func TestManual(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "etcd-watchdog")
	build := exec.Command("go", "build", "-o", binary, "../cmd/etcd-watchdog")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manual := read(t, "man/etcd-watchdog.8")
	_, describes, _ := strings.Cut(manual, "\n.Sh OPTIONS\n") // the synopsis only lists
	command := regexp.MustCompile(`(?m)^  ([a-z-]+) {2,}\S`)
	flag := regexp.MustCompile(`(?m)^ +(?:-\w, |    )--([a-z-]+)`)
	commands, flags := []string{""}, 0
	for i := 0; i < len(commands); i++ {
		help, err := exec.Command(binary, append(strings.Fields(commands[i]), "--help")...).Output()
		if err != nil {
			t.Fatalf("%s --help: %v", commands[i], err)
		}
		if i == 0 {
			for _, c := range command.FindAllStringSubmatch(string(help), -1) {
				commands = append(commands, c[1])
			}
		}
		for _, f := range flag.FindAllStringSubmatch(string(help), -1) {
			flags++
			if !regexp.MustCompile(`(?m)Fl -` + f[1] + `( |$)`).MatchString(describes) {
				t.Errorf("the manual does not name --%s of %q", f[1], commands[i])
			}
		}
	}
	for _, c := range commands[1:] {
		if !strings.Contains(manual, "\n.It Cm "+c) {
			t.Errorf("the manual does not describe the command %s", c)
		}
	}
	if len(commands) < 5 || flags < 10 {
		t.Errorf("the help names only %d commands and %d flags", len(commands)-1, flags)
	}
}
