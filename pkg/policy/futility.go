package policy

import (
	"fmt"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// tooLarge is the verdict that no work of ours can help: what is in use after
// compaction does not fit. It names the worst voter, by how much, and what
// would help.
func (w world) tooLarge() obstacle {
	var worst cluster.Member
	for _, m := range w.present() {
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
