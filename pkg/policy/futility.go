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
		if clearOfQuota(m, w.quota(m)) {
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
		return obstacle{QuotaAssumed, worst.ID, fmt.Sprintf(
			"member %s uses %s after compaction, which is too much for a quota of %s, and that quota is only assumed; set etcd.quota-backend-bytes to what the server runs with",
			name(worst), cluster.FormatBytes(worst.InUseBytes), cluster.FormatBytes(q.Bytes))}
	}
	return obstacle{LiveDataTooLarge, worst.ID, w.futile(worst)}
}

// verdictStands reports that nothing has been won that would lift the verdict:
// what compaction has left of the local member is known and too much, and no
// voter shows more to give. It stands while the members are looked into again,
// as when keys were deleted.
func (w world) verdictStands() bool {
	local, ok := w.view.Member(w.view.Local)
	if !ok || local.Contact != cluster.Answered || !w.view.Alarmed(cluster.AlarmNoSpace) ||
		!w.compacted(w.memory.Of(w.view.Local)) || !w.inUseKnown(local) || clearOfQuota(local, w.quota(local)) {
		return false
	}
	return !slices.ContainsFunc(w.present(), func(m cluster.Member) bool {
		return m.Contact != cluster.Answered || atLeast(m.ReclaimableBytes(), w.quota(m), worthwhile)
	})
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
	wanted := int64(float64(m.InUseBytes)/float64(w.limits.CompactAt)) >> 20 << 20
	return fmt.Sprintf("the live data of member %s take %s of its quota of %s after compaction, and a defragmentation cannot make them smaller; "+
		"delete %s or more, or raise --quota-backend-bytes to %s or more",
		name(m), cluster.FormatBytes(m.InUseBytes), cluster.FormatBytes(q.Bytes),
		cluster.FormatBytes(max(0, m.InUseBytes-target)), cluster.FormatBytes(wanted))
}

func (w world) usage(m cluster.Member) float64 {
	q := w.quota(m)
	if q.Bytes <= 0 {
		return 0
	}
	return float64(m.SizeBytes) / float64(q.Bytes)
}
