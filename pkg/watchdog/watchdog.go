package watchdog

import (
	"context"
	"errors"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/host"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Worker carries a decision out. Implemented by maintenance.Worker, and by
// maintenance.Rehearsal for a dry run.
type Worker interface {
	Run(ctx context.Context, permit maintenance.Permit, d policy.Decision, mem policy.Memory, job string, v cluster.View) policy.Outcome
}

// Watchdog is what one process needs to watch one cluster. The exported fields
// are set once, before Run or Heal.
type Watchdog struct {
	Limits         policy.Limits
	RequestTimeout time.Duration
	CompactTimeout time.Duration // when a compaction that goes on is reported
	ClaimInterval  time.Duration // between two reads of the claim while the cluster is calm
	Observer       maintenance.Observer
	Operator       maintenance.Operator
	Worker         Worker
	Book           *claim.Book
	Passive        bool                          // nothing is written into etcd, tickets included: a dry run, or a process that only observes
	Tickets        int                           // in a full book; for the reports
	Rights         func(context.Context) error   // asked once, when the cluster first has a quorum; its error is reported
	Disk           func() cluster.Disk           // looks at the local member's disk; nil: nobody does
	Pause          func() (cluster.Pause, error) // what the operator of this host has asked for; nil: it does not matter
	Beside         func(cluster.View) error      // why this process is not the one next to the local member; host.ErrTaken: another one is; nil: it never is
	Version        string                        // of the program, for the other watchdogs
	Learnt         policy.Memory                 // what an earlier process on this host has learnt
	Keep           func(Kept) error              // keeps what a later one should know; nil: nothing is kept
	Seen           func(Kept)                    // told what each poll has left, before its work and after; must return at once; nil: nobody
	Recorder       event.Recorder
	Decided        func(policy.Decision) // called at the end of a tick of Heal; nil: it does not matter
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
	memory      policy.Memory
	conditions  event.Conditions
	previous    cluster.View    // the observation of the tick before
	last        policy.Decision // of the tick before
	compacting  map[cluster.MemberID]*compaction
	woken       chan struct{} // something that the loop waits for has ended
	idleSince   time.Time     // since when work has been due and nothing has got anywhere; zero: it is not due
	tickets     int           // as last seen
	published   int64         // the quota that was published last
	publishedAt time.Time
	claimsAt    time.Time        // when the claim was read last
	held        *claim.Held      // kept over a tick only for a doubt, or until the giving back has arrived
	resumed     bool             // a ticket of ours was found busy, and its doubts are in memory
	rights      bool             // they were asked for
	enrolled    bool             // it was reported that tickets are there
	full        bool             // the book is known to be full
	disarming   time.Time        // since when NOSPACE, which we have disarmed, was listed; zero: we have not
	local       cluster.MemberID // as last seen
	jobs        int
	atHand      string // the job
	refusal     string // why the claim could not be taken at the last try; empty: it could
	progressed  bool   // the work of this tick has done something, and nothing failed
	routine     routine
	kept        kept
	errors      map[string]string // by source: what was reported and has not been mended since
}

// kept is when something was kept last, and what it was about.
type kept struct {
	at     time.Time
	reason policy.Reason
	due    bool // a condition was reported since
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
	// giveBackWithin is how long a tick waits for a ticket to be given back; the
	// next tick goes on with it.
	giveBackWithin = 10 * time.Second
	// disarmHolds is how long an alarm has to stay away for its disarm to have been
	// right.
	disarmHolds = 10 * time.Minute
)

// Succeed lets w go on where another watchdog has stopped, whose Run has
// returned: with what it remembers, holds and has told. Only the rights are asked
// for anew. Call it before Run.
func (w *Watchdog) Succeed(before *Watchdog) {
	w.state, w.Learnt = before.state, before.memory
	w.rights = false
	w.compacting = nil // they ended with the connections of before, or go on without us
	for _, mm := range w.Learnt.Members {
		w.Learnt = w.Learnt.WithBegun(time.Time{}, mm.ID)
	}
}

// Run watches until ctx is done. A piece of work in flight then is finished, as
// far as it can't be abandoned, before Run returns.
func (w *Watchdog) Run(ctx context.Context) {
	w.begin()
	defer w.abandon()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.Yield:
			return
		case <-w.woken:
		case <-timer.C:
		}
		d := w.Tick(ctx)
		timer.Reset(d.Next)
		w.Alive.Extend(time.Now().Add(d.Next + slack))
	}
}

// begin takes over what an earlier process has learnt.
func (w *Watchdog) begin() {
	w.memory = w.Learnt
	w.woken = make(chan struct{}, 1)
}

