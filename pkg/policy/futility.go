package policy

import (
	"fmt"
	"slices"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// tooLarge is the verdict that no work of ours can help: what is in use after
// compaction does not fit. It names this host's own member if that is one that
// is too full, so that it stays the same from look to look, else the fullest;
// and by how much, and what would help.
func (w world) tooLarge() obstacle {
	var worst cluster.Member
	for _, m := range w.present() {
		if w.fits(m) {
			continue
		}
		if m.ID == w.view.Local {
			worst = m
			break
		}
		if worst.ID == 0 || w.usage(m) > w.usage(worst) {
			worst = m
		}
	}
	q := w.quota(worst)
	if !worst.Quota.Trusted() {
		return obstacle{reason: QuotaAssumed, member: worst.ID, detail: fmt.Sprintf(
			"member %s uses %s after compaction, which is too much for a quota of %s, and that quota is only assumed; set etcd.quota-backend-bytes in the configuration of the watchdog to what etcd runs with, or etcd.metrics-url to where its /metrics is",
			name(worst), cluster.FormatBytes(worst.InUseBytes), cluster.FormatBytes(q.Bytes))}
	}
	return obstacle{reason: LiveDataTooLarge, member: worst.ID, detail: w.futile(worst)}
}

// verdictStands reports that nothing has been won that would lift the verdict:
// what compaction has left of the local member is known and too much, and no
// voter shows more to give. It stands while the members are looked into again,
// as when keys were deleted.
func (w world) verdictStands() bool {
	local, ok := w.view.Member(w.view.Local)
	if !ok || local.Contact != cluster.Answered || !w.armed() ||
		!w.compacted(w.memory.Of(w.view.Local)) || !w.inUseKnown(local) || w.fits(local) {
		return false
	}
	present := w.present()
	return len(w.reducible(present)) == 0 && !slices.ContainsFunc(present, func(m cluster.Member) bool { return m.Contact != cluster.Answered })
}

// liveTooLarge reports the same while nothing is refused yet: no history was left
// to a member, and what is in use takes so much of its quota that no
// defragmentation is worth it.
func (w world) liveTooLarge(m cluster.Member) bool {
	last := w.memory.Of(m.ID)
	return !last.CompactedAt.IsZero() && last.KeptRevisions == 0 && !w.worth(m) &&
		atLeast(min(m.InUseBytes, last.CompactedInUse), m.Quota, w.limits.DisarmBelow)
}

// futile puts the verdict about one member into words.
func (w world) futile(m cluster.Member) string {
	q := w.quota(m)
	target := int64(float64(w.limits.DisarmBelow) * float64(q.Bytes))
	wanted := (int64(float64(m.InUseBytes)/float64(w.limits.CompactAt)) + 1<<20) >> 20 << 20
	excess := max(m.InUseBytes, m.SizeBytes-int64(float64(worthwhileAgain)*float64(q.Bytes))) - target
	return fmt.Sprintf("the live data of member %s take %s of its quota of %s after compaction, and a defragmentation cannot make them smaller; "+
		"delete %s or more, or restart every member with --quota-backend-bytes=%d (%s) or more",
		name(m), cluster.FormatBytes(m.InUseBytes), cluster.FormatBytes(q.Bytes),
		cluster.FormatBytes(max(excess, int64(worthwhile*Share(q.Bytes)))), wanted, cluster.FormatBytes(wanted))
}

func (w world) usage(m cluster.Member) float64 {
	q := w.quota(m)
	if q.Bytes <= 0 {
		return 0
	}
	return float64(m.SizeBytes) / float64(q.Bytes)
}
