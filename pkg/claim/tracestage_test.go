package claim_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Real books on a store, disturbed at every turn: one call of one book at a time
// is let through, chosen by the seed, and between any two of them watchdogs
// crash, stall and resume, answers get lost, requests land late, leases expire,
// and NOSPACE comes and goes. What happened is a trace for claim.Replay.

// errLost is the answer of a connection that broke.
var errLost = errors.New("the connection is lost")

// call is one call to the store that waits for its turn, or the end of what the
// book was asked to do.
type call struct {
	kind  string // read, commit, grant, keepalive, done
	txn   claim.Txn
	lease claim.LeaseID
	err   error       // of done
	held  *claim.Held // of done
	reply chan reply
}

type reply struct {
	listing claim.Listing
	held    bool
	lease   claim.LeaseID
	ttl     time.Duration
	err     error
}

// player is one watchdog: its book, what it does, and its store.
type player struct {
	number  int
	dir     string
	session *claim.Session
	book    *claim.Book
	ctx     context.Context
	cancel  context.CancelFunc
	shift   time.Duration // of its clock that counts suspension
	up      bool
	valid   bool // its deadline has not passed, as far as a bystander knows
	lease   claim.LeaseID
	work    claim.EventKind // Begins: on its way; Arrives: running; "": none
	held    *claim.Held
	working bool
	doing   string
	calls   chan call
	waiting *call // for its turn
	fault   fault
}

// stage is the store with its players.
type stage struct {
	*testing.T
	random  *rand.Rand
	world   world
	players []*player
	events  []claim.Event
	late    *claim.Txn
	full    bool
	fault   fault
}

// fault is how the books of a stage, or those who work under them, break the
// rules; the zero one is none.
type fault struct {
	txn            func(*claim.Txn)
	ignoreDeadline bool // work is begun under a claim that is lost
	hasty          bool // a doubt is ended before its work is settled
}

func newStage(t *testing.T, w world, players int, seed uint64, f fault) *stage {
	s := &stage{T: t, random: rand.New(rand.NewPCG(seed, 7)), world: w, fault: f}
	for i := range players {
		p := &player{number: i + 1, dir: t.TempDir(), calls: make(chan call), fault: f}
		s.players = append(s.players, p)
		s.start(p)
	}
	return s
}

func (s *stage) tell(e claim.Event) { s.events = append(s.events, e) }

func (s *stage) start(p *player) {
	var err error
	p.session, err = claim.OpenSession(p.dir, "machine", "boot")
	s.world.must(err)
	p.ctx, p.cancel = context.WithCancel(s.Context())
	p.book = claim.New(p, p, s.world.opts, claim.Identity{Host: fmt.Sprint("host", p.number), Process: 7, Version: "test"}, p.session)
	shift := p.shift
	begun, current := time.Now(), p
	p.book.SetBootClock(func() time.Duration { return time.Since(begun) + current.shift - shift })
	p.up, p.valid = true, false
}

// ask waits for the turn of a call of the player's book.
func (p *player) ask(ctx context.Context, c call) reply {
	if p.ctx.Err() != nil {
		return reply{err: errLost} // it has crashed
	}
	c.reply = make(chan reply, 1)
	p.calls <- c
	return <-c.reply
}

func (p *player) Read(ctx context.Context, _ string) (claim.Listing, error) {
	r := p.ask(ctx, call{kind: "read"})
	return r.listing, r.err
}

func (p *player) Commit(ctx context.Context, txn claim.Txn) (bool, error) {
	if p.fault.txn != nil {
		p.fault.txn(&txn)
	}
	r := p.ask(ctx, call{kind: "commit", txn: txn})
	return r.held, r.err
}

func (p *player) Grant(ctx context.Context, _ time.Duration) (claim.LeaseID, error) {
	r := p.ask(ctx, call{kind: "grant"})
	return r.lease, r.err
}

func (p *player) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	r := p.ask(ctx, call{kind: "keepalive", lease: id})
	return r.ttl, r.err
}

func (p *player) Revoke(context.Context, claim.LeaseID) error { panic("no book leaves in a trace") }

