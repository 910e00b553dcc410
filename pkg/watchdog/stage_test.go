package watchdog_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/host"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

const (
	mib = 1 << 20
)

// stage is a model of a cluster and the watchdogs beside its members. The
// clock is that of a synctest bubble.
type stage struct {
	*testing.T
	etcd    *etcdtest.Cluster
	began   time.Time
	limits  policy.Limits
	options maintenance.Options
	claim   claim.Options
	dirs    string // the runtime directories of the hosts
	journal journal
	running map[cluster.MemberID]*process
	started []*process

	apart  map[cluster.MemberID]bool                  // processes there are not next to their member
	locks  map[cluster.MemberID]*process              // which of those next to a member may work without tickets
	disk   func(cluster.MemberID) func() cluster.Disk // what each host sees of its own; nil: nothing
	onRead func(*process)                             // before each read of the claim
	over   atomic.Bool                                // the play is
}

// play acts on a stage. Whatever the play is, the watchdogs keep the rules that
// can be read from the history of the cluster.
func play(t *testing.T, config etcdtest.Config, act func(*stage)) {
	t.Helper()
	dirs := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{
			T: t, etcd: etcdtest.New(config), began: time.Now(), dirs: dirs,
			limits: policy.DefaultLimits(), claim: claim.DefaultOptions(),
			options: maintenance.Options{
				RequestTimeout: config.RequestTimeout, CompactTimeout: config.CompactTimeout,
				DefragmentTimeout: 10 * time.Minute,
			},
			running: map[cluster.MemberID]*process{}, onRead: func(*process) {},
			apart: map[cluster.MemberID]bool{}, locks: map[cluster.MemberID]*process{},
		}
		s.claim.Tickets = 4 // more would only take longer to read
		s.claim.Settle = s.limits.Settled()
		s.limits.AssumedSpeed = 0 // by the quotas of these members, looks would never be calm
		defer s.end()
		act(s)
	})
}

// end kills what still runs, and judges what happened.
func (s *stage) end() {
	s.over.Store(true)
	for _, p := range s.started {
		s.bury(p)
	}
	h := s.etcd.History()
	if n := h.MaxConcurrentDefragmentations(); n > 1 {
		s.Errorf("%d members were being defragmented at once", n)
	}
	if err := h.NothingTouchedWhileCorrupt(); err != nil {
		s.Error(err)
	}
	if err := h.OnlyNoSpaceDisarmed(); err != nil {
		s.Error(err)
	}
	if s.Failed() {
		s.Logf("transcript:\n%s", s.transcript())
	}
}

// bury kills a process and waits until nothing of it runs any more.
func (s *stage) bury(p *process) {
	p.kill()
	<-p.ended
	_ = p.session.Close() // perhaps closed before
}

// watch starts a watchdog beside each of those members.
func (s *stage) watch(ids ...cluster.MemberID) {
	for _, id := range ids {
		s.start(id, s.open(id), fatal{})
	}
}

// open opens the session of a host. What an earlier process left there is
// resumed.
func (s *stage) open(id cluster.MemberID) *claim.Session {
	s.Helper()
	dir := filepath.Join(s.dirs, id.String())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		s.Fatal(err)
	}
	session, err := claim.OpenSession(dir, "machine", "boot")
	if err != nil {
		s.Fatal(err)
	}
	return session
}

// start starts the daemon.
func (s *stage) start(id cluster.MemberID, session *claim.Session, f fatal) *process {
	p, dog := s.prepare(id, session)
	p.fatal = f
	s.running[id] = p
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.reload = yields(dog)
	go func() {
		defer close(p.ended)
		dog.Run(ctx)
		for ctx.Err() == nil && p.alive.Err() == nil { // it was reloaded
			next := s.dog(p, dog.Book)
			next.Succeed(dog)
			dog, p.reload = next, yields(next)
			dog.Run(ctx)
		}
		p.kill()
	}()
	return p
}

// yields returns what asks a watchdog to make room for its successor.
func yields(dog *watchdog.Watchdog) (ask func()) {
	yield := make(chan struct{})
	dog.Yield = yield
	return sync.OnceFunc(func() { close(yield) })
}

// prepare builds a watchdog as the program does, and keeps its lease alive.
func (s *stage) prepare(id cluster.MemberID, session *claim.Session) (*process, *watchdog.Watchdog) {
	alive, kill := context.WithCancel(context.Background())
	p := &process{member: id, stage: s, alive: alive, kill: kill, ended: make(chan struct{}), session: session, keys: s.etcd.Keys().At(id)}
	s.started = append(s.started, p)
	book := claim.New(store{p}, store{p}, s.claim, claim.Identity{Host: fmt.Sprintf("host%s", id), Process: 100 + len(s.started), Version: "1.0"}, session)
	go book.Run(alive)
	return p, s.dog(p, book)
}

