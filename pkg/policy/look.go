package policy

import (
	"fmt"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// next folds one look into what the fixed order has seen. Any change, and any
// moment without the alarm, starts it anew.
func (k Look) next(v cluster.View, mem Memory) Look {
	if !v.Alarmed(cluster.AlarmNoSpace) {
		return Look{}
	}
	seen := fingerprint(v, mem)
	if seen == k.Seen {
		return k
	}
	return Look{Seen: seen, Since: v.At}
}

// fingerprint is what must not change between the two looks of the fixed order:
// the members and whether they answer, their files in hundredths of the quota,
// the alarms, the leader, and who is enrolled.
func fingerprint(v cluster.View, mem Memory) string {
	var b strings.Builder
	for _, m := range v.Members {
		q := quotaOf(m, v, mem)
		fmt.Fprintf(&b, "%s:%d:%d ", m.ID, m.Contact, int(100*float64(m.SizeBytes)/float64(max(1, q.Bytes))))
	}
	fmt.Fprint(&b, v.Alarms, v.Leader(), v.Claims.Watched, v.Claims.Holder)
	return b.String()
}

// lookedTwice reports that the state of this look was seen before, a poll ago.
func (w world) lookedTwice() bool {
	since := w.memory.Look.Since
	return !since.IsZero() && w.now.Sub(since) >= w.limits.MinPollInterval
}
