package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// looksAhead is how many looks there are until the quota could be reached at
	// the growth that was seen.
	looksAhead = 8
	// looksWithin is how many looks there are until the quota could be reached by
	// a burst that begins right after one of them.
	looksWithin = 2
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

// pace is the time until the next look that one member asks for: by the growth
// that was seen, and by the one that may begin at any moment.
func (w world) pace(m cluster.Member) time.Duration {
	return min(
		w.untilFull(m, looksAhead*w.memory.Of(m.ID).Growth.Speed()),
		w.untilFull(m, looksWithin*float64(w.limits.AssumedSpeed)))
}

// untilFull is the time until a member that grows by so many bytes a second
// could reach its quota; poll-interval at most. What is left until the quota is
// what can still be written into pages that are not in use: the file grows only
// when there are none.
func (w world) untilFull(m cluster.Member, speed float64) time.Duration {
	if speed <= 0 {
		return w.limits.PollInterval
	}
	seconds := float64(max(0, m.Quota.Bytes-m.InUseBytes)) / speed
	return time.Duration(min(seconds, w.limits.PollInterval.Seconds()) * float64(time.Second))
}

// pressed reports that a member grows so fast that the looks cannot come closer
// any more: there is no time to wait for anybody, or to find out how much
// history fits.
func (w world) pressed(m cluster.Member) bool {
	speed := w.memory.Of(m.ID).Growth.Speed()
	return speed > 0 && !m.Quota.Unlimited() && w.untilFull(m, looksAhead*speed) <= w.limits.MinPollInterval
}
