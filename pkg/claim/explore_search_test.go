package claim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/test/graph"
)

// scope says how large a world is.
type scope struct {
	watchdogs int
	tickets   int  // of each
	late      int  // requests on their way that nobody waits for, at most
	faults    int  // crashes, restarts, stalls, lost answers and turns of NOSPACE, at most; negative: without limit
	enrolled  bool // the books are full to begin with
}

func (s scope) String() string {
	faults := fmt.Sprintf("%d faults", s.faults)
	if s.faults < 0 {
		faults = "any faults"
	}
	return fmt.Sprintf("%d watchdogs, %d tickets each, %d late requests, %s", s.watchdogs, s.tickets, s.late, faults)
}

// node is how a state was first reached.
type node struct {
	parent int32
	actor  int8
	move   string
	live   bool // somebody holds the claim, or nobody could be expected to
}

// search visits the states of a scope in order of their distance.
type search struct {
	explorer
	canon *canon
	index map[string]int32
	nodes []node
	queue []*world // by node; nil when it has been expanded
	from  int32    // the one being expanded
	edges [][2]int32
	moves map[string]bool // that were made
	bad   *finding
}

// finding is a broken promise, with the shortest way to it.
type finding struct {
	promise string
	trace   []string
}

func (f *finding) String() string {
	return fmt.Sprintf("%s, after %d moves:\n  %s", f.promise, len(f.trace), strings.Join(f.trace, "\n  "))
}

// explore visits every state, or stops at the first that breaks a promise.
func explore(s scope, broken rules) *search {
	x := &search{
		explorer: explorer{broken: broken, tickets: s.tickets, late: s.late, bounded: s.faults >= 0, names: newNames()},
		canon:    newCanon(s.watchdogs),
		index:    map[string]int32{},
		moves:    map[string]bool{},
	}
	x.emit = x.reach
	w := &world{
		revision:  1,
		faults:    max(0, s.faults),
		watchdogs: make([]watchdog, s.watchdogs),
		work:      make([]work, s.watchdogs),
	}
	for i := range w.watchdogs {
		w.watchdogs[i].up = true
		if s.enrolled {
			w.enrolled(i, s.tickets, broken)
		}
	}
	x.from = -1
	x.reach("", w, false)
	for at := 0; at < len(x.queue) && x.bad == nil; at++ {
		x.from = int32(at)
		x.expandChecked(x.queue[at])
		x.queue[at] = nil
	}
	if x.bad == nil {
		x.checkLiveness()
	}
	return x
}

// enrolled gives a watchdog a full book to begin with.
func (w *world) enrolled(i, tickets int, broken rules) {
	d := &w.watchdogs[i]
	d.lease, d.valid = w.grant(i), true
	if broken.shareLease && i > 0 {
		d.lease = w.watchdogs[0].lease
	} else {
		w.leases = append(w.leases, d.lease)
	}
	var puts []half
	for number := range tickets {
		name := ticketName{memberOf(i), d.lease, number}
		puts = append(puts, half{name, false}, half{name, true})
	}
	w.apply(&request{put: puts})
}

func (x *search) expandChecked(w *world) {
	defer func() {
		if r := recover(); r != nil {
			v, ok := r.(violation)
			if !ok {
				panic(r)
			}
			x.found(v.what, x.from)
		}
	}()
	x.expand(w)
}

// reach takes note of a move.
func (x *search) reach(move string, next *world, good bool) {
	if x.bad != nil {
		return
	}
	x.moves[move] = true
	next.tidy()
	key := x.canon.key(next)
	to, known := x.index[key]
	if !known {
		to = int32(len(x.nodes))
		x.index[key] = to
		x.nodes = append(x.nodes, node{x.from, int8(x.actor), move, x.isLive(next)})
		x.queue = append(x.queue, next)
		if holders := next.holders(); holders > 1 {
			x.found(fmt.Sprintf("%d watchdogs hold the claim", holders), to)
		}
	}
	if good && x.from != to {
		x.edges = append(x.edges, [2]int32{x.from, to})
	}
}

func (w *world) holders() int {
	n := 0
	for _, d := range w.watchdogs {
		if d.up && d.valid && (d.phase == held || d.phase == working) {
			n++
		}
	}
	return n
}

// isLive reports that a state asks for nothing more: somebody holds the claim;
// or nobody could take it, since no watchdog runs, or none that runs has a
// whole ticket and etcd accepts no writes.
func (x *search) isLive(w *world) bool {
	able := false
	for i, d := range w.watchdogs {
		if !d.up {
			continue
		}
		if d.phase == held {
			return true
		}
		able = able || !w.noSpace || w.hasWhole(i)
	}
	return !able
}

func (w *world) hasWhole(i int) bool {
	return slices.ContainsFunc(w.keys, func(k stored) bool {
		return k.end && k.member == memberOf(i) && w.created(half{k.ticketName, false}) != 0
	})
}

func (x *search) found(promise string, at int32) {
	if x.bad != nil {
		return
	}
	x.bad = &finding{promise: promise}
	for ; at > 0; at = x.nodes[at].parent {
		n := x.nodes[at]
		line := n.move
		if n.actor > 0 {
			line = fmt.Sprintf("watchdog %d %s", n.actor, n.move)
		}
		x.bad.trace = append(x.bad.trace, line)
	}
	slices.Reverse(x.bad.trace)
}

// checkLiveness walks back from the states that ask for nothing more: each
// state must lead to one of them by moves that are no faults.
func (x *search) checkLiveness() {
	if at := graph.Unreached(len(x.nodes), x.edges, func(i int32) bool { return x.nodes[i].live }); at >= 0 {
		x.found("no watchdog can ever take the claim again", at)
	}
}
