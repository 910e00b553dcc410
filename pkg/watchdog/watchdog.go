package watchdog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Worker carries a decision out. Implemented by maintenance.Worker, and by
// maintenance.Rehearsal for a dry run.
type Worker interface {
	Run(ctx context.Context, permit maintenance.Permit, d policy.Decision, mem policy.Memory, job string, looks ...cluster.View) policy.Outcome
}

// Watchdog is what one process needs to watch one cluster. The exported fields
// are set once, before Run or Heal.
type Watchdog struct {
	Limits         policy.Limits
	RequestTimeout time.Duration
	DeliveryBound  time.Duration // how long a request may still be on its way after its connection was closed
	ClaimInterval  time.Duration // between two reads of the claim while the cluster is calm
	Observer       maintenance.Observer
	Operator       maintenance.Operator
	Worker         Worker
	Book           *claim.Book
	Passive        bool                          // nothing is written into etcd, tickets included: a dry run, or a process that only observes
	Tickets        int                           // in a full book; for the reports
	Rights         func(context.Context) error   // asked once, when the cluster first has a quorum; its error is reported
	Disk           func() cluster.Disk           // looks at the local member's disk; nil: nobody does
	Pause          func() (cluster.Pause, error) // what somebody on this host has asked for; nil: it does not matter
	Learnt         policy.Memory                 // what an earlier process on this host has learnt
	Keep           func(Kept) error              // keeps what a later one should know; nil: nothing is kept
	Recorder       event.Recorder
	Status         func(sentence string) // what the service manager shows; called before work and at the end of a tick
	Yield          <-chan struct{}       // closed: Run returns after the tick at hand, which is finished as if nothing were; nil: never
	Alive          maintenance.Alive

	state
}

// Kept is what outlives the process: for the one after it, and for people.
type Kept struct {
	Memory   policy.Memory
	View     cluster.View
	Decision policy.Decision
}

// state is what the loop keeps between two ticks.
type state struct {
	memory     policy.Memory
	conditions event.Conditions
	previous   cluster.View     // the look of the tick before
	claimsAt   time.Time        // when the claim was read last
	held       *claim.Held      // kept over a tick only for a doubt, or until the giving back has arrived
	resumed    bool             // a ticket of ours was found busy, and its doubts are in memory
	rights     bool             // they were asked for
	enrolled   bool             // it was reported that tickets are there
	replenish  bool             // the book is not known to be full
	disarming  time.Time        // since when NOSPACE, which we have disarmed, was listed; zero: we have not
	local      cluster.MemberID // as last seen
	jobs       int
	refusal    string // why the claim could not be taken at the last try; empty: it could
	progressed bool   // the work of this tick has done something, and nothing failed
	routine    routine
	kept       kept
	errors     map[string]string // by source: what was reported and has not been mended since
}

// kept is when something was kept last, and what it was about.
type kept struct {
	at     time.Time
	reason policy.Reason
}

// routine is what compactions alone have done since it was last told.
type routine struct {
	since time.Time // when it was last told, or when the first of these began
	told  bool
	count int
	won   int64
}

const (
	// routineEvery is how often compactions alone are told of, at most.
	routineEvery = time.Hour
	// routineWorth is the share of the quota that they have to win for that; what
	// wins less is told once in routineAtLeast.
	routineWorth   = 0.05
	routineAtLeast = 24 * time.Hour
	// keepEvery is how often what has been learnt is kept, if nothing happens.
	keepEvery = time.Minute
	// slack is added to the deadline of a tick before it counts as hung.
	slack = 30 * time.Second
	// rounds bounds the pieces of work of one claim: the member's own, a
	// compaction in between, the disarming.
	rounds = 4
	// giveBackWithin is how long a tick waits for a ticket to be given back; the
	// next tick goes on with it.
	giveBackWithin = 10 * time.Second
)

// Succeed lets w go on where another watchdog has stopped, whose Run has
// returned: with what it remembers, holds and has told. Only the rights are asked
// for anew. Call it before Run.
func (w *Watchdog) Succeed(before *Watchdog) {
	w.state, w.Learnt = before.state, before.memory
	w.rights = false
}

// Run watches until ctx is done. A piece of work in flight then is finished, as
// far as it can't be abandoned, before Run returns.
func (w *Watchdog) Run(ctx context.Context) {
	w.memory = w.Learnt
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Yield:
			return
		case <-timer.C:
		}
		d := w.Tick(ctx)
		timer.Reset(d.Next)
		w.Alive.Extend(time.Now().Add(d.Next + slack))
	}
}

