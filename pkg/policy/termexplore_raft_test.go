package policy_test

import "fmt"

// elect makes a member the leader of a new term, with the votes of itself and
// of one other, or of itself and nobody where it is alone.
func (e *termExplorer) elect(w *termWorld, id, voter int8) {
	term := w.newest() + 1
	w.member(voter).term, w.member(voter).lead = term, 0
	w.member(id).term, w.member(id).lead = term, id
	w.leader = id
}

// raft makes the moves of the members. Two votes are a quorum of two and of
// three, so the third member of three may not know of the election.
func (e *termExplorer) raft(w *termWorld) {
	for id := int8(1); id <= int8(e.members); id++ {
		m := w.member(id)
		e.suffer(w, id)
		if !m.up {
			continue
		}
		for voter := int8(1); voter <= int8(e.members); voter++ {
			if voter == id || !w.member(voter).up {
				continue
			}
			next := *w
			e.elect(&next, id, voter)
			move := fmt.Sprintf("member %d is elected by member %d", id, voter)
			if w.leader == 0 || !w.member(w.leader).up {
				e.step(move, next) // nothing else can follow
			} else {
				e.fault(move, next)
			}
		}
		if w.leader == 0 || !w.member(w.leader).up {
			continue
		}
		next := *w
		n := next.member(id)
		n.term, n.lead = w.newest(), w.leader
		if *n != *m {
			e.step(fmt.Sprintf("member %d learns who leads", id), next)
		}
		if id == w.leader && e.quorum(w) || w.committed() {
			n.applied = w.newest()
			if *n != *m {
				e.step(fmt.Sprintf("member %d applies an entry of the newest term", id), next)
			}
		}
	}
}

// suffer makes what happens to a member.
func (e *termExplorer) suffer(w *termWorld, id int8) {
	next := *w
	m := next.member(id)
	m.applied, m.lead = 0, 0
	if next.leader == id {
		next.leader = 0
	}
	for r := range next.requests {
		if next.requests[r].target == id && next.requests[r].running {
			next.requests[r] = termRequest{}
		}
	}
	for i := range e.beside {
		// Its connections end.
		if s := &next.watchdogs[i].sight; e.beside[i] == id && s.stage != sightResting && s.stage != sightReady {
			next.watchdogs[i].quiet = quietAge{}
			*s = termSight{}
		}
	}
	if !m.up {
		m.up = true
		e.fault(fmt.Sprintf("member %d starts", id), next)
		return
	}
	e.fault(fmt.Sprintf("member %d restarts", id), next)
	m.up = false
	if e.members > 2 {
		e.fault(fmt.Sprintf("member %d crashes", id), next)
	}
}

// travel moves the requests.
func (e *termExplorer) travel(w *termWorld) {
	for j, r := range w.requests {
		if r.target == 0 {
			continue
		}
		next := *w
		if r.running {
			next.requests[j] = termRequest{}
			for i := range e.beside {
				d := &next.watchdogs[i]
				d.touched = d.touched || r.sender == toolSender
				if r.sender == int8(i+1) {
					d.tries = 0
				}
			}
			if r.sender == toolSender {
				e.toolOn(&next)
			}
			e.step(fmt.Sprintf("the step at member %d ends", r.target), next)
			continue
		}
		next.requests[j] = termRequest{}
		lost := next
		if w.member(r.target).up {
			next.requests[j] = termRequest{target: r.target, sender: r.sender, running: true}
			e.alone(&next, r.target, fmt.Sprintf("a step arrives at member %d", r.target))
			e.step(fmt.Sprintf("a step arrives at member %d", r.target), next)
		}
		if r.sender == toolSender {
			e.toolOn(&lost)
		}
		e.emit(fmt.Sprintf("a step for member %d is lost", r.target), lost, !w.member(r.target).up)
	}
}

// toolOn lets the other tool turn to its next member.
func (e *termExplorer) toolOn(w *termWorld) {
	if w.toolNext == 0 {
		return
	}
	target := w.toolNext
	w.toolNext++
	if int(target) == e.members {
		w.toolNext = 0
	}
	e.alone(w, target, fmt.Sprintf("the tool begins at member %d", target))
	e.post(w, termRequest{target: target, sender: toolSender})
}

// pass lets a tick pass, unless a request must arrive or get lost before.
func (e *termExplorer) pass(w *termWorld) {
	for _, r := range w.requests {
		if r.target != 0 && !r.running && r.age == e.delivery {
			return
		}
	}
	next := *w
	e.tick(&next, -1)
	if next != *w {
		e.step("a tick passes", next)
	}
	if !e.broken.windowStops {
		return
	}
	for i := range e.beside {
		next := *w
		e.tick(&next, i)
		e.step(fmt.Sprintf("a tick passes while watchdog %d is suspended", i+1), next)
	}
}

func (e *termExplorer) tick(w *termWorld, suspended int) {
	for j := range w.requests {
		r := &w.requests[j]
		if r.target != 0 && !r.running {
			r.age++
		}
	}
	if w.ticket.owner != 0 {
		w.ticket.age = min(w.ticket.age+1, e.wait())
	}
	oldest := e.window
	if e.broken.waitFromStart {
		oldest += e.wait()
	}
	for i := range e.beside {
		d := &w.watchdogs[i]
		if d.quiet.leader != 0 {
			d.quiet.age = min(d.quiet.age+1, e.wait()+e.window)
		}
		if d.calm != 0 {
			d.calm = min(d.calm+1, e.wait()+1)
			if e.broken.ticketCalmDense {
				d.calmGap = min(d.calmGap+1, 2)
			}
		}
		s := &d.sight
		if s.stage == sightResting {
			continue
		}
		s.age = min(s.age+1, oldest)
		counts := e.broken.windowStops && i != suspended || e.broken.windowFromEnd && s.stage == sightReady
		if counts {
			s.window = min(s.window+1, e.window)
		}
		if s.stage == sightReady && s.leader == e.beside[i] && !e.inWindow(*s) {
			*s = termSight{}
		}
	}
}
