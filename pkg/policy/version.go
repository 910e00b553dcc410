package policy

import (
	"strconv"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// RefusesDeletes reports that some voter runs a version whose full members
// refuse even a transaction that only deletes, so that under NOSPACE no ticket
// can be taken: before 3.4.20, and 3.5.0 to 3.5.6.
func RefusesDeletes(v cluster.View) bool {
	for _, m := range v.Voters() {
		if m.Contact == cluster.Answered && (before(m.Version, 3, 4, 20) ||
			!before(m.Version, 3, 5, 0) && before(m.Version, 3, 5, 7)) {
			return true
		}
	}
	return false
}

// before reports that an etcd version is older than major.minor.patch. A
// pre-release counts as its release; what can't be read counts as newer.
func before(version string, major, minor, patch int) bool {
	version, _, _ = strings.Cut(version, "-")
	parts := strings.Split(version, ".")
	for i, want := range []int{major, minor, patch} {
		if i >= len(parts) {
			return false
		}
		got, err := strconv.Atoi(parts[i])
		if err != nil || got > want {
			return false
		}
		if got < want {
			return true
		}
	}
	return false
}
