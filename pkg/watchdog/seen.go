package watchdog

import (
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// seen tells whoever shows the state of the loop what there is to show.
func (w *Watchdog) seen(v cluster.View, d policy.Decision) {
	if w.Seen != nil {
		w.Seen(Kept{Memory: w.memory, View: v, Decision: d})
	}
}