// begin lets the player do something until its first call.
func (s *stage) begin(p *player, doing string, do func() (*claim.Held, error)) {
	p.doing = doing
	go func() {
		held, err := do()
		p.calls <- call{kind: "done", held: held, err: err}
	}()
	s.next(p)
}

// next waits for what the player does next. A request leaves at once, so that it
// follows from the read before it.
func (s *stage) next(p *player) {
	c := <-p.calls
	p.waiting = &c
	switch c.kind {
	case "commit":
		s.tell(claim.Event{Actor: p.number, Kind: claim.Sends, Txn: c.txn})
	case "done":
		p.waiting = nil
		s.done(p, c)
	}
}

// done takes note of how what the player did ended.
func (s *stage) done(p *player, c call) {
	doing := p.doing
	p.doing = ""
	if !p.up {
		return
	}
	switch {
	case c.held != nil && c.held.Check() == nil:
		p.held = c.held
		s.tell(claim.Event{Actor: p.number, Kind: claim.Holds})
	case doing == "give back" && c.err != nil, doing == "release" && c.err != nil:
		if p.held != nil && p.held.Check() == nil {
			s.tell(claim.Event{Actor: p.number, Kind: claim.Begins}) // it could, which no move allows
		}
		p.held = nil
		s.tell(claim.Event{Actor: p.number, Kind: claim.Stops})
	case doing == "give back":
		p.held = nil
	}
}

// turn lets the call through that waits.
func (s *stage) turn(p *player) {
	c := *p.waiting
	var r reply
	ctx := s.Context()
	switch c.kind {
	case "read":
		r.listing, r.err = s.world.store.Read(ctx, s.world.opts.Prefix+"/claim/")
		s.tell(claim.Event{Actor: p.number, Kind: claim.Reads, Listing: r.listing})
	case "grant":
		r.lease, r.err = s.world.leases.Grant(ctx, s.world.opts.TTL)
		if r.err == nil {
			p.lease, p.valid = r.lease, true
			s.tell(claim.Event{Actor: p.number, Kind: claim.Granted, Lease: r.lease})
		}
	case "keepalive":
		r.ttl, r.err = s.world.leases.KeepAlive(ctx, c.lease)
		kind := claim.Renewed
		if p.valid = r.err == nil; !p.valid {
			kind = claim.LeaseWasNo
		}
		s.tell(claim.Event{Actor: p.number, Kind: kind, Lease: c.lease})
	case "commit":
		r = s.decide(p, c.txn)
	}
	if r.err != nil && !errors.Is(r.err, errLost) && !errors.Is(r.err, claim.ErrRefused) && !errors.Is(r.err, claim.ErrLeaseGone) {
		s.Fatal(r.err)
	}
	c.reply <- r
	s.next(p)
}

// decide chooses what becomes of a request.
func (s *stage) decide(p *player, txn claim.Txn) reply {
	switch dice := s.random.IntN(10); {
	case dice == 0:
		s.tell(claim.Event{Actor: p.number, Kind: claim.LosesGone})
		return reply{err: errLost}
	case dice <= 2 && s.late == nil:
		s.late = &txn
		s.tell(claim.Event{Actor: p.number, Kind: claim.LosesLate})
		return reply{err: errLost}
	}
	held, err := s.world.store.Commit(s.Context(), txn)
	s.tell(claim.Event{Actor: p.number, Kind: claim.Answered, Held: held, Err: err})
	return reply{held: held, err: err}
}

// crash ends a player's process; its book never calls again.
func (s *stage) crash(p *player) {
	kind := claim.Crashes
	if p.waiting != nil && p.waiting.kind == "commit" && s.late == nil && s.random.IntN(2) == 0 {
		kind, s.late = claim.CrashesLate, &p.waiting.txn
	}
	s.tell(claim.Event{Actor: p.number, Kind: kind})
	p.up, p.valid, p.held, p.working = false, false, nil, false
	p.cancel()
	p.shift += 2 * s.world.opts.TTL // a claim that it held ends its timer
	if p.doing != "" {
		p.waiting.reply <- reply{err: errLost}
		s.next(p)
	}
	s.world.must(p.session.Close())
}

