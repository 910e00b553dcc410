package policy_test

import "fmt"

// termRules says which conditions of the term permit are switched off; none in the
// zero one.
type termRules struct {
	statusTerm      bool // the term is the one in the own member's Status
	unconfirmed     bool // the read is serializable
	otherReads      bool // a read that another member served counts
	minority        bool // the own member alone names the leader
	noWait          bool // S is 0
	shortWait       bool // S is A
	nearlyWait      bool // S is one tick short
	waitToSend      bool // S ends when the step is sent
	waitFromStart   bool // S begins with the start of the first observation
	noWindow        bool // steps are sent at any time after their observation
	windowFromEnd   bool // A begins with the end of the observation
	windowStops     bool // A is measured on a clock that stops in a suspension
	ignoreSilent    bool // a voter that does not answer is no disturbance
	ignoreTool      bool // another tool's work is no disturbance
	handedLate      bool // A does not bind the step after a handover
	handedBlind     bool // voters are not asked between handover and step
	handedMore      bool // several steps are sent after a handover
	ignoreDoubt     bool // the watchdog goes on while the outcome is unknown
	noLock          bool // a watchdog without the host's lock may send
	lockAtSend      bool // only the send asks for the lock, the wait does not
	ignoreTickets   bool // a ticket does not bar the permit
	ticketAtOnce    bool // a ticket is usable when its put is acknowledged
	ticketNearly    bool // it is a tick before S
	resumedAtOnce   bool // so is one after a restart
	ticketBlind     bool // voters are not asked before a step under a ticket
	ticketCalm      bool // it is after S of observations without NOSPACE before the put
	ticketCalmDense bool // the same, with a tick at most between these observations
	ticketQuiet     bool // observations that show a ticket count as quiet
	peaceQuiet      bool // observations without NOSPACE count as quiet
	shortMargin     bool // a lease can end one tick less than S after a step was sent under it
	asksAgain       bool // one condition more: every voter answers Status right before each send
	noTakeover      bool
	takeoverFlat    bool // the wait for a takeover does not grow
	takeoverAtOnce  bool // there is none
}

// termExplorer makes the moves of a world.
type termExplorer struct {
	termScope
	broken termRules
	actor  int // whose move it is; 0: nobody's
	emit   func(move string, next termWorld, good bool)
}

// step is a move that is no fault: what a world does if nothing goes wrong.
func (e *termExplorer) step(move string, next termWorld) { e.emit(move, next, true) }

// fault is a move that a world need not make.
func (e *termExplorer) fault(move string, next termWorld) {
	switch {
	case e.faults < 0:
	case next.faults == 0:
		return
	default:
		next.faults--
	}
	e.emit(move, next, false)
}

// start is a world in which the first member leads.
func (e *termExplorer) start() termWorld {
	w := termWorld{noSpace: !e.tickets, faults: max(0, e.faults), leader: 1}
	for i := range e.members {
		w.members[i] = raftMember{up: true, term: 1, lead: 1, applied: 1}
	}
	if e.tool {
		w.toolNext = 2
		w.requests[0] = termRequest{target: 1, sender: toolSender}
	}
	return w
}

// expand makes every move.
func (e *termExplorer) expand(w *termWorld) {
	for i := range e.beside {
		e.actor = i + 1
		e.act(w, i)
		e.underTicket(w, i)
		next := *w
		e.forget(&next, i)
		e.fault("restarts", next)
	}
	e.actor = 0
	e.raft(w)
	e.travel(w)
	e.pass(w)
	if e.tickets {
		next := *w
		next.noSpace = !w.noSpace
		if w.noSpace {
			e.fault("NOSPACE is disarmed by hand", next)
		} else {
			e.fault("NOSPACE is raised", next)
		}
	}
}

// forget makes a watchdog a new process.
func (e *termExplorer) forget(w *termWorld, i int) {
	w.watchdogs[i] = termWatchdog{}
	for r := range w.requests {
		if w.requests[r].sender == int8(i+1) {
			w.requests[r].sender = 0
		}
	}
	if w.ticket.owner == int8(i+1) {
		w.ticket.old = e.broken.resumedAtOnce
		w.ticket.doubt = w.ticket.busy
		if !w.ticket.busy {
			w.ticket.age = 0
		}
	}
}

// act makes the moves of a watchdog that has no ticket.
func (e *termExplorer) act(w *termWorld, i int) {
	d := w.watchdogs[i]
	if e.shared(i) && !d.lock && !e.locked(w, i) {
		next := *w
		next.watchdogs[i].lock = true
		e.step("takes the host's lock", next)
	}
	if d.working {
		if !w.requestOf(int8(i+1)) || e.broken.ignoreDoubt && w.onItsWay(int8(i+1)) {
			next := *w
			next.watchdogs[i].working = false
			e.step("knows how its step ended", next)
		}
		return
	}
	e.begin(w, i)
	switch d.sight.stage {
	case sightPolling:
		e.poll(w, i)
	case sightAsking:
		e.confirm(w, i)
	case sightConfirmed:
		e.answer(w, i)
	case sightReady:
		e.spend(w, i)
	}
}

// shared reports that another watchdog is next to the same member.
func (e *termExplorer) shared(i int) bool {
	for j, id := range e.beside {
		if j != i && id == e.beside[i] {
			return true
		}
	}
	return false
}

