package watchdog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// act carries a decision out under the permit that it asks for. Work is done in
// a context that outlives a request to stop: what has begun is never abandoned,
// and the worker begins no further step.
func (w *Watchdog) act(ctx context.Context, d policy.Decision, v cluster.View) policy.Decision {
	switch {
	case w.Passive:
	case d.Permit == policy.NoPermit:
		w.nextJob()
	case d.Permit == policy.Claim:
		return w.underClaim(ctx, d, v)
	case !w.orderHolds(ctx, d, v):
		return w.refused(v, d, "somebody has come to hold tickets since the last look")
	default:
		w.Recorder.Record(event.Event{Kind: event.WithoutClaim, Reason: string(d.Reason), Member: d.Member, MemberName: nameOf(v, d.Member), Job: w.nextJob()})
	}
	w.carryOut(ctx, maintenance.Free{Ctx: context.WithoutCancel(ctx)}, d, w.previous, v)
	return d
}

// orderHolds asks once more, right before the work, whether there is really
// nobody who can hold the claim. On servers that refuse to let tickets be taken
// tickets may be there; that none is busy was seen by the look.
func (w *Watchdog) orderHolds(ctx context.Context, d policy.Decision, v cluster.View) bool {
	if d.Permit != policy.FixedOrder || len(v.Claims.Watched) > 0 {
		return true
	}
	unclaimed, err := w.Book.Unclaimed(ctx)
	return err == nil && unclaimed
}

// refused turns a decision to act into one to wait for the claim.
func (w *Watchdog) refused(v cluster.View, d policy.Decision, detail string) policy.Decision {
	d.Reason, d.Detail, d.Steps = policy.WaitingForClaim, detail, nil
	d.Standing = append(d.Standing, policy.Condition{Reason: d.Reason, Detail: detail})
	w.refusal = detail
	w.tell(v, d)
	return d
}

// underClaim takes the claim, looks and decides again, since the world may have
// moved, and works until this member is done.
func (w *Watchdog) underClaim(ctx context.Context, d policy.Decision, v cluster.View) policy.Decision {
	held, err := w.Book.Take(ctx)
	var busy *claim.BusyError
	switch {
	case errors.As(err, &busy):
		return w.refused(v, d, busy.Error())
	case err != nil:
		return w.refused(v, d, fmt.Sprintf("the claim could not be taken: %v", err))
	}
	w.replenish, w.refusal = true, ""
	w.Recorder.Record(event.Event{Kind: event.ClaimTaken, Reason: string(d.Reason), Member: d.Member, MemberName: nameOf(v, d.Member), Job: w.nextJob()})
	took, target := time.Now(), d.Member
	for range rounds {
		w.extend(time.Now())
		fresh := w.lookUnderClaim(held, v.Claims)
		d = policy.Decide(w.Limits, fresh.At, fresh, w.memory)
		if !d.Acts() || d.Member != target && d.Has(cluster.StepDefragment) || ctx.Err() != nil {
			break
		}
		outcome := w.carryOut(ctx, held, d, w.previous, v, fresh)
		if outcome.Doubt != nil {
			w.held = held
			return d
		}
		if outcome.Err != nil {
			break
		}
	}
	w.giveBack(ctx, held, took)
	return d
}

// lookUnderClaim observes while the claim is ours: nobody else holds it.
func (w *Watchdog) lookUnderClaim(held *claim.Held, claims cluster.Claims) cluster.View {
	v := w.observe(held.Context(), time.Now())
	v.Claims = claims
	v.Claims.Enrolled, v.Claims.Holder, v.Claims.HolderMember = true, "", 0
	w.fold(v)
	return v
}

