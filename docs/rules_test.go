package docs_test

import (
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// The rules of ARCHITECTURE.md are those of the program, by number and words.
func TestRules(t *testing.T) {
	var told []string
	for _, found := range regexp.MustCompile(`(?m)^(\d)\. \*\*([^*]+)\*\*`).FindAllStringSubmatch(section(t, "ARCHITECTURE.md", "Policy"), -1) {
		if found[1] != strconv.Itoa(len(told)+1) {
			t.Errorf("rule %s comes where %d should", found[1], len(told)+1)
		}
		told = append(told, found[2])
	}
	if !slices.Equal(told, policy.Rules()) {
		t.Errorf("ARCHITECTURE.md tells\n%q\nthe program has\n%q", told, policy.Rules())
	}
}

// section returns what stands under a heading of the second level.
func section(t *testing.T, file, heading string) string {
	t.Helper()
	found := regexp.MustCompile(`(?ms)^## ` + heading + `\n(.*?)^## `).FindStringSubmatch(read(t, file))
	if found == nil {
		t.Fatalf("%s has no section %q", file, heading)
	}
	return found[1]
}
