package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
)

// horizon is how far ahead the quota is worth a warning: a working day and the
// night after it.
const horizon = 24 * time.Hour

// shows is how long it takes until the floors of a history show what a
// compaction has left: the slice in which it was, and one more.
const shows = 20 * time.Minute

// inSight returns the time until a member's file is at its quota, if it grows
// there within the horizon and the growth is certain enough to be told. As long
// as history was never compacted it cannot be: all that is seen may be the first
// tooth of a sawtooth. A watchdog that never compacts tells it from compact-at on.
func (w world) inSight(m cluster.Member) (time.Duration, bool) {
	mm := w.memory.Of(m.ID)
	trend := mm.Growth.Trend()
	tooth := mm.FirstCompactedAt.IsZero() || w.now.Sub(mm.FirstCompactedAt) < shows
	if w.limits.Observe {
		tooth = !atLeast(m.InUseBytes, m.Quota, w.limits.CompactAt)
	}
	if trend.Confidence != forecast.High || m.Quota.Unlimited() || tooth {
		return 0, false
	}
	left, growing := trend.TimeToQuota(m.SizeBytes, m.InUseBytes, m.Quota.Bytes)
	return left, growing && left <= horizon
}

// rough rounds a time to what a forecast can promise.
func rough(d time.Duration) time.Duration {
	if d >= 2*time.Hour {
		return d.Round(time.Hour)
	}
	return d.Round(time.Minute)
}
