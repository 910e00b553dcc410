package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Every testdata/*.yaml has faults, and its .golden is all of them. Write the
// golden files anew with `go test ./pkg/config -update`; commit the difference
// if an operator who reads it can mend the file without a manual.
func TestFaults(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			faults := parseFaults(t, filepath.Base(file), data)
			checkManners(t, string(data), faults)
			compareGolden(t, strings.TrimSuffix(file, ".yaml")+".golden", faults.Error()+"\n")
		})
	}
}

func compareGolden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func parseFaults(t *testing.T, name string, data []byte) Faults {
	t.Helper()
	c, err := Parse(name, data)
	var faults Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("want faults, got %v", err)
	}
	if c.Etcd.Endpoint != "" {
		t.Error("a file with faults gave values all the same")
	}
	return faults
}

var goType = regexp.MustCompile(`\b(u?int(8|16|32|64)?|float(32|64)?|bool|string|struct|map\[|slice|nil|time\.|url\.|yaml\.|!!|config\.|policy\.|etcd\.Options)\b`)

// checkManners is what every list of faults has to keep to.
func checkManners(t *testing.T, data string, faults Faults) {
	t.Helper()
	byPosition := func(a, b Fault) int { return (a.Line-b.Line)*100000 + a.Column - b.Column }
	if !slices.IsSortedFunc(faults, byPosition) {
		t.Error("not sorted by position")
	}
	for _, f := range faults {
		line := f.String()
		if strings.ContainsAny(line, "\n\r\t") {
			t.Errorf("more than a line: %q", line)
		}
		if found := goType.FindString(line); found != "" {
			t.Errorf("%q names a type of the implementation: %s", found, line)
		}
		if strings.Contains(line, "hunter2") || strings.Contains(line, "ter2") {
			t.Errorf("repeats a password: %s", line)
		}
		if f.Found == "" || f.Expected == "" {
			t.Errorf("says too little: %s", line)
		}
		if f.Key != "" && !pointsAtIt(data, f) {
			t.Errorf("points neither at the key nor at its value: %s", line)
		}
	}
}

// pointsAtIt reports that the key begins at the fault's place, or that only
// the key, or the beginning of an item, stands before it.
func pointsAtIt(data string, f Fault) bool {
	lines := strings.Split(strings.TrimPrefix(data, "\ufeff"), "\n")
	if f.Line < 1 || f.Line > len(lines) {
		return false
	}
	line := []rune(lines[f.Line-1])
	if f.Column < 1 || f.Column > len(line)+1 {
		return false
	}
	before, rest := string(line[:f.Column-1]), string(line[f.Column-1:])
	if strings.HasSuffix(f.Key, "]") {
		return regexp.MustCompile(`[-,\[] *$`).MatchString(before)
	}
	name := regexp.QuoteMeta(f.Key[strings.LastIndexByte(f.Key, '.')+1:])
	return regexp.MustCompile(`^["']?`+name+`["']? *:`).MatchString(rest) ||
		regexp.MustCompile(`\b`+name+`["']?: *$`).MatchString(before) ||
		regexp.MustCompile(`^(<<|&|- |\?|\||")`).MatchString(rest)
}
