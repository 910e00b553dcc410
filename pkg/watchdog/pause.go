package watchdog

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// PauseFor returns a pause that begins now. It goes by the wall clock, so that it
// ends at the same moment whether or not the process, or the host, was restarted.
func PauseFor(length time.Duration, reason string) cluster.Pause {
	now := time.Now().Round(0) // without the monotonic clock, which stops with the host
	return cluster.Pause{Since: now, Until: now.Add(length), Reason: reason}
}

// InForce reports that a pause has not ended yet.
func InForce(p cluster.Pause) bool { return p.Holds(time.Now()) }
