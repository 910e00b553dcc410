package maintenance

import (
	"context"
	"slices"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Rehearsal is the dry run: it takes the decisions of a real run, reports their
// steps, and does none of them. The same steps are reported once.
type Rehearsal struct {
	Recorder event.Recorder
	last     []cluster.Step
}

// Run reports the steps that Worker.Run would carry out. Its outcome has
// nothing done.
func (r *Rehearsal) Run(_ context.Context, _ Permit, d policy.Decision, _ policy.Memory, job string, v cluster.View) policy.Outcome {
	if !r.repeats(d.Steps) {
		for _, step := range d.Steps {
			r.Recorder.Record(event.Event{
				Kind: event.DryRunStep, Reason: string(d.Reason), Job: job,
				Member: step.Member, Step: step.String(), Revision: step.Revision, To: step.To,
			})
		}
	}
	r.last = d.Steps
	return policy.Outcome{Decision: d, View: v}
}

// repeats reports that the steps are those of the last time. The revision of a
// living cluster moves on; that alone is no news.
func (r *Rehearsal) repeats(steps []cluster.Step) bool {
	return slices.EqualFunc(steps, r.last, func(a, b cluster.Step) bool {
		a.Revision, b.Revision = 0, 0
		return a == b
	})
}