// act makes a move of a player that does nothing, if that move can be made.
func (s *stage) act(p *player) {
	if !p.up {
		s.tell(claim.Event{Actor: p.number, Kind: claim.Starts})
		s.start(p)
		return
	}
	lost := p.held != nil && p.held.Check() != nil
	if lost && s.fault.ignoreDeadline {
		lost = false
	}
	if lost {
		p.working = false
	}
	switch {
	case p.working && p.work == "":
		p.working = false
		s.tell(claim.Event{Actor: p.number, Kind: claim.Knows})
	case p.held != nil && !p.working && !lost && !s.running() && s.random.IntN(2) == 0:
		p.working, p.work = true, claim.Begins
		s.tell(claim.Event{Actor: p.number, Kind: claim.Begins})
	case p.held != nil && !p.working && p.work == "":
		held := p.held
		s.begin(p, "give back", func() (*claim.Held, error) {
			ctx, cancel := context.WithTimeout(p.ctx, time.Second)
			defer cancel()
			return nil, held.GiveBack(ctx)
		})
	case p.held == nil:
		s.idle(p)
	}
}

// idle makes a move of a player that holds nothing.
func (s *stage) idle(p *player) {
	switch s.random.IntN(4) {
	case 0:
		s.begin(p, "enrol", func() (*claim.Held, error) { return nil, p.book.Enrol(p.ctx, cluster.MemberID(p.number)) })
	case 1, 2:
		s.begin(p, "take", func() (*claim.Held, error) { return p.book.Take(p.ctx, nil) })
	case 3:
		if p.work == "" || s.fault.hasty { // what may have been begun is settled
			s.begin(p, "release", func() (*claim.Held, error) { return nil, p.book.ReleaseDoubtful(p.ctx) })
		}
	}
}

func (s *stage) running() bool {
	return slices.ContainsFunc(s.players, func(p *player) bool { return p.work == claim.Arrives })
}

// disturb lets something happen to a player or to the store.
func (s *stage) disturb(p *player) {
	switch s.random.IntN(7) {
	case 0:
		if p.up {
			s.crash(p)
		}
	case 1:
		if p.up && p.valid {
			p.valid = false
			p.shift += 2 * s.world.opts.TTL
			s.tell(claim.Event{Actor: p.number, Kind: claim.Stalls})
		}
	case 2:
		if p.lease != 0 && !p.valid && p.work != claim.Begins {
			s.world.must(s.world.leases.Revoke(s.Context(), p.lease))
			s.tell(claim.Event{Kind: claim.Expires, Lease: p.lease})
			p.lease = 0
		}
	case 3:
		s.full = !s.full
		s.world.noSpace(s.full)
		s.tell(claim.Event{Kind: claim.NoSpace})
	case 4:
		s.landLate()
	default:
		s.goOn(p)
	}
}

// landLate lets the late request happen, or be gone.
func (s *stage) landLate() {
	if s.late == nil {
		return
	}
	txn := *s.late
	s.late = nil
	if s.random.IntN(3) == 0 {
		s.tell(claim.Event{Kind: claim.LateDropped})
		return
	}
	held, err := s.world.store.Commit(s.Context(), txn)
	s.tell(claim.Event{Kind: claim.LateHappens, Held: held, Err: err})
}

// goOn lets a player's work go on.
func (s *stage) goOn(p *player) {
	switch {
	case p.work == claim.Begins && s.random.IntN(3) > 0:
		p.work = claim.Arrives
	case p.work != "":
		p.work = ""
	default:
		return
	}
	kind := p.work
	if kind == "" {
		kind = claim.Ends
	}
	s.tell(claim.Event{Actor: p.number, Kind: kind})
}

// play makes so many moves, and then brings everybody to an end.
func (s *stage) play(moves int) []claim.Event {
	for range moves {
		p := s.players[s.random.IntN(len(s.players))]
		switch {
		case s.random.IntN(4) == 0:
			s.disturb(p)
		case p.waiting != nil:
			s.turn(p)
		default:
			s.act(p)
		}
	}
	for _, p := range s.players {
		if p.up {
			s.crash(p)
		}
	}
	if s.full {
		s.world.noSpace(false)
	}
	return s.events
}