func (e *termExplorer) locked(w *termWorld, i int) bool {
	for j, id := range e.beside {
		if id == e.beside[i] && w.watchdogs[j].lock {
			return true
		}
	}
	return false
}

func (e *termExplorer) mayWork(w *termWorld, i int) bool {
	return e.broken.noLock || !e.shared(i) || w.watchdogs[i].lock
}

// inWindow reports that a step may still be sent under an observation.
func (e *termExplorer) inWindow(s termSight) bool {
	if e.broken.noWindow || e.broken.handedLate && s.handed {
		return true
	}
	if e.broken.windowFromEnd || e.broken.windowStops {
		return s.window < e.window
	}
	return s.age < e.window
}

// spend sends steps under an observation, or moves the leadership.
func (e *termExplorer) spend(w *termWorld, i int) {
	d := w.watchdogs[i]
	own := e.beside[i]
	if d.sight.leader != own {
		e.takeOver(w, i)
		return
	}
	if !e.inWindow(d.sight) || !e.mayWork(w, i) || e.broken.asksAgain && w.anySilent() {
		return
	}
	if e.broken.waitToSend && inTicks(d.quiet.program().Lasted(termNow)) < e.needed() {
		return
	}
	for id := int8(1); id <= int8(e.members); id++ {
		if d.sight.handed && id != own && !e.broken.handedMore {
			continue
		}
		if d.sight.handed && w.anySilent() && !e.broken.handedBlind {
			continue
		}
		next := *w
		e.send(&next, i, id)
		if d.sight.handed && !e.broken.handedMore {
			next.watchdogs[i].sight = termSight{}
		}
		e.step(fmt.Sprintf("sends a step to member %d", id), next)
	}
	if !e.handover || d.sight.handed || w.leader != own {
		return
	}
	for id := int8(1); id <= int8(e.members); id++ {
		if id == own || !w.member(id).up {
			continue
		}
		next := *w
		e.elect(&next, id, own)
		next.watchdogs[i].sight.handed = true
		e.fault(fmt.Sprintf("hands the leadership to member %d", id), next)
	}
}

func (e *termExplorer) takeOver(w *termWorld, i int) {
	own := e.beside[i]
	leader := w.watchdogs[i].sight.leader
	if e.broken.noTakeover || w.leader != leader || !w.member(leader).up || !w.member(own).up {
		return
	}
	next := *w
	e.elect(&next, own, leader)
	d := &next.watchdogs[i]
	d.sight = termSight{}
	d.tries = min(d.tries+1, 1)
	e.step("takes the leadership", next)
}

// usable reports that a ticket may be taken: S has passed since its put was
// acknowledged.
func (e *termExplorer) usable(t termTicket) bool {
	return t.age >= e.wait() || t.old || e.broken.ticketAtOnce || e.broken.ticketNearly && t.age == e.wait()-1
}

// send puts a step on its way, and shows a second piece of work.
func (e *termExplorer) send(w *termWorld, i int, target int8) {
	e.alone(w, target, fmt.Sprintf("watchdog %d begins a step at member %d", i+1, target))
	e.post(w, termRequest{target: target, sender: int8(i + 1)})
	w.watchdogs[i].working = true
}

func (e *termExplorer) alone(w *termWorld, target int8, what string) {
	for _, r := range w.requests {
		if r.target != 0 && r.target != target {
			panic(termViolation{fmt.Sprintf("%s while another is for member %d", what, r.target)})
		}
	}
}

func (e *termExplorer) post(w *termWorld, r termRequest) {
	for j := range w.requests {
		if w.requests[j].target == 0 {
			w.requests[j] = r
			return
		}
	}
	panic(termViolation{"too many requests at one member"})
}

// underTicket makes the moves of a watchdog that enrolls, or has a ticket.
func (e *termExplorer) underTicket(w *termWorld, i int) {
	if !e.tickets {
		return
	}
	d := w.watchdogs[i]
	if w.ticket.owner == 0 {
		if !w.noSpace && !d.working && i == len(e.beside)-1 {
			next := *w
			next.ticket = termTicket{owner: int8(i + 1), old: d.calmed && d.calmGap <= 1}
			e.step("puts a ticket", next)
		}
		return
	}
	if w.ticket.owner != int8(i+1) {
		return
	}
	next := *w
	next.ticket = termTicket{}
	switch {
	case !w.ticket.busy && !d.working && e.usable(w.ticket):
		next.ticket = termTicket{owner: int8(i + 1), busy: true}
		e.step("takes its ticket", next)
	case w.ticket.busy && !d.working:
		if !w.requestOf(0) {
			e.step("gives its ticket back", next)
		}
		if w.anySilent() && !e.broken.ticketBlind || w.ticket.doubt {
			break
		}
		for id := int8(1); id <= int8(e.members); id++ {
			next := *w
			next.ticket.age = 0
			e.send(&next, i, id)
			e.step(fmt.Sprintf("sends a step to member %d under its ticket", id), next)
		}
	}
	if !w.ticket.busy || w.ticket.age >= e.margin() {
		next := *w
		next.ticket = termTicket{}
		e.fault("loses its lease with its ticket", next)
	}
}
