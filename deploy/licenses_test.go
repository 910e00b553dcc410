package deploy_test

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every module that is linked in has its license in the packages. That the texts are
// theirs, and allowed, is for make verify-licenses, which is slower.
func TestEveryModuleHasItsLicense(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/etcd-watchdog")
	list.Dir = ".."
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	modules := strings.Fields(string(out))
	slices.Sort(modules)
	modules = slices.Compact(modules)
	if len(modules) < 5 {
		t.Fatalf("only %d modules", len(modules))
	}
	var named []string
	for _, header := range regexp.MustCompile(`(?m)^={80}\n(\S+) \(LICENSE`).FindAllStringSubmatch(read(t, "third-party-licenses"), -1) {
		named = append(named, header[1])
	}
	for _, m := range modules {
		if !slices.ContainsFunc(named, func(n string) bool { return n == m || strings.HasPrefix(n, m+"/") }) {
			t.Errorf("the packages have no license of %s: run make fix-licenses", m)
		}
	}
	for _, n := range named {
		if !slices.ContainsFunc(modules, func(m string) bool { return n == m || strings.HasPrefix(n, m+"/") }) {
			t.Errorf("the license of %s is in the packages, and no such module is linked: run make fix-licenses", n)
		}
	}
	if !strings.Contains(read(t, "third-party-licenses"), "The Go Authors") {
		t.Error("Go's own license is missing")
	}
}
