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
func (w *Watchdog) act(ctx context.Context, d policy.Decision, v cluster.View, began claim.Instant) policy.Decision {
	lasting := context.WithoutCancel(ctx)
	var permit maintenance.Permit = maintenance.Free{Ctx: lasting}
	switch {
	case w.Passive:
		w.carryOut(ctx, permit, d, v)
		return d
	case d.Permit == policy.Claim:
		return w.underClaim(ctx, d, v)
	case d.Permit == policy.Term:
		permit = claim.NewTerm(lasting, began, w.Limits.SendWithin)
	}
	if d.Compacts() {
		w.compact(d, v)
		return d
	}
	w.nextJob()
	if d.Permit != policy.NoPermit {
		w.Recorder.Record(event.Event{Kind: event.WithoutClaim, Reason: string(d.Reason), Member: d.Member, MemberName: nameOf(v, d.Member), Job: w.job(), Detail: permitWords[d.Permit]})
	}
	w.carryOut(ctx, permit, d, v)
	return d
}

// permitWords say what work without a claim is done under.
var permitWords = map[policy.Permit]string{
	policy.Term:        "no watchdog has a ticket, so the leader's term is the permit",
	policy.SingleVoter: "there is no other voter",
	policy.Alone:       "the operator states that nothing else works on the cluster",
}

// refused turns a decision to act into one to wait for the claim.
func (w *Watchdog) refused(v cluster.View, d policy.Decision, detail string) policy.Decision {
	d.Reason, d.Detail, d.Steps = policy.WaitingForClaim, detail, nil
	d.Standing = append(d.Standing, policy.Condition{Reason: d.Reason, Detail: detail})
	w.refusal = detail
	w.tell(v, d)
	return d
}

// underClaim takes the claim, observes and decides again, since the world may have
// moved, and does one piece of work that blocks a member. What keeps it from being
// begun is waited for within the claim; an end without a step counts as a failure.
func (w *Watchdog) underClaim(ctx context.Context, d policy.Decision, v cluster.View) policy.Decision {
	held, err := w.Book.Take(ctx, v.VoterIDs())
	var busy *claim.BusyError
	switch {
	case errors.As(err, &busy):
		return w.refused(v, d, busy.Error())
	case err != nil:
		return w.refused(v, d, fmt.Sprintf("the claim could not be taken: %v", err))
	}
	w.full, w.refusal = false, ""
	w.Recorder.Record(event.Event{Kind: event.ClaimTaken, Reason: string(d.Reason), Member: d.Member, MemberName: nameOf(v, d.Member), Job: w.nextJob()})
	took, target := time.Now(), d.Member
	deadline := took.Add(2 * w.RequestTimeout)
	for {
		w.extend(time.Now())
		fresh := w.lookUnderClaim(held, v.Claims)
		w.collect(fresh)
		d = policy.Decide(w.Limits, fresh.At, fresh, w.memory)
		if d.Acts() && d.Permit == policy.Claim {
			if o := w.carryOut(ctx, held, d, fresh); o.Doubt != nil {
				w.held = held
				return d
			}
			break
		}
		if d.Compacts() {
			w.compact(d, fresh)
		} else if d.Acts() {
			break // something else has become due
		}
		over := held.Check() != nil || time.Now().After(deadline)
		if over || ctx.Err() != nil {
			w.fail(target, fresh, fmt.Errorf("nothing could be begun under the claim: %s", d.Detail))
			break
		}
		if wait(ctx, policy.LooksApart) != nil {
			break
		}
	}
	w.giveBack(ctx, held, took)
	return d
}

// fail counts a claim that ended without a step as a failure of work on its member.
func (w *Watchdog) fail(target cluster.MemberID, v cluster.View, err error) {
	w.memory = w.memory.WithOutcome(w.Limits, policy.Outcome{At: v.At, Decision: policy.Decision{Member: target}, Err: err})
	w.Recorder.Record(event.Event{Kind: event.WorkEnded, Member: target, MemberName: nameOf(v, target), Job: w.job(), Error: err.Error()})
}

