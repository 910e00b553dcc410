package policy_test

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// fold ends an observation, as the program does. Whatever it showed, a step may
// be sent under it if the program's memory allows one.
func (e *termExplorer) fold(w *termWorld, i int, shown policy.Sight) {
	d := &w.watchdogs[i]
	s := d.sight
	d.sight = termSight{}
	began := ticksAgo(s.age)
	shown.Ended, shown.Voters = termNow, termVoters
	if e.broken.waitFromStart {
		shown.Ended = began
	}
	d.quiet = quietAgeOf(d.quiet.program().Next(shown))
	lasted := inTicks(d.quiet.program().Lasted(began))
	own := e.beside[i]
	switch {
	case d.quiet.leader == 0:
		return
	case d.quiet.leader != own:
		if !e.takeover || lasted < e.patience(d) {
			return
		}
	case s.barred || lasted < e.needed() && !e.broken.waitToSend:
		return
	case s.age >= e.window && !e.broken.noWindow && !e.broken.windowFromEnd && !e.broken.windowStops:
		return
	}
	d.sight = termSight{stage: sightReady, leader: d.quiet.leader, age: s.age, window: s.window}
}

// forgettable reports that the program would make the same of every further
// observation if it remembered nothing.
func (e *termExplorer) forgettable(w *termWorld, i int) bool {
	d := &w.watchdogs[i]
	newest := w.newest()
	from := newest
	if d.sight.stage == sightConfirmed {
		from = d.sight.confirmed
	}
	later := termNow.Add(time.Second)
	same := func(leader, term int8) bool {
		s := policy.Sight{Ended: later, Leader: cluster.MemberID(leader), Term: uint64(term), Voters: termVoters}
		return quietAgeOf(d.quiet.program().Next(s)) == quietAgeOf(policy.Quiet{}.Next(s))
	}
	for leader := int8(1); leader <= int8(e.members); leader++ {
		if leader != e.beside[i] && !e.takeover {
			continue
		}
		for term := from; term <= newest+1; term++ { // one newer term stands for all
			if !same(leader, term) {
				return false
			}
		}
		if !same(leader, 0) {
			return false
		}
	}
	return true
}

// begin starts an observation: the Status of every voter. What is known to end
// in a zero Quiet ends at once.
func (e *termExplorer) begin(w *termWorld, i int) {
	next := *w
	d := &next.watchdogs[i]
	own := w.member(e.beside[i])
	if !own.up || w.silent(e.beside[i]) {
		d.sight = termSight{barred: true}
		e.fold(&next, i, policy.Sight{})
		e.step("observes that its member does not answer", next)
		return
	}
	disturbed := w.anySilent() && !e.broken.ignoreSilent || d.touched && !e.broken.ignoreTool
	hindered := !e.mayWork(w, i) && !e.broken.lockAtSend || !w.noSpace && !e.broken.peaceQuiet
	d.touched = false
	leader := e.named(w)
	if e.broken.minority {
		leader = own.lead
	}
	e.keepCalm(d, w.noSpace)
	if e.staggered {
		leader, disturbed = e.beside[i], d.touched // shown later
	}
	if disturbed || hindered || leader == 0 || leader != e.beside[i] && !e.takeover {
		d.sight = termSight{barred: !w.noSpace}
		e.fold(&next, i, policy.Sight{Leader: cluster.MemberID(leader), Term: uint64(w.newest()), Disturbed: disturbed || hindered})
		e.step("observes what ends the quiet", next)
		return
	}
	d.sight = termSight{stage: sightAsking, leader: leader, barred: !w.noSpace}
	if e.staggered {
		d.sight.stage, d.sight.leader = sightPolling, e.beside[i]
	}
	if e.broken.statusTerm {
		d.sight.statusTerm = own.applied
	}
	e.step("begins an observation", next)
}