// carryOut runs the worker and remembers what came of it.
func (w *Watchdog) carryOut(ctx context.Context, permit maintenance.Permit, d policy.Decision, looks ...cluster.View) policy.Outcome {
	if d.Has(cluster.StepDisarm) {
		w.disarming = w.memory.ArmedSince
	}
	if d.Reason == policy.Adopted {
		w.Recorder.Record(event.Event{Kind: event.Adopted, Reason: string(d.Reason), Member: d.Member, Job: w.job()})
	}
	outcome := w.Worker.Run(ctx, permit, d, w.memory, w.job(), looks...)
	w.progressed = len(outcome.Done) > 0 && outcome.Err == nil
	if len(outcome.Done) > 0 {
		w.fold(outcome.View)
	}
	w.memory = w.memory.WithOutcome(w.Limits, outcome)
	if d.Routine && w.progressed {
		w.sumUp(outcome)
	}
	if outcome.Err != nil && outcome.Doubt == nil && !outcome.StepFailed && !errors.Is(outcome.Err, maintenance.ErrStopped) {
		w.Recorder.Record(event.Event{Kind: event.WorkEnded, Reason: string(d.Reason), Member: d.Member, Job: w.job(), Error: outcome.Err.Error()})
	}
	if errors.Is(outcome.Err, claim.ErrLost) {
		w.Recorder.Record(event.Event{Kind: event.ClaimLost, Member: d.Member, Job: w.job(), Error: outcome.Err.Error()})
	}
	return outcome
}

// giveBack gives the claim back. What does not arrive is repeated by the next
// tick; until then no step is begun under it.
func (w *Watchdog) giveBack(ctx context.Context, held *claim.Held, took time.Time) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackWithin)
	defer cancel()
	if err := held.GiveBack(bounded); err != nil {
		w.held = held
		return
	}
	w.held = nil
	w.Recorder.Record(event.Event{Kind: event.ClaimGivenBack, Job: w.job(), Took: time.Since(took)})
}

// settle looks after doubts: a defragmentation whose outcome is unknown, and a
// ticket of ours that an earlier process left busy. It reports whether the
// claim has to be read anew.
func (w *Watchdog) settle(ctx context.Context, v cluster.View) bool {
	if v.Claims.InDoubt && !w.resumed && w.held == nil {
		w.doubtAll(v)
	}
	for _, doubt := range w.memory.Doubts {
		w.settleOne(ctx, v, doubt)
	}
	if len(w.memory.Doubts) > 0 {
		return false
	}
	if w.held != nil {
		w.giveBack(ctx, w.held, v.At)
		return w.held == nil
	}
	if !w.resumed {
		return false
	}
	if err := w.Book.ReleaseDoubtful(ctx); err != nil {
		w.failed(v, "release", fmt.Errorf("giving an earlier claim of this host back: %w", err))
		return false
	}
	w.resumed = false
	w.Recorder.Record(event.Event{Kind: event.ClaimGivenBack, Job: w.job()})
	return true
}

// doubtAll begins with a busy ticket that nobody remembers: any voter may be
// the one that its work was on.
func (w *Watchdog) doubtAll(v cluster.View) {
	w.resumed = true
	w.Recorder.Record(event.Event{Kind: event.TicketInDoubt, Member: v.Local, Job: w.nextJob()})
	for _, m := range v.Voters() {
		w.memory = w.memory.WithDoubt(policy.Doubt{Member: m.ID, Closed: v.At, Job: w.job()})
	}
}

func (w *Watchdog) settleOne(ctx context.Context, v cluster.View, doubt policy.Doubt) {
	m, _ := v.Member(doubt.Member)
	// Asked also of a member that does not answer: its metrics do, while a
	// defragmentation runs.
	evidence := w.Operator.Evidence(ctx, doubt.Member)
	doubt, how := doubt.Settle(w.Limits, w.DeliveryBound, v, w.memory, evidence)
	if how == "" {
		w.memory = w.memory.WithDoubt(doubt)
		return
	}
	w.memory = w.memory.WithoutDoubt(doubt.Member)
	w.Recorder.Record(event.Event{
		Kind: event.DefragmentationSettled, Member: m.ID, MemberName: m.Name, Job: doubt.Job, Detail: how,
		SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes, QuotaBytes: m.Quota.Bytes, QuotaFrom: m.Quota.Source.String(),
		Took: v.At.Sub(doubt.Closed),
	})
}
