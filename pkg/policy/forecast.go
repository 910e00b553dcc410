package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
)

// horizon is how far ahead the quota is worth a warning: a working day and the
// night after it.
const horizon = 24 * time.Hour

// inSight returns the time until a member's file is at its quota, if it grows
// there within the horizon and the growth is certain enough to be told.
func (w world) inSight(m cluster.Member) (time.Duration, bool) {
	trend := w.memory.Of(m.ID).Growth.Trend()
	if trend.Confidence != forecast.High || m.Quota.Unlimited() {
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
