package history

import (
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// Keeper writes a Log from the events of a watchdog. It is safe for concurrent
// use.
type Keeper struct {
	now func() time.Time

	mu      sync.Mutex
	log     Log
	defrag  *event.Event // that has begun and not ended
	began   time.Time    // when it did
	settled bool         // a poll of this process has shown what stands
}

// NewKeeper continues the log of an earlier process. now tells the time.
func NewKeeper(earlier Log, now func() time.Time) *Keeper {
	return &Keeper{log: earlier.bounded(now()), now: now}
}

// Log returns what is kept so far.
func (k *Keeper) Log() Log {
	k.mu.Lock()
	defer k.mu.Unlock()
	return Log{Work: slices.Clone(k.log.Work), Conditions: slices.Clone(k.log.Conditions)}
}

// Recorder returns a Recorder that keeps each event and hands it on to next.
func (k *Keeper) Recorder(next event.Recorder) event.Recorder { return keeping{k, next} }

type keeping struct {
	keeper *Keeper
	next   event.Recorder
}

// Record implements event.Recorder.
func (r keeping) Record(e event.Event) {
	r.keeper.record(e)
	r.next.Record(e)
}

// Settle takes all the conditions that stand at a poll, and closes what stands no
// more and was not reported as ended: what an earlier process left open, and what
// ended before this one reported it.
func (k *Keeper) Settle(at time.Time, standing []event.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.log.Conditions {
		c := &k.log.Conditions[i]
		still := slices.ContainsFunc(standing, func(e event.Event) bool { return e.Kind.String() == c.Condition && id(e.Member) == c.MemberID })
		if c.stands() && !still {
			c.EndedAt, c.EndUnseen = at.UTC().Round(time.Second), !k.settled
		}
	}
	k.settled = true
}

// record takes one event.
func (k *Keeper) record(e event.Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now().UTC().Round(time.Second)
	switch {
	case e.Kind.Condition():
		k.unknown(e, now)
		k.begin(e, now)
	case e.Kind == event.ConditionEnded:
		k.end(e, now)
	default:
		k.work(e, now)
	}
	k.log = k.log.bounded(now)
}

// begin keeps a condition that was reported. Reports of one that is known are no
// new beginning.
func (k *Keeper) begin(e event.Event, now time.Time) {
	if k.open(e.Kind.String(), e.Member) != nil {
		return
	}
	k.log.Conditions = append(k.log.Conditions, Condition{
		Condition: e.Kind.String(), Level: e.Kind.Row().Level.String(), MemberID: id(e.Member), MemberName: cut(e.MemberName),
		Detail: cut(e.Detail), BeganAt: now.Add(-e.Took),
	})
}

func (k *Keeper) end(e event.Event, now time.Time) {
	if c := k.open(e.Condition, e.Member); c != nil {
		c.EndedAt = now
		c.BeganAt = earlier(c.BeganAt, now.Add(-e.Took).Round(time.Second)) // before it was reported
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// open returns the condition that stands under that name.
func (k *Keeper) open(condition string, member cluster.MemberID) *Condition {
	i := slices.IndexFunc(k.log.Conditions, func(c Condition) bool {
		return c.stands() && c.Condition == condition && c.MemberID == id(member)
	})
	if i < 0 {
		return nil
	}
	return &k.log.Conditions[i]
}

// unknown ends a defragmentation of this process of which the outcome is not
// known. The condition also begins for members that an earlier process may have
// left in doubt.
func (k *Keeper) unknown(e event.Event, now time.Time) {
	if e.Kind != event.DefragmentationUnknown || k.defrag == nil || k.defrag.Member != e.Member {
		return
	}
	started := *k.defrag
	started.Took, started.Error = now.Sub(k.began), ""
	k.add(started, now, "defragment", "unknown", started.BeforeBytes, 0)
	k.defrag = nil
}

// work keeps the end of a step.
func (k *Keeper) work(e event.Event, now time.Time) {
	switch e.Kind {
	case event.DefragmentationStarted:
		k.defrag, k.began = &e, now
	case event.DefragmentationCompleted:
		k.defrag = nil
		e.WonBytes = max(0, e.BeforeBytes-e.SizeBytes)
		k.add(e, now, "defragment", "done", e.BeforeBytes, e.SizeBytes)
	case event.DefragmentationFailed:
		k.defrag = nil
		k.add(e, now, "defragment", "failed", e.BeforeBytes, 0)
	case event.CompactionCompleted:
		k.add(e, now, "compact", "done", e.InUseBytes+max(0, e.WonBytes), e.InUseBytes)
	case event.HistoryCompacted:
		k.add(e, now, "compact", "done", 0, e.InUseBytes)
	case event.CompactionFailed:
		k.add(e, now, "compact", "failed", e.InUseBytes, 0)
	case event.LeaderMoved:
		k.add(e, now, "move_leader", "done", 0, 0)
	case event.LeaderMoveFailed:
		k.add(e, now, "move_leader", "failed", 0, 0)
	case event.AlarmDisarmed:
		k.add(e, now, "disarm", "done", 0, 0)
	case event.DisarmFailed:
		k.add(e, now, "disarm", "failed", 0, 0)
	}
}

func (k *Keeper) add(e event.Event, now time.Time, kind, outcome string, before, after int64) {
	k.log.Work = append(k.log.Work, Work{
		EndedAt: now, Kind: kind, Outcome: outcome, Reason: e.Reason, Job: e.Job, MemberID: id(e.Member), MemberName: cut(e.MemberName),
		Count: e.Count, BeforeBytes: before, AfterBytes: after, FreedBytes: max(0, e.WonBytes), Seconds: math.Round(e.Took.Seconds()*1000) / 1000, Error: cut(e.Error),
	})
}

func id(m cluster.MemberID) string {
	if m == 0 {
		return ""
	}
	return m.String()
}

// cut bounds a text that a server may have sent.
func cut(s string) string {
	s = event.Escape(s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}