// Tick is one round of the loop. It returns the decision that it ended with.
func (w *Watchdog) Tick(ctx context.Context) policy.Decision {
	began, now := claim.Now(), time.Now()
	w.extend(now)
	v := w.look(ctx, now)
	w.collect(v)
	if w.settle(ctx, v) || w.leave(ctx, v) || w.enrol(ctx, v) {
		v.Claims = w.readClaims(ctx, v)
	}
	w.publish(ctx, v)
	w.checkRights(ctx, v)
	d := policy.Decide(w.Limits, now, v, w.memory)
	w.memory = w.memory.WithDecision(d)
	if w.refusal != "" && d.Permit == policy.Claim && d.Acts() {
		// The claim was refused at the last observation; whether it still is, is known
		// only when it is tried. Until then that condition goes on.
		d.Standing = append(d.Standing, policy.Condition{Reason: policy.WaitingForClaim, Detail: w.refusal})
	}
	w.tell(v, d)
	w.seen(v, d)
	w.progressed = false
	if d.Acts() && ctx.Err() == nil {
		w.Status(sentence(v, d, w.word("working")))
		d = w.act(ctx, d, v, began)
		if w.progressed {
			d.Next = 0 // the world has changed by our doing: observe again at once
		}
	}
	w.close(now, v, d)
	w.previous, w.last = v, d
	return d
}

// extend says until when a tick without work may take.
func (w *Watchdog) extend(now time.Time) {
	w.Alive.Extend(now.Add(4*w.RequestTimeout + slack))
}

// observe looks at the members, and at the disk of the local one.
func (w *Watchdog) observe(ctx context.Context, now time.Time) cluster.View {
	v := w.Observer.Observe(ctx, now)
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
	began := time.Now()
	v := w.observe(ctx, now)
	v.Claims = w.previous.Claims
	v.Claims.Term = 0
	if !w.calm(v) || now.Sub(w.claimsAt) >= w.ClaimInterval {
		v.Claims = w.readClaims(ctx, v)
	}
	w.readPause(&v) // that of the cluster is read along with the claim
	v.Ended = now.Add(time.Since(began))
	w.complete(&v)
	w.fold(v)
	return v
}

// complete puts into an observation what only the claim's prefix and this host
// can say.
func (w *Watchdog) complete(v *cluster.View) {
	local, _ := v.Member(v.Local)
	for i := range v.Members {
		m := &v.Members[i]
		if m.Contact != cluster.Answered || m.Quota.Source == cluster.QuotaLearnt {
			continue
		}
		h, published := v.Claims.Host(m.ID)
		switch {
		case published && h.QuotaBytes != 0:
			m.Quota.Bytes, m.Quota.Source = h.QuotaBytes, cluster.QuotaPublished
		case m.Quota.Source == cluster.QuotaAssumed && local.Quota.Source == cluster.QuotaLearnt:
			m.Quota.Bytes, m.Quota.Source = local.Quota.Bytes, cluster.QuotaLocal
		}
	}
	armed := v.Alarmed(cluster.AlarmNoSpace)
	switch {
	case w.Beside == nil:
		v.NotBeside = "it is not run as the daemon of a member's host"
	case armed: // it matters, and asks the name service
		err := w.Beside(*v)
		v.Beside, v.Followed = err == nil, errors.Is(err, host.ErrTaken)
		if err != nil {
			v.NotBeside = err.Error()
		}
	}
}

// readPause finds out whether this watchdog is paused.
func (w *Watchdog) readPause(v *cluster.View) {
	if w.Pause == nil {
		return
	}
	var err error
	if v.Pause, err = w.Pause(); err != nil {
		w.failed(*v, "pause", err)
		return
	}
	delete(w.errors, "pause")
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
	if before.Rewound(v) {
		w.Recorder.Record(event.Event{Kind: event.ClusterRestored, Member: v.Local, MemberName: nameOf(v, v.Local), Revision: v.Revision()})
		w.full = false
	}
	w.memory = before.WithLook(w.Limits, v)
	w.noteAlarm(before, v)
}

// calm reports that nothing in this observation, or in the decision before it,
// asks for work.
func (w *Watchdog) calm(v cluster.View) bool {
	if len(v.Alarms) > 0 || len(w.memory.Doubts) > 0 || w.held != nil || w.resumed || !w.previous.Claims.Known || !w.full && !w.Passive {
		return false
	}
	return !w.last.Acts() && (w.last.Reason == policy.BelowThreshold || w.last.Reason == policy.NearQuota)
}

// failed reports an error that is no fact about the cluster: once, until its
// source has another one, or none.
func (w *Watchdog) failed(v cluster.View, source string, err error) {
	if w.news(source, err) {
		w.Recorder.Record(event.Event{Kind: event.PollFailed, Member: v.Local, Error: err.Error(), Source: source})
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

// noteAlarm reports what the looks tell about NOSPACE: that our disarming
// worked, or that the alarm came back.
func (w *Watchdog) noteAlarm(before policy.Memory, v cluster.View) {
	armed, was := !w.memory.ArmedSince.IsZero(), !before.ArmedSince.IsZero()
	switch {
	case was && !armed && !w.disarming.IsZero():
		w.Recorder.Record(event.Event{Kind: event.Healed, Member: v.Local, Took: v.At.Sub(w.disarming)})
		w.disarming = time.Time{}
	case armed && !was && w.memory.Disarms > 0 && v.At.Sub(w.memory.DisarmedAt) < disarmHolds:
		w.Recorder.Record(event.Event{Kind: event.DisarmRepeated, Member: v.Local, Took: v.At.Sub(w.memory.DisarmedAt)})
	}
}