// poll asks one more voter for its Status, where they do not all answer in one
// instant.
func (e *termExplorer) poll(w *termWorld, i int) {
	next := *w
	d := &next.watchdogs[i]
	d.sight.polled++
	id := d.sight.polled
	m := w.member(id)
	move := fmt.Sprintf("gets the Status of member %d", id)
	if m.up && m.lead == e.beside[i] && !w.silent(id) {
		d.sight.votes++
	}
	switch {
	case w.silent(id):
		e.fold(&next, i, policy.Sight{Leader: cluster.MemberID(e.beside[i]), Term: uint64(w.newest()), Disturbed: true})
		move = fmt.Sprintf("gets no Status of member %d", id)
	case int(id) < e.members:
	case 2*int(d.sight.votes) > e.members:
		d.sight.stage, d.sight.polled, d.sight.votes = sightAsking, 0, 0
	default:
		e.fold(&next, i, policy.Sight{Term: uint64(w.newest())})
	}
	e.step(move, next)
}

// keepCalm remembers how long a watchdog has seen no NOSPACE, for the rule that
// would let it use a ticket at once.
func (e *termExplorer) keepCalm(d *termWatchdog, noSpace bool) {
	switch {
	case !e.broken.ticketCalm && !e.broken.ticketCalmDense:
	case noSpace:
		d.calm, d.calmed, d.calmGap = 0, false, 0
	case d.calm == 0 || e.broken.ticketCalmDense && d.calmGap > 1:
		d.calm, d.calmed, d.calmGap = 1, false, 0
	default:
		d.calmed, d.calmGap = d.calm > e.wait(), 0
	}
}

// confirm lets the leader of the newest term confirm the read with a quorum. A
// leader of an older term cannot.
func (e *termExplorer) confirm(w *termWorld, i int) {
	for id := int8(1); id <= int8(e.members); id++ {
		own := id == e.beside[i]
		m := w.member(id)
		if !own && !e.broken.otherReads || !m.up || w.silent(id) {
			continue
		}
		next := *w
		s := &next.watchdogs[i].sight
		s.stage = sightConfirmed
		if w.ticket.owner != 0 && !e.broken.ignoreTickets {
			if !e.broken.ticketQuiet {
				s.barred = true
				e.fold(&next, i, policy.Sight{Leader: cluster.MemberID(s.leader), Term: uint64(w.newest()), Disturbed: true})
				e.step("reads that a ticket exists", next)
				continue
			}
			s.barred = true
		}
		if e.broken.unconfirmed {
			s.confirmed = 1
			e.step("has its read served without a quorum", next)
			continue
		}
		if m.lead == 0 || m.lead != w.leader || !w.member(w.leader).up || !w.committed() || !e.quorum(w) {
			continue
		}
		s.confirmed = w.newest()
		if own {
			e.step("has its read confirmed", next)
		} else {
			e.step("has its read confirmed through another member", next)
		}
	}
}

// answer ends an observation with the header of the read: the term that the
// serving member has applied, once it has applied what the leader confirmed.
func (e *termExplorer) answer(w *termWorld, i int) {
	sight := w.watchdogs[i].sight
	answers := false
	for id := int8(1); id <= int8(e.members); id++ {
		m := w.member(id)
		if id != e.beside[i] && !e.broken.otherReads || !m.up || w.silent(id) || m.applied < sight.confirmed {
			continue
		}
		term := m.applied
		if e.broken.statusTerm {
			term = sight.statusTerm
		}
		next := *w
		e.fold(&next, i, policy.Sight{Leader: cluster.MemberID(sight.leader), Term: uint64(term)})
		e.step("ends an observation", next)
		answers = true
	}
	failed := *w
	e.fold(&failed, i, policy.Sight{Leader: cluster.MemberID(sight.leader)})
	e.emit("gets no answer to its read", failed, !answers)
}

// needed is S.
func (e *termExplorer) needed() int8 {
	switch {
	case e.broken.noWait:
		return 0
	case e.broken.shortWait:
		return e.window
	case e.broken.nearlyWait:
		return e.wait() - 1
	default:
		return e.wait()
	}
}

// margin is how long a lease lasts at least after a step was sent under it: the
// holder checks its deadline before each send.
func (e *termExplorer) margin() int8 {
	if e.broken.shortMargin {
		return e.wait() - 1
	}
	return e.wait()
}

// patience is how much quiet a watchdog awaits before it takes the leadership.
func (e *termExplorer) patience(d *termWatchdog) int8 {
	switch {
	case e.broken.takeoverAtOnce:
		return 0
	case e.broken.takeoverFlat:
		return 1
	default:
		return 1 << d.tries
	}
}
