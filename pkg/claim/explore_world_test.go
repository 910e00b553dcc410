package claim

import (
	"cmp"
	"slices"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// The explorer visits every state that a small world can reach: a few
// watchdogs, each with a book of one or two tickets, on a store that may refuse
// puts, whose answers get lost and whose requests land late, while watchdogs
// stall, crash and resume. It uses the functions of protocol.go for each
// transaction, so what it proves of them holds for the program.
//
// A world consists of values; a move returns a new one and never changes what
// another refers to.

// half is one of the two keys of a ticket.
type half struct {
	ticketName
	end bool
}

func compareHalves(a, b half) int {
	ends := 0
	if a.end != b.end {
		ends = -1
		if a.end {
			ends = 1
		}
	}
	return cmp.Or(cmp.Compare(a.member, b.member), cmp.Compare(a.lease, b.lease), cmp.Compare(a.number, b.number), ends)
}

type stored struct {
	half
	created, mod int64
}

type condition struct {
	half
	created int64
}

// request is a Txn on its way to the store.
type request struct {
	since       int64
	conditions  []condition
	delete, put []half
}

// phase is what a watchdog is about to do or waits for.
type phase uint8

const (
	idle    phase = iota
	putting       // an answer to its puts
	taking        // an answer to its take
	held          // holds the claim, nothing begun
	working       // has begun work and does not know yet how it ended
	giving        // gives back, or will again
)

// watchdog is one process and what it remembers. Its number is its member's.
type watchdog struct {
	up, valid bool    // valid: its lease was acknowledged, and the deadline has not passed
	lease     LeaseID // kept over a crash by the session
	fresh     bool    // a lease without a put, for the mutant that never replenishes
	phase     phase
	ticket    ticket   // attempted, held or being given back
	pending   *request // on its way, and the watchdog waits for the answer
}

// work is what a watchdog has asked a member to do: it outlives the asker.
type work uint8

const (
	none work = iota
	onItsWay
	running
)

// world is one state.
type world struct {
	revision  int64
	noSpace   bool
	faults    int // left, if the exploration bounds them
	keys      []stored
	leases    []LeaseID // that live
	watchdogs []watchdog
	work      []work    // by watchdog
	late      []request // nobody waits for the answer
}

const exploreLayout = layout("/c/")

// leaseOwner and the numbering of leases: each watchdog has a range of its own.
const leasesEach = 1 << 20

func leaseOwner(id LeaseID) int { return int(id / leasesEach) }

func (w *world) grant(owner int) LeaseID {
	w.revision++ // no lease id is used again
	return LeaseID(owner*leasesEach) + LeaseID(w.revision)
}

func memberOf(i int) cluster.MemberID { return cluster.MemberID(i + 1) }

func (w *world) lives(id LeaseID) bool { return slices.Contains(w.leases, id) }

// clone copies everything that a move changes in place.
func (w *world) clone() *world {
	c := *w
	c.keys, c.leases = slices.Clone(w.keys), slices.Clone(w.leases)
	c.watchdogs, c.work, c.late = slices.Clone(w.watchdogs), slices.Clone(w.work), slices.Clone(w.late)
	return &c
}

// names turns halves into keys and back, each once.
type names struct {
	key  map[half]string
	half map[string]half
}

func newNames() *names { return &names{map[half]string{}, map[string]half{}} }

func (n *names) keyOf(h half) string {
	key, ok := n.key[h]
	if !ok {
		key = exploreLayout.begin(h.ticketName)
		if h.end {
			key = exploreLayout.end(h.ticketName)
		}
		n.key[h], n.half[key] = key, h
	}
	return key
}

func (n *names) halfOf(key string) half {
	h, ok := n.half[key]
	if !ok {
		name, which, valid := exploreLayout.parse(key)
		if !valid {
			panic("the protocol made a key that it does not recognise: " + key)
		}
		h = half{name, which == "end"}
		n.key[h], n.half[key] = key, h
	}
	return h
}

// read is what a read of the whole prefix shows.
func (w *world) read(n *names) roll {
	listing := Listing{Revision: w.revision, Keys: make([]KeyValue, len(w.keys))}
	for i, k := range w.keys {
		listing.Keys[i] = KeyValue{Key: n.keyOf(k.half), CreateRevision: k.created, ModRevision: k.mod, Lease: k.lease}
	}
	return exploreLayout.read(listing, nil)
}

func (n *names) request(txn Txn) *request {
	r := &request{since: txn.UnchangedSince}
	for key, created := range txn.Created {
		r.conditions = append(r.conditions, condition{n.halfOf(key), created})
	}
	for _, key := range txn.Delete {
		r.delete = append(r.delete, n.halfOf(key))
	}
	for _, kv := range txn.Put {
		r.put = append(r.put, n.halfOf(kv.Key))
	}
	return r
}

func (w *world) find(h half) (int, bool) {
	return slices.BinarySearchFunc(w.keys, h, func(k stored, h half) int { return compareHalves(k.half, h) })
}

func (w *world) created(h half) int64 {
	if i, ok := w.find(h); ok {
		return w.keys[i].created
	}
	return 0
}

func (w *world) holds(r *request) bool {
	for _, c := range r.conditions {
		if w.created(c.half) != c.created {
			return false
		}
	}
	changed := func(k stored) bool { return k.mod > r.since }
	return r.since == 0 || !slices.ContainsFunc(w.keys, changed)
}

// never reports that the request cannot happen any more: a key has ended the
// life that it names, or a lease has.
func (w *world) never(r *request) bool {
	for _, c := range r.conditions {
		if c.created != 0 && w.created(c.half) != c.created {
			return true
		}
	}
	return slices.ContainsFunc(r.put, func(h half) bool { return !w.lives(h.lease) })
}

// answer is what the store says to a request.
type answer uint8

const (
	refused answer = iota
	leaseGone
	unmet
	done
)

// apply lets a request happen in place.
func (w *world) apply(r *request) answer {
	if len(r.put) > 0 && w.noSpace {
		return refused
	}
	if !w.holds(r) {
		return unmet
	}
	if slices.ContainsFunc(r.put, func(h half) bool { return !w.lives(h.lease) }) {
		return leaseGone
	}
	w.revision++
	for _, h := range r.delete {
		if i, ok := w.find(h); ok {
			w.keys = slices.Delete(w.keys, i, i+1)
		}
	}
	for _, h := range r.put {
		i, ok := w.find(h)
		if ok {
			w.keys[i].mod = w.revision
			continue
		}
		w.keys = slices.Insert(w.keys, i, stored{h, w.revision, w.revision})
	}
	return done
}

// expire ends a lease with its keys, in place.
func (w *world) expire(id LeaseID) {
	w.revision++
	w.leases = slices.DeleteFunc(w.leases, func(l LeaseID) bool { return l == id })
	w.keys = slices.DeleteFunc(w.keys, func(k stored) bool { return k.lease == id })
}
