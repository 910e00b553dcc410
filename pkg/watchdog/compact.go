package watchdog

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// longCompaction is how long a compaction may take before it is reported.
const longCompaction = time.Minute

// compaction is one that has been sent, and that the loop does not wait for: it
// can take longer than any time-out, and hangs on a member whose log is blocked.
// It blocks no member, and etcd finishes it whoever waits.
type compaction struct {
	decision policy.Decision
	began    time.Time
	inUse    int64 // before it, in bytes
	job      string
	reported bool      // that it takes long
	asked    bool      // once more, since the one before it outlasted its time-out
	over     time.Time // when its time-out passed; zero: it has not
	cancel   context.CancelFunc
	ended    chan error // capacity 1
}

// compact sends the one step of a decision, a compaction.
func (w *Watchdog) compact(d policy.Decision, v cluster.View) {
	step := d.Steps[0]
	m, _ := v.Member(step.Member)
	last := w.compacting[step.Member]
	c := &compaction{decision: d, began: time.Now(), inUse: m.InUseBytes, job: w.newJob(), ended: make(chan error, 1)}
	if last != nil && time.Since(last.over) < longCompaction {
		c.began, c.inUse, c.reported, c.asked = last.began, last.inUse, last.reported, true
	}
	if !d.Routine && !c.asked {
		e := w.compactionEvent(event.CompactionStarted, c, m)
		w.Recorder.Record(e)
	}
	var ctx context.Context
	ctx, c.cancel = context.WithCancel(context.Background())
	if w.compacting == nil {
		w.compacting = map[cluster.MemberID]*compaction{}
	}
	w.compacting[step.Member] = c
	w.memory = w.memory.WithBegun(c.began, step.Member)
	woken := w.woken
	go func() {
		c.ended <- w.Operator.Do(ctx, step)
		select {
		case woken <- struct{}{}:
		default:
		}
	}()
}

// collect takes in the compactions that have ended, with this observation as the
// one after them, and reports those that take long.
func (w *Watchdog) collect(v cluster.View) {
	for _, id := range slices.Sorted(maps.Keys(w.compacting)) {
		c := w.compacting[id]
		m, listed := v.Member(id)
		select {
		case err := <-c.ended:
			c.cancel()
			w.compacted(v, m, c, err)
		default:
			switch {
			case !listed:
				c.cancel()
				delete(w.compacting, id)
			case c.over.IsZero():
				w.reportLong(m, c)
			}
		}
	}
}

// compacted remembers what came of a compaction.
func (w *Watchdog) compacted(v cluster.View, m cluster.Member, c *compaction, err error) {
	outlasted := err != nil && time.Since(c.began) >= w.CompactTimeout
	if outlasted { // etcd goes on with it, and asking again waits for its end
		w.reportLong(m, c)
		c.over = time.Now()
		w.memory = w.memory.WithBegun(time.Time{}, m.ID)
		return
	}
	delete(w.compacting, m.ID)
	o := policy.Outcome{At: v.At, Decision: c.decision, View: v, InUseBefore: c.inUse, Err: err}
	e := w.compactionEvent(event.CompactionCompleted, c, m)
	switch {
	case err != nil:
		e.Kind, e.Error = event.CompactionFailed, err.Error()
		o.View = cluster.View{}
	default:
		o.Done = c.decision.Steps
		if c.decision.Routine {
			e.Kind, e.Detail = event.RoutineCompaction, c.decision.Detail
		}
	}
	w.Recorder.Record(e)
	w.memory = w.memory.WithOutcome(w.Limits, o)
	if c.decision.Routine && err == nil {
		w.sumUp(o, c.job)
	}
}

func (w *Watchdog) reportLong(m cluster.Member, c *compaction) {
	if c.reported || time.Since(c.began) < min(longCompaction, w.CompactTimeout) {
		return
	}
	c.reported = true
	w.Recorder.Record(w.compactionEvent(event.CompactionLong, c, m))
}

// compactionEvent returns an event of a compaction with the member's figures.
func (w *Watchdog) compactionEvent(kind event.Kind, c *compaction, m cluster.Member) event.Event {
	step := c.decision.Steps[0]
	return event.Event{
		Kind: kind, Reason: string(c.decision.Reason), Job: c.job, Member: step.Member, MemberName: m.Name,
		SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes, QuotaBytes: m.Quota.Bytes, QuotaFrom: m.Quota.Source.String(),
		BeforeBytes: m.SizeBytes, Revision: step.Revision, Took: time.Since(c.began), WonBytes: max(0, c.inUse-m.InUseBytes),
	}
}

// abandon leaves the compactions to etcd, which finishes them.
func (w *Watchdog) abandon() {
	for _, c := range w.compacting {
		c.cancel()
	}
}