// Tick is one round of the loop. It returns the decision that it ended with.
func (w *Watchdog) Tick(ctx context.Context) policy.Decision {
	now := time.Now()
	w.extend(now)
	v := w.look(ctx, now)
	if w.settle(ctx, v) || w.leave(ctx, v) || w.enrol(ctx, v) {
		v.Claims = w.readClaims(ctx, v)
	}
	w.checkRights(ctx, v)
	d := policy.Decide(w.Limits, now, v, w.memory)
	if w.refusal != "" && d.Permit == policy.Claim && d.Acts() {
		// The claim was refused at the last look; whether it still is, is known
		// only when it is tried. Until then that condition goes on.
		d.Standing = append(d.Standing, policy.Condition{Reason: policy.WaitingForClaim, Detail: w.refusal})
	}
	w.tell(v, d)
	w.progressed = false
	if d.Acts() && ctx.Err() == nil {
		w.Status(sentence(v, d, w.word("working")))
		d = w.act(ctx, d, v)
		if w.progressed {
			d.Next = 0 // the world has changed by our doing: look again at once
		}
	}
	w.close(now, v, d)
	w.previous = v
	return d
}

// extend says until when a tick without work may take.
func (w *Watchdog) extend(now time.Time) {
	w.Alive.Extend(now.Add(4*w.RequestTimeout + slack))
}

// observe looks at the members, at the disk of the local one, and whether this
// watchdog is paused.
func (w *Watchdog) observe(ctx context.Context, now time.Time) cluster.View {
	v := w.Observer.Observe(ctx, now)
	if w.Pause != nil {
		var err error
		if v.Pause, err = w.Pause(); err != nil {
			w.failed(v, "pause", err)
		} else {
			delete(w.errors, "pause")
		}
	}
	if w.Disk != nil {
		v.Disk = w.Disk()
		if v.Disk.Problem != "" {
			w.failed(v, "disk", errors.New(v.Disk.Problem))
		} else {
			delete(w.errors, "disk")
		}
	}
	return v
}

// look observes the members and, where it matters or is due, the claim, and
// folds both into the memory.
func (w *Watchdog) look(ctx context.Context, now time.Time) cluster.View {
	v := w.observe(ctx, now)
	v.Claims = w.previous.Claims
	if !w.calm(v) || now.Sub(w.claimsAt) >= w.ClaimInterval {
		v.Claims = w.readClaims(ctx, v)
	}
	w.fold(v)
	return v
}

// checkRights finds out, once and as early as it can, whether etcd will let us
// do the work, so that it is not found out on the night when it is needed.
func (w *Watchdog) checkRights(ctx context.Context, v cluster.View) {
	if w.rights || w.Rights == nil || v.Leader() == 0 {
		return
	}
	w.rights = true
	if err := w.Rights(ctx); err != nil {
		w.Recorder.Record(event.Event{Kind: event.RightsMissing, Member: v.Local, Error: err.Error()})
	}
}

// fold takes one look into the memory.
func (w *Watchdog) fold(v cluster.View) {
	w.local = v.Local
	before := w.memory
	w.memory = before.WithLook(w.Limits, v)
	w.noteAlarm(before, v)
}

// calm reports that nothing in this look asks for work.
func (w *Watchdog) calm(v cluster.View) bool {
	if len(v.Alarms) > 0 || len(w.memory.Doubts) > 0 || w.held != nil || w.resumed || !w.previous.Claims.Known {
		return false
	}
	d := policy.Decide(w.Limits, v.At, v, w.memory)
	return !d.Acts() && (d.Reason == policy.BelowThreshold || d.Reason == policy.NearQuota)
}

// readClaims reads the claim. It needs a quorum, so it is not tried without.
func (w *Watchdog) readClaims(ctx context.Context, v cluster.View) cluster.Claims {
	if v.Leader() == 0 {
		return cluster.Claims{}
	}
	claims, err := w.Book.Read(ctx)
	if err != nil {
		w.failed(v, "claim", fmt.Errorf("reading the claim from etcd: %w", err))
		return cluster.Claims{}
	}
	w.claimsAt = v.At
	delete(w.errors, "claim")
	if w.Passive {
		return asIfEnrolled(claims, v.Local)
	}
	if claims.Enrolled && !w.enrolled {
		w.enrolled = true
		w.Recorder.Record(event.Event{Kind: event.Resumed, Member: v.Local, MemberName: nameOf(v, v.Local), Tickets: w.Tickets})
	}
	if !claims.Enrolled {
		w.enrolled = false
	}
	return claims
}