// wait waits for d, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lookUnderClaim observes while the claim is ours: no other watchdog holds it.
func (w *Watchdog) lookUnderClaim(held *claim.Held, claims cluster.Claims) cluster.View {
	v := w.observe(held.Context(), time.Now())
	w.readPause(&v)
	v.Claims = claims
	v.Claims.Enrolled, v.Claims.UsableAt, v.Claims.Holder, v.Claims.HolderMember, v.Claims.Term = true, time.Time{}, "", 0, 0
	w.complete(&v)
	w.fold(v)
	return v
}

// carryOut runs the worker and remembers what came of it.
func (w *Watchdog) carryOut(ctx context.Context, permit maintenance.Permit, d policy.Decision, v cluster.View) policy.Outcome {
	if d.Has(cluster.StepDisarm) {
		w.disarming = w.memory.ArmedSince
	}
	if d.Reason == policy.Adopted && !w.Passive && d.Has(cluster.StepDefragment) {
		w.Recorder.Record(event.Event{Kind: event.Adopted, Reason: string(d.Reason), Member: d.Member, Job: w.job()})
	}
	outcome := w.Worker.Run(ctx, permit, d, w.memory, w.job(), v)
	w.progressed = len(outcome.Done) > 0 && outcome.Err == nil
	w.remember(outcome)
	if outcome.Err != nil && outcome.Doubt == nil && len(outcome.Done) > 0 && !errors.Is(outcome.Err, maintenance.ErrStopped) {
		w.Recorder.Record(event.Event{Kind: event.WorkEnded, Reason: string(d.Reason), Member: d.Member, Job: w.job(), Error: outcome.Err.Error()})
	}
	if errors.Is(outcome.Err, claim.ErrLost) {
		w.Recorder.Record(event.Event{Kind: event.ClaimLost, Member: d.Member, Job: w.job(), Error: outcome.Err.Error()})
	}
	return outcome
}

// remember folds a piece of work into the memory.
func (w *Watchdog) remember(o policy.Outcome) {
	before := w.memory
	if len(o.Done) == 0 {
		o.View = cluster.View{} // nothing was observed since the decision
	} else {
		w.complete(&o.View)
	}
	w.memory = before.WithOutcome(w.Limits, o)
	if len(o.Done) > 0 {
		w.noteAlarm(before, o.View)
	}
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
// claim has to be read again.
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

// doubtAll begins with a busy ticket that this process does not remember: any
// voter may be the one that its work was on.
func (w *Watchdog) doubtAll(v cluster.View) {
	w.resumed = true
	w.Recorder.Record(event.Event{Kind: event.TicketInDoubt, Member: v.Local, Job: w.nextJob()})
	for _, m := range v.Voters() {
		w.memory = w.memory.WithDoubt(policy.Doubt{Member: m.ID, Closed: v.At, Job: w.job()})
	}
}

func (w *Watchdog) settleOne(ctx context.Context, v cluster.View, doubt policy.Doubt) {
	m, _ := v.Member(doubt.Member)
	var evidence cluster.Evidence
	if doubt.AsksNow(v.At) {
		// Also of a member that does not answer: its metrics do, while a
		// defragmentation runs.
		evidence = w.Operator.Evidence(ctx, doubt.Member)
		doubt.Asked = v.At
	}
	doubt, how := doubt.Settle(w.Limits, v, w.memory, evidence)
	if how == policy.Unsettled {
		w.memory = w.memory.WithDoubt(doubt)
		return
	}
	w.memory = w.memory.WithSettled(w.Limits, v, doubt, how)
	e := event.Event{
		Kind: event.DefragmentationSettled, Member: m.ID, MemberName: m.Name, Job: doubt.Job, Detail: how.String(),
		SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes, QuotaBytes: m.Quota.Bytes, QuotaFrom: m.Quota.Source.String(),
		Took: v.At.Sub(doubt.Closed),
	}
	w.Recorder.Record(e)
	if doubt.Sent && (how == policy.Restarted || how == policy.Absent) {
		e.Kind, e.Error, e.Detail, e.Took = event.DefragmentationFailed, how.String(), "", 0
		w.Recorder.Record(e)
	}
}
