package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// wiring is the proxies of a world, one before each member, and their rules.
type wiring struct {
	rules     wire.Rules
	processes func() map[string]int

	mu      sync.Mutex
	proxies map[string]*wire.Proxy // by member
}

func newWiring(processes func() map[string]int) *wiring {
	return &wiring{processes: processes, proxies: map[string]*wire.Proxy{}}
}

// advertise puts a proxy before a member, and returns where it stands.
func (w *wiring) advertise(name, clientURL string) (string, error) {
	p, err := wire.Start(wire.Config{Name: name, Member: clientURL, Rules: &w.rules, Processes: w.processes})
	if err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if old := w.proxies[name]; old != nil { // the launch starts over
		err = old.Close()
	}
	w.proxies[name] = p
	return p.URL(), err
}

// sever breaks every connection to the member, which takes new ones at once.
func (w *wiring) sever(member string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.proxies[member]
	if p == nil {
		return fmt.Errorf("there is no proxy for %s", member)
	}
	p.Cut()
	p.Heal()
	return nil
}

func (w *wiring) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	var errs []error
	for _, p := range w.proxies {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// processes are the process ids of the watchdogs by their names.
func (w *world) processes() map[string]int {
	pids := map[string]int{}
	for _, dog := range w.watching() {
		if pid := dog.PID(); pid != 0 {
			pids[dog.Name] = pid
		}
	}
	return pids
}

// The writes of a heal by a single voter's watchdog, those of one that needs the
// claim, and those that are about the claim alone.
var (
	writesAlone   = []wire.Kind{wire.Compact, wire.Defragment, wire.Disarm}
	writesClaimed = []wire.Kind{
		wire.Compact, wire.Take, wire.MoveLeader, wire.Defragment, wire.GiveBack, wire.Disarm, wire.Renew, wire.Enrol,
	}
	writesOfClaim = []wire.Kind{wire.Take, wire.GiveBack, wire.Enrol}
)

// write is the kind of write that the seed chooses.
func (r *run) write(among []wire.Kind) wire.Kind {
	if r.members == 1 {
		among = writesAlone
	}
	return among[r.pick%len(among)]
}

// nth says which write of that kind is meant, as the seed chooses.
func (r *run) nth(kind wire.Kind) int {
	switch kind {
	case wire.Take, wire.GiveBack, wire.Defragment, wire.Compact:
		return 1 + r.pick/16%r.members
	}
	return 1
}

// catch puts a rule in force for a write of that kind, and waits until it has
// met it. It is missed if the cluster is healed before. Tickets are put when
// writes are accepted again, as the last act of a heal in which they were used
// up; so that there are some to put, all leases are ended first.
func (r *run) catch(ctx context.Context, kind wire.Kind, action wire.Action) (*wire.Armed, *watchdogs.Watchdog, error) {
	rule := r.wire.rules.Add(wire.Rule{Match: wire.Match{Kind: kind, Nth: r.nth(kind)}, Action: action})
	if kind == wire.Enrol {
		if err := r.endLeases(ctx); err != nil {
			rule.Remove()
			return nil, nil, err
		}
	}
	for !closed(rule.Hit()) {
		if kind != wire.Enrol && r.reported("healed") {
			rule.Remove()
			return nil, nil, fmt.Errorf("%w: %s#%d", errMissed, kind, r.nth(kind))
		}
		if err := r.sleep(ctx, look); err != nil {
			rule.Remove()
			return nil, nil, fmt.Errorf("%w: %s#%d: %w", errMissed, kind, r.nth(kind), err)
		}
	}
	call := rule.Calls()[0]
	r.now()
	r.note("%s by %s at %s is met", call.Kind, call.Caller, call.Member)
	if call.Caller == "" {
		rule.Remove()
		return nil, nil, fmt.Errorf("%s: nobody knows whose it is", call.Kind)
	}
	return rule, r.dogOf(call.Caller), nil
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// reported tells whether any watchdog has reported the event in this run.
func (r *run) reported(event string) bool {
	return slices.ContainsFunc(r.journal.read(), func(e history.Entry) bool { return e.Event == event })
}

// endLeases ends all leases, so that tickets are put anew once writes are
// accepted.
func (r *run) endLeases(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	client := r.cluster.Client(0)
	all, err := client.Leases(ctx)
	if err != nil {
		return err
	}
	for _, l := range all.Leases {
		if _, err := client.Revoke(ctx, l.ID); err != nil {
			return err
		}
	}
	return nil
}

// killBeforeWrite kills the watchdog when its request has left, and loses the
// request.
func killBeforeWrite(ctx context.Context, r *run) error {
	rule, dog, err := r.catch(ctx, r.write(writesClaimed), wire.Action{Hold: true, Request: wire.Drop})
	if err != nil {
		return err
	}
	err = r.kill(dog)
	rule.Remove()
	return r.startLater(ctx, dog, err)
}

// killAfterWrite kills the watchdog when the member has done what it asked for,
// and has not yet told it.
func killAfterWrite(ctx context.Context, r *run) error {
	done, dead := make(chan struct{}), make(chan struct{})
	after := sync.OnceFunc(func() { close(done) })
	rule, dog, err := r.catch(ctx, r.write(writesClaimed), wire.Action{After: func(wire.Call) { after(); <-dead }})
	if err != nil {
		close(dead)
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
	err = r.kill(dog)
	close(dead)
	rule.Remove()
	return r.startLater(ctx, dog, err)
}

// startLater starts the watchdog after the length, unless there was an error.
func (r *run) startLater(ctx context.Context, dog *watchdogs.Watchdog, err error) error {
	if err == nil {
		err = r.sleep(ctx, r.length)
	}
	return errors.Join(err, r.start(dog))
}

// landLate holds what a watchdog asks of its tickets, and lets it land after the
// length.
func landLate(ctx context.Context, r *run) error {
	rule, _, err := r.catch(ctx, r.write(writesOfClaim), wire.Action{Hold: true})
	if err != nil {
		return err
	}
	defer rule.Remove()
	return r.sleep(ctx, r.length)
}

// defragmentLate holds a request to defragment, kills who sent it, starts it
// again, and lets the request land, within the time that a request can be on
// its way after its connection has ended.
func defragmentLate(ctx context.Context, r *run) error {
	rule, dog, err := r.catch(ctx, wire.Defragment, wire.Action{Hold: true})
	if err != nil {
		return err
	}
	defer rule.Remove()
	if err := r.kill(dog); err != nil {
		return err
	}
	back := time.Duration(r.pick%100) * r.length / 100
	if err := r.sleep(ctx, back); err != nil {
		return err
	}
	if err := r.start(dog); err != nil {
		return err
	}
	return r.sleep(ctx, r.length-back)
}

// loseAnswer loses the answer of a member and the connection with it.
func loseAnswer(ctx context.Context, r *run) error {
	rule, _, err := r.catch(ctx, r.write(writesClaimed), wire.Action{Reply: wire.Sever})
	if err != nil {
		return err
	}
	defer rule.Remove()
	return r.sleep(ctx, r.delay)
}
