package policy_test

import (
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// This explorer visits every state that a small world without tickets can
// reach: a few voters with their raft terms, and watchdogs next to them that
// observe, wait and send steps while members restart, leaders change and
// requests are slow. Each watchdog remembers a policy.Quiet and folds its
// observations with Quiet.Next, so the proof covers what the daemon runs. The
// form is that of the explorer of tickets in package claim.
//
// Time passes in ticks. An age is how many ticks ago something happened, capped
// where a larger one makes no difference. A world is a comparable value: a move
// changes a copy.

const (
	mostMembers   = 3
	mostWatchdogs = 3
	mostRequests  = 3
)

// raftMember is one voter. Members, and the leader, are numbered from 1, 0 is none.
type raftMember struct {
	up      bool
	term    int8 // its raft term
	lead    int8 // the leader that its Status names
	applied int8 // the term of the last entry it applied: Status' RaftTerm
}

// sightStage is how far an observation has come.
type sightStage int8

const (
	sightResting   sightStage = iota
	sightPolling              // not every voter has been asked for its Status
	sightAsking               // Status has answered, the read has not been confirmed
	sightConfirmed            // a quorum has confirmed the read, the answer is not here
	sightReady                // ended, and steps may be sent under it
)

// quietAge is a policy.Quiet with an age instead of a time.
type quietAge struct {
	leader, term, age int8 // leader 0: the zero Quiet
}

// termSight is an observation in progress, or the last one if it is ready.
type termSight struct {
	stage      sightStage
	leader     int8 // named by more than half of the voters
	polled     int8 // voters that have been asked, while it polls
	votes      int8 // of them that name the own member
	age        int8 // of its start
	window     int8 // age on the clock of the send window, where a broken rule makes it differ
	statusTerm int8 // RaftTerm in the own member's Status
	confirmed  int8 // term of the leader that confirmed the read
	barred     bool // NOSPACE was not listed, or a ticket existed: no step under it
	handed     bool // the leadership has been handed over under it
}

// termWatchdog is one process and what it remembers.
type termWatchdog struct {
	lock    bool // holds the lock of the member's host
	working bool // waits for the end of its request, or is in doubt about it
	touched bool // another tool's work has ended since its last observation
	tries   int8 // takeovers without a completed step
	calm    int8 // age of the first of its observations without NOSPACE, plus 1; see keepCalm
	calmGap int8 // age of the last of them
	calmed  bool // it came S after the first
	quiet   quietAge
	sight   termSight
}

// termRequest is a blocking step on its way to a member, or running there. It
// outlives the process that sent it.
type termRequest struct {
	target  int8 // 0: no request
	sender  int8 // watchdog from 1; 0: one that has restarted since
	age     int8 // since it was sent, while it is on its way
	running bool
}

const toolSender int8 = -1

// termTicket is the one ticket that this world may hold.
type termTicket struct {
	owner int8 // watchdog from 1; 0: there is none
	age   int8 // since its put was acknowledged; of a busy one, since it was taken or a step was last sent under it
	busy  bool
	doubt bool // busy, and taken by a process that has ended: no step under it
	old   bool // usable at once, because its owner saw S without NOSPACE before
}

// termWorld is one state.
type termWorld struct {
	noSpace   bool
	faults    int8
	leader    int8 // of the newest term, while it leads
	toolNext  int8 // member that the other tool turns to next; 0: it is done
	members   [mostMembers]raftMember
	watchdogs [mostWatchdogs]termWatchdog
	requests  [mostRequests]termRequest
	ticket    termTicket
}

// termScope says how large a world is.
type termScope struct {
	members   int
	beside    []int8 // member of each watchdog
	window    int8   // A
	delivery  int8   // delivery bound
	faults    int8   // elections, restarts, crashes, alarms; negative: without limit
	tickets   bool   // NOSPACE comes and goes, and watchdogs enroll
	tool      bool   // a tool without a permit works on one member after another
	staggered bool   // voters are asked for their Status one after another
	takeover  bool   // watchdogs next to followers take the leadership
	handover  bool   // the leadership is moved before the leader's own step
}

func (s termScope) wait() int8 { return s.window + s.delivery }

// newest is the newest term in which a leader was elected.
func (w *termWorld) newest() int8 {
	var term int8
	for i := range w.members {
		term = max(term, w.members[i].term)
	}
	return term
}

func (w *termWorld) member(id int8) *raftMember { return &w.members[id-1] }

// committed reports that the leader serves linearizable reads: it has applied
// an entry of its own term.
func (w *termWorld) committed() bool {
	return w.leader != 0 && w.member(w.leader).applied == w.newest()
}

// silent reports that a member's Status does not answer because it is being
// defragmented.
func (w *termWorld) silent(id int8) bool {
	return slices.ContainsFunc(w.requests[:], func(r termRequest) bool { return r.target == id && r.running })
}

func (w *termWorld) anySilent() bool {
	return slices.ContainsFunc(w.requests[:], func(r termRequest) bool { return r.running })
}

func (w *termWorld) requestOf(sender int8) bool {
	return slices.ContainsFunc(w.requests[:], func(r termRequest) bool { return r.target != 0 && r.sender == sender })
}

func (w *termWorld) onItsWay(sender int8) bool {
	return slices.ContainsFunc(w.requests[:], func(r termRequest) bool { return r.target != 0 && r.sender == sender && !r.running })
}

func (s termScope) quorum(w *termWorld) bool {
	up := 0
	for _, m := range w.members[:s.members] {
		if m.up {
			up++
		}
	}
	return 2*up > s.members
}

// named is the leader that more than half of the voters name.
func (s termScope) named(w *termWorld) int8 {
	var votes [mostMembers + 1]int
	for i, m := range w.members[:s.members] {
		if m.up && !w.silent(int8(i+1)) {
			votes[m.lead]++
		}
	}
	for id := 1; id <= s.members; id++ {
		if 2*votes[id] > s.members {
			return int8(id)
		}
	}
	return 0
}

// The world's now is always this moment, so equal worlds are equal values.
var termNow = time.Unix(1_000_000, 0)

func ticksAgo(age int8) time.Time { return termNow.Add(-time.Duration(age) * time.Second) }

func inTicks(d time.Duration) int8 { return int8(d / time.Second) }

var termVoters = []cluster.MemberID{1, 2, 3}

// program returns the memory as the program has it.
func (q quietAge) program() policy.Quiet {
	if q.leader == 0 {
		return policy.Quiet{}
	}
	return policy.Quiet{Leader: cluster.MemberID(q.leader), Term: uint64(q.term), Voters: termVoters, Since: ticksAgo(q.age)}
}

func quietAgeOf(q policy.Quiet) quietAge {
	if q.Since.IsZero() {
		return quietAge{}
	}
	return quietAge{leader: int8(q.Leader), term: int8(q.Term), age: inTicks(termNow.Sub(q.Since))}
}

// tidy makes worlds equal that differ in nothing that can matter: terms are
// renumbered in their order, requests are sorted, and memories that no
// observation can continue are forgotten.
func (e *termExplorer) tidy(w *termWorld) {
	for i := range e.beside {
		d := &w.watchdogs[i]
		if d.sight.stage == sightResting {
			d.sight = termSight{}
		}
		if e.stale() {
			continue
		}
		if d.sight.stage != sightReady && d.quiet != (quietAge{}) && e.forgettable(w, i) {
			d.quiet = quietAge{}
		}
	}
	slices.SortFunc(w.requests[:], func(a, b termRequest) int {
		switch {
		case a == b:
			return 0
		case a.target != b.target:
			return int(b.target - a.target)
		case a.sender != b.sender:
			return int(a.sender - b.sender)
		case a.running != b.running && a.running:
			return -1
		case a.running != b.running:
			return 1
		default:
			return int(a.age - b.age)
		}
	})
	e.renumber(w)
}

// stale reports that a broken rule lets a watchdog see an old term again.
func (e *termExplorer) stale() bool { return e.broken.statusTerm || e.broken.unconfirmed }

func (e *termExplorer) renumber(w *termWorld) {
	var terms [32]*int8
	n := 0
	note := func(t *int8) {
		if *t != 0 {
			terms[n], n = t, n+1
		}
	}
	for i := range w.members {
		note(&w.members[i].term)
		note(&w.members[i].applied)
	}
	for i := range w.watchdogs {
		d := &w.watchdogs[i]
		note(&d.quiet.term)
		note(&d.sight.statusTerm)
		note(&d.sight.confirmed)
	}
	var used [128]bool
	for _, t := range terms[:n] {
		used[*t] = true
	}
	var number [128]int8
	var next int8
	for t, is := range used {
		if is {
			next++
			number[t] = next
		}
	}
	for _, t := range terms[:n] {
		*t = number[*t]
	}
}
