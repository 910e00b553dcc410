package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Observer looks at the cluster. Implemented by etcd.Cluster and by the model
// in package etcdtest.
type Observer interface {
	Observe(ctx context.Context, now time.Time) cluster.View
}

// Operator changes the cluster, one step at a time. Implemented by
// etcd.Cluster and by the model in package etcdtest.
type Operator interface {
	// Do carries one step out. What is done already is success. An error that
	// wraps cluster.ErrOutcomeUnknown says that the step may have happened, may
	// still happen, and that its connection is closed.
	Do(ctx context.Context, step cluster.Step) error
	// Evidence tells what the member itself says about its defragmentations.
	Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence
}

// Permit is the right to work, for as long as its context lasts. Implemented by
// claim.Held, and by Free for work that needs no claim.
type Permit interface {
	// Context ends, with a cause, when the permit is lost.
	Context() context.Context
	// Check fails if the permit does not last long enough for a request to be
	// sent now.
	Check() error
}

// Free is the permit of work that needs no claim.
type Free struct{ Ctx context.Context }

// Context returns the context that Free was made of.
func (f Free) Context() context.Context { return f.Ctx }

// Check fails once that context has ended.
func (f Free) Check() error { return context.Cause(f.Ctx) }

// Alive is told until when the work in hand may take without counting as hung.
type Alive interface {
	Extend(until time.Time)
}

// Options are the deadlines of work.
type Options struct {
	RequestTimeout    time.Duration // of one request that is neither of the two below
	CompactTimeout    time.Duration
	DefragmentTimeout time.Duration // when a defragmentation that goes on is reported
}

// Worker carries decisions out for real.
type Worker struct {
	Observer Observer
	Operator Operator
	Recorder event.Recorder
	Alive    Alive
	Limits   policy.Limits
	Options  Options
}

// ErrStopped ends a piece of work between two steps, because the process was
// asked to stop.
var ErrStopped = errors.New("asked to stop")

const (
	// slack is added to the deadline of a step before it counts as hung.
	slack = 30 * time.Second
	// blindPatience is how many times DefragmentTimeout a defragmentation may take
	// on a member whose metrics can't be read.
	blindPatience = 3
	// prompt is how long a look may take to count as one at which nobody was
	// blocked: a member that is being defragmented answers when that has ended,
	// and the next one may be queued behind it.
	prompt = time.Second
)

// work is one decision being carried out.
type work struct {
	Worker
	permit   Permit
	decision policy.Decision
	memory   policy.Memory
	seen     cluster.View // the latest look
	earlier  cluster.View // one at least LooksApart before it, if there is one
	job      string
	atWork   time.Time // when the member's metrics last told of a defragmentation in flight
	outcome  policy.Outcome
}

// Run carries a decision out and returns what came of it. The looks are those
// that led to the decision, oldest first; they spare the first step a wait. A
// done ctx ends the work before the next step, never in the middle of one.
func (w Worker) Run(ctx context.Context, permit Permit, d policy.Decision, mem policy.Memory, job string, looks ...cluster.View) policy.Outcome {
	k := &work{Worker: w, permit: permit, decision: d, memory: mem, job: job, outcome: policy.Outcome{Decision: d}}
	for _, v := range looks {
		k.saw(v)
	}
	for _, step := range d.Steps {
		err := k.before(ctx, step)
		if err == nil {
			err = k.do(ctx, step)
			k.outcome.StepFailed = err != nil && k.outcome.Doubt == nil && !errors.Is(err, ErrStopped)
		}
		if err != nil {
			k.outcome.Err = err
			break
		}
		k.outcome.Done = append(k.outcome.Done, step)
	}
	k.outcome.At, k.outcome.View = time.Now(), k.seen
	return k.outcome
}

// saw takes in one look.
func (k *work) saw(v cluster.View) {
	if v.At.Sub(k.seen.At) >= policy.LooksApart {
		k.earlier = k.seen
	}
	k.seen = v
}

// look observes once, within the time that an observation may take.
func (k *work) look(ctx context.Context) cluster.View {
	k.Alive.Extend(time.Now().Add(2*k.Options.RequestTimeout + slack))
	v := k.Observer.Observe(ctx, time.Now())
	k.saw(v)
	k.memory = k.memory.WithLook(k.Limits, v)
	return v
}

// before is what comes before each step: fit, not asked to stop, still ours.
// Compaction and disarming need no fitness beyond that of the decision.
func (k *work) before(ctx context.Context, step cluster.Step) error {
	blocks := step.Kind == cluster.StepDefragment || step.Kind == cluster.StepMoveLeader
	if blocks {
		if err := k.fit(ctx); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ErrStopped
	}
	if blocks && k.turnIsOver(time.Now()) {
		return errTurnOver
	}
	return k.permit.Check()
}

// errTurnOver ends work without a claim that came too late to the step that
// matters: the steps before it took so long that others may have begun.
var errTurnOver = errors.New("the turn of this watchdog, which works without a claim, is over; others may have begun")

// turnIsOver reports that the decision's turn has ended, by the clock that shows
// more time gone by: one of the two stands still while the machine is suspended.
func (k *work) turnIsOver(now time.Time) bool {
	end := k.decision.TurnEnds
	return !end.IsZero() && (!now.Before(end) || !now.Round(0).Before(end.Round(0)))
}

// fit waits, for at most two request timeouts, until the member worked on and
// every other voter have caught up in two looks.
func (k *work) fit(ctx context.Context) error {
	deadline := time.Now().Add(2 * k.Options.RequestTimeout)
	for {
		begin := time.Now()
		k.look(k.permit.Context())
		answeredPromptly := time.Since(begin) <= prompt
		reason, why := policy.Unfit(k.Limits, k.seen.At, k.seen, k.memory, k.decision.Member)
		if reason == "" && answeredPromptly && k.twice() {
			return nil
		}
		if reason != "" && reason != policy.MemberCatchingUp {
			return fmt.Errorf("the cluster is not fit for it: %s (%s)", why, reason)
		}
		if time.Now().After(deadline) {
			return errors.New("the members did not answer promptly and caught up in two looks; it is tried again at the next poll")
		}
		if err := pause(ctx, policy.LooksApart); err != nil {
			return err
		}
	}
}

// twice reports that the voters which answer now had caught up a look ago as
// well.
func (k *work) twice() bool {
	if k.earlier.At.IsZero() {
		return false
	}
	for _, m := range k.seen.Voters() {
		if m.Contact == cluster.Answered && !policy.CaughtUp(k.earlier, m.ID) {
			return false
		}
	}
	return true
}

// pause waits for d, or until the process is asked to stop.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ErrStopped
	}
}
