package policy_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/test/graph"
)

// termNode is how a state was first reached.
type termNode struct {
	parent int32
	actor  int8
	move   string
	live   bool // a step runs, or none could be expected
}

// termSearch visits the states of a scope in order of their distance.
type termSearch struct {
	termExplorer
	index map[termWorld]int32
	nodes []termNode
	queue []termWorld
	from  int32 // the one being expanded
	edges [][2]int32
	moves map[string]bool // that were made
	bad   *termFinding
}

// termFinding is a broken promise, with the shortest way to it.
type termFinding struct {
	promise string
	trace   []string
}

func (f *termFinding) String() string {
	return fmt.Sprintf("%s, after %d moves:\n  %s", f.promise, len(f.trace), strings.Join(f.trace, "\n  "))
}

// termViolation is a broken promise, named by the move that broke it.
type termViolation struct{ what string }

// exploreTerms visits every state, or stops at the first that breaks a promise.
func exploreTerms(s termScope, broken termRules) *termSearch {
	x := &termSearch{
		termExplorer: termExplorer{termScope: s, broken: broken},
		index:        map[termWorld]int32{},
		moves:        map[string]bool{},
	}
	x.emit = x.reach
	x.from = -1
	x.reach("", x.start(), false)
	for at := 0; at < len(x.queue) && x.bad == nil; at++ {
		x.from = int32(at)
		x.expandChecked(&x.queue[at])
	}
	if x.bad == nil {
		x.checkLiveness()
	}
	return x
}

func (x *termSearch) expandChecked(w *termWorld) {
	defer func() {
		if r := recover(); r != nil {
			v, ok := r.(termViolation)
			if !ok {
				panic(r)
			}
			x.found(v.what, x.from)
		}
	}()
	at := *w // the queue may move
	x.expand(&at)
}

// reach takes note of a move.
func (x *termSearch) reach(move string, next termWorld, good bool) {
	x.moves[move] = true
	x.tidy(&next)
	to, known := x.index[next]
	if !known {
		to = int32(len(x.nodes))
		x.index[next] = to
		x.nodes = append(x.nodes, termNode{x.from, int8(x.actor), move, x.isLive(&next)})
		x.queue = append(x.queue, next)
	}
	if good && x.from != to {
		x.edges = append(x.edges, [2]int32{x.from, to})
	}
}

// isLive reports that a state asks for nothing more: a step runs; or none could
// be expected, since NOSPACE is not listed, no quorum lives, or no watchdog is
// next to a voter that lives.
func (x *termSearch) isLive(w *termWorld) bool {
	if !w.noSpace || w.anySilent() || !x.quorum(w) {
		return true
	}
	if !x.takeover && w.leader != 0 && !slices.Contains(x.beside, w.leader) {
		return true // with takeovers a step would follow; without, this world is about exclusion
	}
	return !slices.ContainsFunc(x.beside, func(id int8) bool { return w.member(id).up })
}

func (x *termSearch) found(promise string, at int32) {
	if x.bad != nil {
		return
	}
	x.bad = &termFinding{promise: promise}
	for ; at > 0; at = x.nodes[at].parent {
		n := x.nodes[at]
		line := n.move
		if n.actor > 0 {
			line = fmt.Sprintf("watchdog %d (next to member %d) %s", n.actor, x.beside[n.actor-1], n.move)
		}
		x.bad.trace = append(x.bad.trace, line)
	}
	slices.Reverse(x.bad.trace)
}

// checkLiveness walks back from the states that ask for nothing more: each
// state must lead to one of them by moves that are no faults.
func (x *termSearch) checkLiveness() {
	if at := graph.Unreached(len(x.nodes), x.edges, func(i int32) bool { return x.nodes[i].live }); at >= 0 {
		x.found("no watchdog can ever complete a step again", at)
	}
}
