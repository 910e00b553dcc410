package claim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// rules says which rules of the package's doc are broken; none in the zero one.
type rules struct {
	shareLease       bool // 1: all use one lease
	putUnguarded     bool // 2
	putSplit         bool // 2: a ticket's keys by two Txns
	takeBlindToPuts  bool // 3: without "nothing put since"
	takeBlindToTakes bool // 3: without the lowest begins of the others
	takeAny          bool // 3: not the lowest ticket
	takeBlindToEnd   bool // 3: without one's own end
	giveBackUnread   bool // 4
	keepDoubt        bool // 5: a ticket in doubt is never given back
	holdDoubt        bool // 5: it is taken for held
	hastyRelease     bool // 5: it is given back before its work is settled
	giveBackUnfenced bool // 6
	giveBackEndOnly  bool // 6
	holdOn           bool // 6: a claim whose giving back got no answer is taken for held
	replenishNever   bool // 7
	keepAliveAlways  bool // 8: of a process that hangs
	expireNever      bool // 9
	resumeNever      bool // 9
	ignoreDeadline   bool // steps are begun after the deadline
	ignoreProbe      bool // steps are begun while a member does not answer
}

// explorer makes the moves of a world.
type explorer struct {
	broken  rules
	tickets int
	late    int  // requests on their way that nobody waits for, at most
	bounded bool // faults use up world.faults
	names   *names
	actor   int // whose move it is; 0: nobody's
	emit    func(move string, next *world, good bool)
}

// violation is a broken promise, named by the move that broke it.
type violation struct{ what string }

// step is a move that is no fault: what a world does if nothing goes wrong.
func (e *explorer) step(move string, next *world) { e.emit(move, next, true) }

// fault is a move that a world need not make.
func (e *explorer) fault(move string, w *world, change func(*world)) {
	if e.bounded && w.faults == 0 {
		return
	}
	next := w.clone()
	next.faults--
	if !e.bounded {
		next.faults = 0
	}
	change(next)
	e.emit(move, next, false)
}

// expand makes every move.
func (e *explorer) expand(w *world) {
	seen := w.read(e.names)
	for i := range w.watchdogs {
		e.actor = i + 1
		if w.watchdogs[i].up {
			e.act(w, i, seen)
		}
		e.suffer(w, i)
	}
	e.actor = 0
	e.surroundings(w)
}

// act makes the moves of a watchdog that runs.
func (e *explorer) act(w *world, i int, seen roll) {
	d := w.watchdogs[i]
	if d.lease != 0 && !d.valid {
		next := w.clone()
		n := &next.watchdogs[i]
		n.valid = w.lives(d.lease)
		if !n.valid {
			n.lease = 0
		}
		e.step("renews", next)
	}
	if d.pending != nil {
		e.answered(w, i)
		return
	}
	switch d.phase {
	case idle:
		e.enrol(w, i, seen)
		e.take(w, i, seen)
		e.release(w, i, seen)
	case held:
		e.begin(w, i)
		e.send(w, i, "gives back", giving, d.ticket, e.giveBackTxn(d.ticket))
	case working:
		if w.work[i] == none {
			next := w.clone()
			next.watchdogs[i].phase = held
			e.step("knows how its work ended", next)
		}
	case giving:
		e.send(w, i, "gives back again", giving, d.ticket, e.giveBackTxn(d.ticket))
		next := w.clone()
		next.watchdogs[i].phase, next.watchdogs[i].ticket = idle, ticket{}
		e.step("stops giving back", next)
	}
}

// send puts a request on its way.
func (e *explorer) send(w *world, i int, what string, p phase, t ticket, txn Txn) {
	next := w.clone()
	n := &next.watchdogs[i]
	n.phase, n.ticket, n.pending = p, t, e.names.request(txn)
	e.step(what, next)
}

func (e *explorer) enrol(w *world, i int, seen roll) {
	d := w.watchdogs[i]
	if w.noSpace {
		return
	}
	if d.lease == 0 {
		next := w.clone()
		n := &next.watchdogs[i]
		n.lease, n.valid, n.fresh = next.grant(i), true, e.broken.replenishNever
		if e.broken.shareLease && i > 0 {
			n.lease = w.watchdogs[0].lease
			n.valid = w.lives(n.lease)
		} else {
			next.leases = append(next.leases, n.lease)
			slices.Sort(next.leases)
		}
		e.step("is granted a lease", next)
		return
	}
	if e.broken.replenishNever && !d.fresh {
		return
	}
	for _, txn := range exploreLayout.clearJunkTxns(seen, d.lease) {
		e.send(w, i, "clears junk", putting, d.ticket, txn)
	}
	for _, txn := range e.enrolTxns(seen, i, d.lease) {
		e.send(w, i, "puts tickets", putting, d.ticket, txn)
	}
}

