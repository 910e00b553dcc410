package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// looksAhead is how many looks there are until the quota could be reached at
	// the growth that was seen.
	looksAhead = 8
	// disarmProves is how long the looks stay close after a disarm. If it was in
	// vain, the alarm is back within a second, and everything is refused again.
	disarmProves = 5 * time.Second
)

// next is the time until the next look. Under NOSPACE every moment counts; else
// the looks move closer as the quota could be reached sooner.
func (w world) next(d Decision) time.Duration {
	armed := w.view.Alarmed(cluster.AlarmNoSpace) && !w.view.Alarmed(cluster.AlarmCorrupt)
	disarmed := !w.memory.DisarmedAt.IsZero() && w.now.Sub(w.memory.DisarmedAt) < disarmProves
	if armed || disarmed || d.Reason == DefragmentationUnknown || d.Acts() {
		return w.limits.MinPollInterval
	}
	next := w.limits.PollInterval
	for _, m := range w.view.Voters() {
		if m.Contact == cluster.Answered && m.Quota.Trusted() && !m.Quota.Unlimited() {
			next = min(next, w.pace(m))
		}
	}
	return max(next, w.limits.MinPollInterval)
}

// pace is the time until the next look that one member asks for. What is left
// until the quota is what can still be written into pages that are not in use:
// the file grows only when there are none.
func (w world) pace(m cluster.Member) time.Duration {
	speed := w.memory.Of(m.ID).Growth.Speed()
	if speed <= 0 {
		return w.limits.PollInterval
	}
	seconds := float64(max(0, m.Quota.Bytes-m.InUseBytes)) / speed / looksAhead
	return time.Duration(min(seconds, w.limits.PollInterval.Seconds()) * float64(time.Second))
}
