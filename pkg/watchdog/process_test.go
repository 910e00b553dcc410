package watchdog_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// process is one run of the program beside one member. Whatever it touches it
// reaches through the ports below. When it is killed, the goroutine that comes
// to a port ends there, and nothing that it does afterwards is seen by anybody;
// what it has sent goes on in etcd.
type process struct {
	member   cluster.MemberID
	stage    *stage
	alive    context.Context
	kill     context.CancelFunc // as kill -9 does
	stop     context.CancelFunc // as SIGTERM does
	reload   func()             // as SIGHUP does
	ended    chan struct{}      // the loop has returned, or the process was killed
	session  *claim.Session
	fatal    fatal
	mu       sync.Mutex
	writes   []string // what it has written into etcd, or was about to
	reads    int      // of the claim
	polls    int
	evidence map[cluster.MemberID]int // how often the metrics of each member were read
	keys     *etcdtest.Keys
}

// fatal is the write around which a process is killed, or gets another signal.
type fatal struct {
	write int // counted from 1; 0: none
	when  moment
	what  signal
}

type signal string

const (
	sigkill signal = ""
	sigterm signal = "SIGTERM"
	sighup  signal = "SIGHUP"
)

// strike sends the signal.
func (p *process) strike() {
	switch p.fatal.what {
	case sigterm:
		p.stop()
	case sighup:
		p.reload()
	default:
		p.kill()
	}
}

type moment string

const (
	before moment = "before"
	during moment = "during" // the request is on its way or being served
	after  moment = "after"  // it was served, and the process has not learnt it
)

var errKilled = errors.New("the process was killed")

// midway is when a process that is killed during a write dies, after the
// beginning. The defragmentations of these tests take several times as long.
const midway = 150 * time.Millisecond

// pass is what every port does on the way in and out. Each watchdog has a
// latency of its own, so that no two of them do anything at the same instant:
// a transcript is the same in every run.
func (p *process) pass() {
	time.Sleep(time.Millisecond + time.Duration(p.member)*17_077*time.Nanosecond)
	p.here()
}

func (p *process) here() {
	if p.alive.Err() != nil {
		runtime.Goexit()
	}
}

// write does one write, unless the process dies of it.
func (p *process) write(ctx context.Context, what string, do func(context.Context) error) error {
	p.mu.Lock()
	p.writes = append(p.writes, what)
	dies := p.fatal.write == len(p.writes)
	p.mu.Unlock()
	if dies && p.fatal.when == before {
		p.strike()
	}
	if p.alive.Err() != nil {
		return errKilled
	}
	if dies && p.fatal.when == during {
		time.AfterFunc(midway, p.strike)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer context.AfterFunc(p.alive, func() { cancel(errKilled) })()
	err := do(ctx)
	if dies && p.fatal.when == after {
		p.strike()
	}
	return err
}

// eyes is the port through which a process looks at the members.
type eyes struct {
	*process
	of *etcdtest.Observer
}

func (e eyes) Observe(ctx context.Context, now time.Time) cluster.View {
	e.pass()
	e.polls++
	v := e.of.Observe(ctx, now)
	e.pass()
	return v
}

// hands is the port through which a process works on the members. The goroutine
// of a step belongs to the worker that waits for it, so it is not ended here:
// the worker is, at the next port.
type hands struct {
	*process
	of *etcdtest.Operator
}

func (h hands) Do(ctx context.Context, step cluster.Step, ready ...func() error) error {
	time.Sleep(time.Duration(h.member) * 13_007 * time.Nanosecond)
	return h.write(ctx, step.Kind.String(), func(ctx context.Context) error {
		h.stage.inspect(h.member, step)
		return h.of.Do(ctx, step, ready...)
	})
}

func (h hands) Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence {
	h.pass()
	defer h.pass()
	h.mu.Lock()
	all := map[cluster.MemberID]int{id: 1}
	for of, n := range h.evidence {
		all[of] += n
	}
	h.evidence = all // a copy, so that a test can keep the one of before
	h.mu.Unlock()
	return h.of.Evidence(ctx, id)
}

// store is the port to the keys and the leases of the claim.
type store struct{ *process }

func (s store) Read(ctx context.Context, prefix string) (claim.Listing, error) {
	s.pass()
	defer s.pass()
	s.reads++
	s.stage.onRead(s.process)
	return s.keys.Read(ctx, prefix)
}

// Commit names the transaction by what it is for: only enrolling puts, and only
// giving back deletes a ticket's end.
func (s store) Commit(ctx context.Context, txn claim.Txn) (happened bool, err error) {
	s.pass()
	defer s.pass()
	what := "give back"
	switch {
	case len(txn.Put) == 1:
		what = "publish"
	case len(txn.Put) > 0:
		what = "enrol"
	case len(txn.Delete) == 1:
		what = "take"
	}
	err = s.write(ctx, what, func(ctx context.Context) error {
		happened, err = s.keys.Commit(ctx, txn)
		return err
	})
	return happened, err
}

func (s store) Grant(ctx context.Context, ttl time.Duration) (id claim.LeaseID, err error) {
	s.pass()
	defer s.pass()
	err = s.write(ctx, "grant", func(ctx context.Context) error {
		id, err = s.keys.Grant(ctx, ttl)
		return err
	})
	return id, err
}

func (s store) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	s.pass()
	defer s.pass()
	return s.keys.KeepAlive(ctx, id)
}

func (s store) Revoke(ctx context.Context, id claim.LeaseID) error {
	s.pass()
	defer s.pass()
	return s.write(ctx, "revoke", func(ctx context.Context) error { return s.keys.Revoke(ctx, id) })
}

// mouth is the port to the journal.
type mouth struct{ *process }

func (m mouth) Record(e event.Event) {
	m.here()
	m.stage.journal.record(m.member, e)
}

// heart is the port to whoever wants to know that the loop makes progress.
type heart struct {
	*process
	book *claim.Book
}

func (h heart) Extend(until time.Time) {
	h.here()
	if h.book != nil {
		h.book.Allow(until)
	}
}