func (e *explorer) enrolTxns(seen roll, i int, lease LeaseID) []Txn {
	if !e.broken.putSplit {
		txns := exploreLayout.enrolTxns(seen, memberOf(i), lease, e.tickets, "")
		for _, txn := range txns {
			if e.broken.putUnguarded {
				clear(txn.Created)
			}
		}
		return txns
	}
	// One key at a time, whichever is missing, each guarded by its own absence.
	var txns []Txn
	for number := range e.tickets {
		name := ticketName{memberOf(i), lease, number}
		for _, h := range []half{{name, false}, {name, true}} {
			t, _ := first(seen.of(lease, func(t ticket) bool { return t.ticketName == name }), func(ticket) bool { return true })
			if h.end && t.end != 0 || !h.end && (t.begin != 0 || t.end != 0) {
				continue
			}
			key := e.names.keyOf(h)
			txns = append(txns, Txn{Created: map[string]int64{key: 0}, Put: []KeyValue{{Key: key, Lease: lease}}})
		}
	}
	return txns
}

// take reads and sends, or holds what an earlier take is seen to have taken.
func (e *explorer) take(w *world, i int, seen roll) {
	d := w.watchdogs[i]
	if d.lease == 0 || !d.valid {
		return
	}
	if busy := seen.of(d.lease, ticket.busy); len(busy) > 0 {
		if busy[0].is(d.ticket) || e.broken.holdDoubt {
			next := w.clone()
			next.watchdogs[i].phase, next.watchdogs[i].ticket = held, busy[0]
			e.step("sees that it has the claim", next)
		}
		return
	}
	txn, t, err := exploreLayout.takeTxn(seen, d.lease)
	if err != nil {
		var busy *BusyError
		if !errors.Is(err, ErrNotEnrolled) && !errors.As(err, &busy) {
			panic(err)
		}
		return
	}
	txn, t = e.breakTake(seen, d.lease, txn, t)
	e.send(w, i, "sends a take", taking, t, txn)
}

// breakTake makes of a take one that breaks the rules.
func (e *explorer) breakTake(seen roll, lease LeaseID, txn Txn, t ticket) (Txn, ticket) {
	if e.broken.takeBlindToPuts {
		txn.UnchangedSince = 0
	}
	if e.broken.takeAny {
		mine := seen.of(lease, ticket.whole)
		t = mine[len(mine)-1]
		begin := exploreLayout.begin(t.ticketName)
		txn.Delete = []string{begin}
		txn.Created[begin], txn.Created[exploreLayout.end(t.ticketName)] = t.begin, t.end
	}
	mine := []string{exploreLayout.begin(t.ticketName), exploreLayout.end(t.ticketName)}
	if e.broken.takeBlindToTakes {
		maps.DeleteFunc(txn.Created, func(key string, _ int64) bool { return !slices.Contains(mine, key) })
	}
	if e.broken.takeBlindToEnd {
		delete(txn.Created, mine[1])
	}
	return txn, t
}

func (e *explorer) release(w *world, i int, seen roll) {
	d := w.watchdogs[i]
	if e.broken.keepDoubt || w.work[i] != none && !e.broken.hastyRelease {
		return
	}
	for _, t := range seen.doubtful(d.lease, ticket{}) {
		e.send(w, i, "gives back what is in doubt", giving, t, e.giveBackTxn(t))
	}
}

func (e *explorer) giveBackTxn(t ticket) Txn {
	txn := exploreLayout.giveBackTxn(t)
	if e.broken.giveBackUnfenced {
		txn.Created = nil
	}
	if e.broken.giveBackEndOnly {
		txn.Delete = []string{exploreLayout.end(t.ticketName)}
	}
	return txn
}

// begin begins work, if the checks before each step allow it.
func (e *explorer) begin(w *world, i int) {
	d := w.watchdogs[i]
	if !d.valid && !e.broken.ignoreDeadline {
		return
	}
	if slices.Contains(w.work, running) && !e.broken.ignoreProbe {
		return
	}
	for j, other := range w.work {
		if other != none {
			panic(violation{fmt.Sprintf("watchdog %d begins work while that of watchdog %d goes on or is in doubt", i+1, j+1)})
		}
	}
	next := w.clone()
	next.work[i], next.watchdogs[i].phase = onItsWay, working
	e.step("begins work", next)
}
