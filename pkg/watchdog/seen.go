package watchdog

import (
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// seen tells whoever shows the state of the loop what there is to show.
func (w *Watchdog) seen(v cluster.View, d policy.Decision) {
	if w.Seen != nil {
		w.Seen(Kept{Memory: w.memory, View: v, Decision: d})
	}
}

// Conditions returns every condition that stands, whether or not it has lasted
// long enough to be reported.
func (k Kept) Conditions() []event.Event { return standing(k.View, k.Decision) }

func standing(v cluster.View, d policy.Decision) []event.Event {
	var all []event.Event
	for _, c := range d.Standing {
		if kind, ok := event.ConditionNamed(string(c.Reason)); ok {
			all = append(all, about(v, kind, c))
		}
	}
	all = append(all, conflicts(v)...)
	all = append(all, stale(v)...)
	return append(all, ignored(v)...)
}