// dog builds what one configuration makes of a process.
func (s *stage) dog(p *process, book *claim.Book) *watchdog.Watchdog {
	look, do := eyes{p, s.etcd.Observer(p.member)}, hands{p, s.etcd.Operator(p.member)}
	dog := &watchdog.Watchdog{
		Limits: s.limits, RequestTimeout: s.options.RequestTimeout, CompactTimeout: s.options.CompactTimeout, Beside: s.beside(p),
		ClaimInterval: s.claim.TTL / 2, Observer: look, Operator: do, Book: book, Tickets: s.claim.Tickets,
		Recorder: mouth{p}, Status: func(string) { p.here() }, Alive: heart{p, book},
	}
	if s.disk != nil {
		dog.Disk = s.disk(p.member)
	}
	dog.Worker = maintenance.Worker{
		Observer: look, Operator: do, Recorder: mouth{p}, Alive: heart{p, book}, Limits: s.limits, Options: s.options,
	}
	return dog
}

// beside says why a process is not the one next to its member.
func (s *stage) beside(p *process) func(cluster.View) error {
	return func(cluster.View) error {
		other := s.locks[p.member]
		switch {
		case s.apart[p.member]:
			return errors.New("its peer URLs name no address of this host")
		case other != nil && other != p && other.alive.Err() == nil:
			return host.ErrTaken
		}
		s.locks[p.member] = p
		return nil
	}
}

// inspect looks at a step right before it is sent. Disarming while a voter
// that is there has not been made smaller brings the alarm back.
func (s *stage) inspect(by cluster.MemberID, step cluster.Step) {
	if step.Kind != cluster.StepDisarm {
		return
	}
	for _, m := range s.etcd.View().Voters() {
		full := float64(m.SizeBytes) >= float64(s.limits.DisarmBelow)*float64(m.Quota.Bytes)
		if m.Contact == cluster.Answered && full && m.Quota.Trusted() && m.ReclaimableBytes() > m.Quota.Bytes/100 {
			s.Errorf("watchdog %s disarms while the file of member %s takes %s", by, m.ID, cluster.FormatBytes(m.SizeBytes))
		}
	}
}

// glance lies between two looks of until. It is odd, so that nothing else happens
// at the same instant.
const glance = 100*time.Millisecond + 3*time.Microsecond

// until waits for a condition, and fails if it does not come to be.
func (s *stage) until(what string, within time.Duration, holds func() bool) {
	s.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(glance) {
		if time.Now().After(deadline) {
			s.Fatalf("within %s not: %s", within, what)
		}
	}
}

// enrolled waits until each of those watchdogs has its tickets.
func (s *stage) enrolled(ids ...cluster.MemberID) {
	s.Helper()
	s.until("enrolled", time.Minute, func() bool { return s.tickets().whole >= s.claim.Tickets*len(ids) })
	time.Sleep(s.claim.Settle + time.Second) // until they may be taken
}

// fill overwrites keys through a member until etcd refuses it.
func (s *stage) fill(through cluster.MemberID) {
	s.Helper()
	if err := s.etcd.Fill(s.Context(), through, mib); err != nil {
		s.Fatal(err)
	}
}

// healed waits until no alarm is listed, and checks that every member takes
// writes, that nothing more is done afterwards, and that the claim is free.
func (s *stage) healed(within time.Duration) {
	s.Helper()
	s.until("healed", within, func() bool { return len(s.etcd.View().Alarms) == 0 })
	for _, m := range s.etcd.View().Members {
		if m.Contact != cluster.Answered {
			continue
		}
		if err := s.etcd.Overwrite(s.Context(), m.ID, mib); err != nil {
			s.Errorf("healed, and yet: %v", err)
		}
	}
	s.until("the claim is free", 2*s.claim.TTL, func() bool { return s.tickets().busy == 0 })
	time.Sleep(time.Minute) // enrolling anew, and the end of what was reported
	before := len(s.etcd.History())
	time.Sleep(20 * time.Minute)
	if h := s.etcd.History(); len(h) != before {
		s.Errorf("after the cluster was healed:\n%s", h[before:])
	}
	if n := s.tickets().busy; n > 0 {
		s.Errorf("%d tickets are busy", n)
	}
}

// tickets counts the tickets of all.
func (s *stage) tickets() (n struct{ whole, busy int }) {
	listing, err := s.etcd.KV().Read(s.Context(), s.claim.Prefix+"/claim/")
	if err != nil {
		s.Fatal(err)
	}
	keys := map[string]bool{}
	for _, kv := range listing.Keys {
		keys[kv.Key] = true
	}
	for key := range keys {
		ticket, end := strings.CutSuffix(key, "/end")
		switch {
		case end && keys[ticket+"/begin"]:
			n.whole++
		case end:
			n.busy++
		}
	}
	return n
}

// ids returns 1 to n.
func ids(n int) []cluster.MemberID {
	var all []cluster.MemberID
	for i := 1; i <= n; i++ {
		all = append(all, cluster.MemberID(i))
	}
	return all
}
