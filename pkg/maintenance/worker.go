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
	// still happen, and that its connection is closed. What is asked last, when the
	// connection stands and before the request leaves, is ready.
	Do(ctx context.Context, step cluster.Step, ready ...func() error) error
	// Evidence tells what the member itself says about its defragmentations.
	Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence
}

// Permit is the right to work, for as long as its context lasts. Implemented by
// claim.Held, claim.Term, and by Free for work that needs neither.
type Permit interface {
	// Context ends, with a cause, when the permit is lost.
	Context() context.Context
	// Check fails if the permit does not last long enough for a request to be
	// sent now.
	Check() error
}

// Free is the permit of work that needs none.
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
)

// work is one decision being carried out.
type work struct {
	Worker
	permit   Permit
	decision policy.Decision
	memory   policy.Memory
	seen     cluster.View // the latest observation
	job      string
	atWork   time.Time // when the member's metrics last showed a defragmentation in flight
	outcome  policy.Outcome
}

// Run carries a decision out and returns what came of it. The view is the
// observation that it was made from: its first step is sent right away, so the
// decision has to be a fresh one. A done ctx ends the work before the next step,
// never in the middle of one.
func (w Worker) Run(ctx context.Context, permit Permit, d policy.Decision, mem policy.Memory, job string, v cluster.View) policy.Outcome {
	k := &work{Worker: w, permit: permit, decision: d, memory: mem, seen: v, job: job, outcome: policy.Outcome{Decision: d}}
	for i, step := range d.Steps {
		err := k.before(ctx, i, step)
		if err == nil {
			err = k.do(step)
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

// look observes once, within the time that an observation may take.
func (k *work) look(ctx context.Context) cluster.View {
	k.Alive.Extend(time.Now().Add(2*k.Options.RequestTimeout + slack))
	claims := k.seen.Claims
	k.seen = k.Observer.Observe(ctx, time.Now())
	k.seen.Claims = claims
	k.memory = k.memory.WithLook(k.Limits, k.seen)
	return k.seen
}

// before is what comes before each step: not asked to stop, the permit still
// holds, and, where an earlier step has changed the cluster, it is fit again. The
// first step was decided on a cluster that was fit.
func (k *work) before(ctx context.Context, i int, step cluster.Step) error {
	blocks := step.Kind == cluster.StepDefragment || step.Kind == cluster.StepMoveLeader
	if i > 0 && blocks {
		if err := k.fit(ctx, i, step); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ErrStopped
	}
	return k.permit.Check()
}

// fit waits, for at most two request timeouts, until the cluster is fit for a step
// that blocks the member: every other voter answers promptly and has caught up, in
// two observations.
func (k *work) fit(ctx context.Context, i int, step cluster.Step) error {
	deadline := time.Now().Add(2 * k.Options.RequestTimeout)
	for {
		v := k.look(k.permit.Context())
		reason, why := policy.Unfit(k.Limits, v.At, v, k.memory, step.Member)
		if reason == "" && v.Leader() == step.Member && k.outcome.Done[i-1].Kind == cluster.StepMoveLeader {
			reason, why = policy.NotQuorate, fmt.Sprintf("the leadership was to move away from member %s, which still leads", step.Member)
		}
		switch {
		case reason == "":
			return nil
		case reason == policy.CorruptArmed, reason == policy.IdentityMismatch, time.Now().After(deadline):
			return fmt.Errorf("the cluster is not fit for it: %s (%s)", why, reason)
		}
		if err := k.permit.Check(); err != nil {
			return err
		}
		if err := pause(ctx, policy.LooksApart/5); err != nil {
			return err
		}
	}
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
