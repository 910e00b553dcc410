package event

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const catalogFile = "../../deploy/systemd/etcd-watchdog.catalog"

// The journal's catalog is written from the Table.
func TestCatalog(t *testing.T) {
	golden(t, catalogFile, catalog())
}

// catalogWidth is the length of a line where journalctl's indent still fits.
const catalogWidth = 76

func catalog() string {
	var b strings.Builder
	b.WriteString("# What `journalctl -x` says about the entries of etcd-watchdog.\n" +
		"# Written from the table in pkg/event by \"go test ./pkg/event -update\"; do not edit.\n")
	for _, r := range Table() {
		fmt.Fprintf(&b, "\n-- %s\nSubject: %s (%s)\nDefined-By: etcd-watchdog\nSupport: %s/issues\nDocumentation: %s\n\n%s\n\n%s\n",
			r.ID, capital(strings.ReplaceAll(r.Name, "_", " ")), r.Level, projectURL, Documentation(r.Name),
			wrapped(r.Meaning), wrapped("What to do: "+r.Remedy))
		if lines := catalogFacts(r); len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n", strings.Join(lines, "\n"))
		}
	}
	return b.String()
}

// catalogFacts states the facts, but for those that MESSAGE tells already and
// that may be longer than the 256 bytes that the journal puts in.
func catalogFacts(r Row) []string {
	var lines []string
	for _, f := range r.Facts {
		told := slices.ContainsFunc([][]Fact{detail, errorText, step}, func(group []Fact) bool { return group[0].Field == f.Field })
		if !told {
			unit := strings.TrimPrefix(f.Unit, "count")
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s: @%s@ %s", f.Key(), f.Field, unit)))
		}
	}
	return lines
}

// wrapped breaks a paragraph between words.
func wrapped(paragraph string) string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(paragraph) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) > catalogWidth:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return strings.Join(append(lines, line), "\n")
}

// A text must not be taken for the beginning of an entry or for a field.
func TestCatalogCantBeMisread(t *testing.T) {
	for _, r := range Table() {
		if strings.Contains(r.Meaning+r.Remedy, "@") {
			t.Errorf("%s: the journal takes what stands between two @ for a field", r.Name)
		}
		for line := range strings.Lines(wrapped(r.Meaning) + "\n" + wrapped("What to do: "+r.Remedy)) {
			if strings.HasPrefix(line, "-- ") || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
				t.Errorf("%s: the line %q is no text to the journal", r.Name, line)
			}
		}
	}
}

// The journal's own compiler reads it, and knows every event after that.
func TestCatalogIsReadByTheJournal(t *testing.T) {
	journalctl, err := exec.LookPath("journalctl")
	if err != nil {
		t.Skip("there is no journalctl here (package systemd): the catalog is not compiled")
	}
	root := t.TempDir()
	place := filepath.Join(root, "usr/lib/systemd/catalog")
	for _, dir := range []string{place, filepath.Join(root, "var/lib/systemd/catalog")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(catalogFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(place, "etcd-watchdog.catalog"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(journalctl, "--root="+root, "--update-catalog").CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("the journal says: %v\n%s", err, out)
	}
	out, err := exec.Command(journalctl, "--root="+root, "--dump-catalog", "--no-pager").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	entries := map[string]string{}
	for _, entry := range strings.Split("\n"+string(out), "\n-- ")[1:] {
		id, rest, _ := strings.Cut(entry, "\n")
		entries[id] = rest
	}
	for _, r := range Table() {
		if !strings.Contains(entries[r.ID], wrapped(r.Meaning)) || !strings.Contains(entries[r.ID], wrapped("What to do: "+r.Remedy)) {
			t.Errorf("the journal does not explain %s, it says:\n%s", r.Name, entries[r.ID])
		}
	}
	if len(entries) != len(Table()) {
		t.Errorf("the catalog has %d entries, want %d", len(entries), len(Table()))
	}
}