// asIfEnrolled is what the claim would show if this process held tickets: what
// a watchdog that writes nothing decides by.
func asIfEnrolled(claims cluster.Claims, local cluster.MemberID) cluster.Claims {
	claims.Enrolled, claims.InDoubt = true, false
	if !slices.Contains(claims.Watched, local) {
		claims.Watched = append(slices.Clone(claims.Watched), local)
		slices.Sort(claims.Watched)
	}
	return claims
}

// failed reports an error that is no fact about the cluster: once, until its
// source has another one, or none.
func (w *Watchdog) failed(v cluster.View, source string, err error) {
	if w.news(source, err) {
		w.Recorder.Record(event.Event{Kind: event.PollFailed, Member: v.Local, Error: err.Error()})
	}
}

// news reports that the error of a source is another one than was reported.
func (w *Watchdog) news(source string, err error) bool {
	if w.errors[source] == err.Error() {
		return false
	}
	if w.errors == nil {
		w.errors = map[string]string{}
	}
	w.errors[source] = err.Error()
	return true
}

// enrol puts the tickets that are missing from the book as soon as etcd accepts
// writes, and reports whether the claim has to be read anew.
func (w *Watchdog) enrol(ctx context.Context, v cluster.View) bool {
	local, _ := v.Member(v.Local)
	writable := len(v.Alarms) == 0 && v.Leader() != 0 && local.Contact == cluster.Answered
	if w.Passive || !writable || !v.Claims.Known || v.Claims.InDoubt || v.Claims.Enrolled && !w.replenish {
		return false
	}
	err := w.Book.Enrol(ctx, v.Local)
	e := event.Event{Kind: event.Enrolled, Member: v.Local, MemberName: local.Name, Tickets: w.Tickets}
	if err != nil {
		if w.news("enrol", err) {
			e.Kind, e.Error = event.EnrolFailed, err.Error()
			w.Recorder.Record(e)
		}
		return false
	}
	if !w.enrolled {
		w.Recorder.Record(e)
	}
	delete(w.errors, "enrol")
	w.enrolled, w.replenish = true, false
	return true
}

// leave gives the tickets up when the local member has been silent for
// adopt-after: this watchdog does nothing without it, and as long as its book is
// there, hosts that have none stand still under NOSPACE. So it does when this
// host has got another member than the tickets are for: they would tell that
// somebody stands behind one that nobody looks after. Nothing is given up
// while work may be going on under a ticket. It reports whether the claim has to
// be read anew.
func (w *Watchdog) leave(ctx context.Context, v cluster.View) bool {
	since := w.memory.Of(v.Local).SilentSince
	silent := !since.IsZero() && v.At.Sub(since) >= w.Limits.AdoptAfter
	if w.Passive || !silent && !another(v) || !v.Claims.Enrolled || v.Claims.InDoubt || w.held != nil || w.resumed || len(w.memory.Doubts) > 0 {
		return false
	}
	if err := w.Book.Leave(ctx); err != nil {
		w.failed(v, "leave", fmt.Errorf("giving up tickets that serve nobody, since their member does not answer or is not on this host any more: %w", err))
		return false
	}
	delete(w.errors, "leave")
	w.enrolled = false
	return true
}

// another reports that the member of this host is not the one that its tickets
// are for: it was replaced, or the endpoint changed.
func another(v cluster.View) bool {
	local, listed := v.Member(v.Local)
	return listed && local.Contact == cluster.Answered && slices.ContainsFunc(v.Claims.Own, func(id cluster.MemberID) bool { return id != v.Local })
}

// noteAlarm reports what the looks tell about NOSPACE: that our disarming
// worked, or that the alarm came back.
func (w *Watchdog) noteAlarm(before policy.Memory, v cluster.View) {
	armed, was := !w.memory.ArmedSince.IsZero(), !before.ArmedSince.IsZero()
	switch {
	case was && !armed && !w.disarming.IsZero():
		w.Recorder.Record(event.Event{Kind: event.Healed, Member: v.Local, Took: v.At.Sub(w.disarming)})
		w.disarming = time.Time{}
	case armed && !was && w.memory.Disarms > 0:
		w.Recorder.Record(event.Event{Kind: event.DisarmRepeated, Member: v.Local, Took: v.At.Sub(w.memory.DisarmedAt)})
	}
}
