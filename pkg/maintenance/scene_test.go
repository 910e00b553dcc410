package maintenance_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event/eventtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

const mib = 1 << 20

var errLost = errors.New("the permit was lost")

// scene is a worker before a full cluster of three, and everything that it
// does, in order. The clock is that of a synctest bubble.
type scene struct {
	*testing.T
	etcd     *etcdtest.Cluster
	eyes     *etcdtest.Observer
	did      []deed
	journal  eventtest.Memory
	options  maintenance.Options
	expected time.Duration // how long a defragmentation is predicted to take

	permit context.Context // of the work; lose ends it
	lose   context.CancelCauseFunc
	stop   context.CancelFunc // as SIGTERM does
	work   context.Context

	slow     int // so many looks from now on take longer than a prompt one
	pretends cluster.StepKind
	hangs    cluster.StepKind // is done, and its call returns only when the permit is lost
	blind    bool             // no metrics can be read
	until    time.Time        // as Alive was told last
	on       func(deed)       // called right before each deed
	after    func(deed)       // called right after each step
}

// deed is one thing that the worker does: look, check, evidence, or a step by
// its name, as its request leaves.
type deed struct {
	what string
	at   time.Time
}

// play acts on a scene: 512 MiB each, of which 64 MiB are live, led by member 1.
func play(t *testing.T, act func(*scene)) {
	t.Helper()
	playAfter(t, func(c *etcdtest.Cluster) error { return c.Fill(t.Context(), 1, mib) }, act)
}

// playAfter is play on a cluster to which something else has happened.
func playAfter(t *testing.T, before func(*etcdtest.Cluster) error, act func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{T: t, etcd: etcdtest.New(etcdtest.DefaultConfig(3)), on: func(deed) {}, after: func(deed) {}, expected: time.Second}
		s.options = maintenance.Options{RequestTimeout: 5 * time.Second, CompactTimeout: time.Minute, DefragmentTimeout: 10 * time.Minute}
		s.permit, s.lose = context.WithCancelCause(context.Background())
		s.work, s.stop = context.WithCancel(context.Background())
		defer s.stop()
		defer s.lose(nil)
		if err := before(s.etcd); err != nil {
			t.Fatal(err)
		}
		act(s)
	})
}

func (s *scene) does(what string) {
	d := deed{what, time.Now()}
	s.did = append(s.did, d)
	s.on(d)
}

// Observe implements maintenance.Observer.
func (s *scene) Observe(ctx context.Context, now time.Time) cluster.View {
	s.does("look")
	slow := s.slow > 0
	if slow {
		s.slow--
		time.Sleep(3100 * time.Millisecond)
	}
	v := s.observer().Observe(ctx, now)
	if slow {
		for i := range v.Members {
			v.Members[i].Took = 3100 * time.Millisecond
		}
	}
	return v
}

func (s *scene) observer() *etcdtest.Observer {
	if s.eyes == nil {
		s.eyes = s.etcd.Observer(1)
	}
	return s.eyes
}

// Do implements maintenance.Operator.
func (s *scene) Do(ctx context.Context, step cluster.Step, ready ...func() error) error {
	leaves := func() error {
		s.does(step.Kind.String())
		return nil
	}
	if s.pretends == step.Kind {
		return leaves()
	}
	err := s.etcd.Operator(1).Do(ctx, step, append(ready, leaves)...)
	if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
		s.after(deed{step.Kind.String(), time.Now()})
	}
	if s.hangs == step.Kind {
		<-ctx.Done()
	}
	return err
}

// Evidence implements maintenance.Operator.
func (s *scene) Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence {
	s.does("evidence")
	if s.blind {
		return cluster.Evidence{}
	}
	return s.etcd.Operator(1).Evidence(ctx, id)
}

// Context implements maintenance.Permit.
func (s *scene) Context() context.Context { return s.permit }

// Check implements maintenance.Permit.
func (s *scene) Check() error {
	s.does("check")
	return context.Cause(s.permit)
}

// Extend implements maintenance.Alive.
func (s *scene) Extend(until time.Time) { s.until = until }

// steps is a whole piece of work on the leader's member.
func (s *scene) steps() []cluster.Step {
	return []cluster.Step{
		{Kind: cluster.StepCompact, Member: 1, Revision: s.etcd.View().Revision()},
		{Kind: cluster.StepMoveLeader, Member: 1, To: 2},
		{Kind: cluster.StepDefragment, Member: 1},
		{Kind: cluster.StepDisarm, Member: 1, Alarm: cluster.AlarmNoSpace},
	}
}

// run carries steps out, all of them on the same member.
func (s *scene) run(steps ...cluster.Step) policy.Outcome {
	w := maintenance.Worker{
		Observer: s, Operator: s, Recorder: &s.journal, Alive: s,
		Limits: policy.DefaultLimits(), Options: s.options,
	}
	d := policy.Decision{Reason: policy.NospaceArmed, Member: steps[0].Member, Steps: steps, Expected: s.expected}
	earlier := s.observer().Observe(s.Context(), time.Now())
	time.Sleep(policy.LooksApart)
	look := s.observer().Observe(s.Context(), time.Now())
	mem := policy.Memory{}.WithLook(w.Limits, earlier).WithLook(w.Limits, look)
	return w.Run(s.work, s, d, mem, "job-1", look)
}

// sent returns the names of the steps that were sent, in order.
func (s *scene) sent() []string {
	var sent []string
	for _, d := range s.did {
		if !slices.Contains([]string{"look", "check", "evidence"}, d.what) {
			sent = append(sent, d.what)
		}
	}
	return sent
}

// story is everything that was done, several looks in a row being one.
func (s *scene) story() string {
	var all []string
	for _, d := range s.did {
		all = append(all, d.what)
	}
	all = slices.CompactFunc(all, func(a, b string) bool { return a == b && a == "look" })
	return strings.Join(all, ", ")
}

// recorded returns the names of what was recorded, in order.
func (s *scene) recorded() string {
	var names []string
	for _, e := range s.journal.Events() {
		names = append(names, e.Kind.String())
	}
	return strings.Join(names, ", ")
}

func (s *scene) expect(o policy.Outcome, done int, err error, sent ...string) {
	s.Helper()
	if len(o.Done) != done || !errors.Is(o.Err, err) {
		s.Errorf("done %v, error %v; want %d steps and %v", o.Done, o.Err, done, err)
	}
	if got := s.sent(); !slices.Equal(got, sent) {
		s.Errorf("sent %v, want %v", got, sent)
	}
}

// one returns the only event of a kind.
func (s *scene) one(k event.Kind) event.Event {
	s.Helper()
	all := s.journal.Of(k)
	if len(all) != 1 {
		s.Fatalf("%d events %s, want one; all: %s", len(all), k, s.recorded())
	}
	return all[0]
}
