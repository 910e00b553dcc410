package docs_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The page on dependencies names every module that is linked in, and no other.
func TestDependenciesAreArguedFor(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/etcd-watchdog")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	slices.Sort(linked)
	linked = slices.Compact(linked)
	var named []string
	for _, row := range regexp.MustCompile(`(?m)^\| (\S+\.\S+/\S+) \|`).FindAllStringSubmatch(read(t, "dependencies.md"), -1) {
		named = append(named, row[1])
	}
	slices.Sort(named)
	if !slices.Equal(linked, named) {
		t.Errorf("docs/dependencies.md names\n%q\nlinked are\n%q", named, linked)
	}
}
