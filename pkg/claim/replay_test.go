package claim

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What the explorer proves holds for the program as far as the program makes no
// move that the explorer does not know. Replay finds that out: it takes what real
// books did, and what happened to them, and looks for each event among the moves
// of the explorer's world.

// EventKind is what an Event tells.
type EventKind string

const (
	Granted     EventKind = "is granted the lease"
	Renewed     EventKind = "renews the lease"
	LeaseWasNo  EventKind = "learns that the lease is gone"
	Reads       EventKind = "reads"
	Sends       EventKind = "sends"
	Answered    EventKind = "is answered"
	LosesLate   EventKind = "gets no answer, and the request may still happen"
	LosesGone   EventKind = "gets no answer, and the request is gone"
	Holds       EventKind = "has the claim"
	Begins      EventKind = "begins work"
	Arrives     EventKind = "has its work arrive at the member"
	Ends        EventKind = "has its work end"
	Knows       EventKind = "knows how its work ended"
	Stops       EventKind = "stops giving back"
	Crashes     EventKind = "crashes"
	CrashesLate EventKind = "crashes, and its request may still happen"
	Starts      EventKind = "starts"
	Stalls      EventKind = "stalls until its deadline has passed"
	LateHappens EventKind = "a late request happens"
	LateDropped EventKind = "a late request is dropped"
	Expires     EventKind = "a lease expires"
	NoSpace     EventKind = "NOSPACE comes or goes"
)

// Event is one thing that a real book did or met. Between a Reads and the Sends
// that follows from it nothing else is told.
type Event struct {
	Actor   int // of whom it is told: 1 and up; 0: of the store
	Kind    EventKind
	Lease   LeaseID // of Granted, Renewed, LeaseWasNo, Expires
	Listing Listing // of Reads
	Txn     Txn     // of Sends
	Held    bool    // of Answered, LateHappens: whether the conditions held
	Err     error   // of Answered, LateHappens
}

func (e Event) String() string {
	text := fmt.Sprintf("watchdog %d %s", e.Actor, e.Kind)
	if e.Actor == 0 {
		text = string(e.Kind)
	}
	switch e.Kind {
	case Sends:
		text += fmt.Sprintf(" %+v", e.Txn)
	case Answered, LateHappens:
		text += fmt.Sprintf(": held %t, %v", e.Held, e.Err)
	case Granted, Renewed, LeaseWasNo, Expires:
		text += fmt.Sprintf(" %x", int64(e.Lease))
	}
	return text
}

// said is the answer in the explorer's words.
func (e Event) said() answer {
	switch {
	case errors.Is(e.Err, ErrRefused):
		return refused
	case errors.Is(e.Err, ErrLeaseGone):
		return leaseGone
	case e.Held:
		return done
	}
	return unmet
}

// replay is the explorer's world on its way along the events of real books.
type replay struct {
	explorer
	w        *world
	layout   layout
	leases   map[LeaseID]LeaseID // the world's, by etcd's
	created  map[stored]int64    // the world's revision, by key and etcd's
	seen     []reading           // by watchdog
	harmless []bool              // by watchdog: its request can never happen
	options  []option            // the moves that can be made
	made     map[string]int
}

// reading is the last read of a watchdog, at etcd's revision and at the world's.
type reading struct{ etcds, ours int64 }

// option is a move that the explorer would make.
type option struct {
	actor int
	move  string
	next  *world
}

// Replay returns which moves of the explorer the events are, and how often, or
// an error that names the first event that is none.
func Replay(opts Options, watchdogs int, events []Event) (map[string]int, error) {
	r := &replay{
		explorer: explorer{tickets: opts.Tickets, late: 1, names: newNames()},
		w:        &world{revision: 1, watchdogs: make([]watchdog, watchdogs), work: make([]work, watchdogs)},
		layout:   layoutOf(opts),
		leases:   map[LeaseID]LeaseID{},
		created:  map[stored]int64{},
		seen:     make([]reading, watchdogs),
		harmless: make([]bool, watchdogs),
		made:     map[string]int{},
	}
	for i := range r.w.watchdogs {
		r.w.watchdogs[i].up = true
	}
	r.emit = func(move string, next *world, _ bool) {
		r.options = append(r.options, option{r.actor, move, next})
	}
	for n, e := range events {
		if err := r.follow(e); err != nil {
			return nil, fmt.Errorf("event %d, %s: %w; before it:\n  %s", n+1, e, err, tail(events[:n]))
		}
	}
	return r.made, nil
}

// tail writes the last events.
func tail(events []Event) string {
	var lines []string
	for _, e := range events[max(0, len(events)-30):] {
		lines = append(lines, e.String())
	}
	return strings.Join(lines, "\n  ")
}

// step makes a move of that actor with one of these names, if it leads to where
// it should.
func (r *replay) step(actor int, fits func(*world) bool, moves ...string) (err error) {
	defer func() {
		if broken, is := recover().(violation); is {
			err = errors.New(broken.what)
		}
	}()
	r.options = nil
	r.expand(r.w)
	var others []string
	for _, o := range r.options {
		if o.actor == actor && slices.Contains(moves, o.move) && (fits == nil || fits(o.next)) {
			o.next.tidy()
			r.w = o.next
			r.made[o.move]++
			return nil
		}
		if o.actor == actor {
			others = append(others, o.move)
		}
	}
	return fmt.Errorf("the explorer has no such move, only: %s", strings.Join(others, ", "))
}

// follow makes the move that the event is.
func (r *replay) follow(e Event) error {
	switch e.Kind {
	case LateHappens, LateDropped, Expires, NoSpace:
		return r.surroundingsDo(e)
	case Granted, Renewed, LeaseWasNo:
		return r.learnOfLease(e)
	case Sends, Answered, LosesLate, LosesGone, Crashes, CrashesLate:
		return r.followRequest(e)
	case Reads:
		return r.compare(e.Actor, e.Listing)
	}
	d, to := r.w.watchdogs[e.Actor-1], none
	switch e.Kind {
	case Holds:
		if d.phase == held {
			return nil // as the answer said
		}
		return r.step(e.Actor, nil, "sees that it has the claim")
	case Stops:
		if d.phase == idle {
			return nil // nothing had been sent
		}
		return r.step(e.Actor, nil, "stops giving back")
	case Stalls:
		if !d.valid {
			return nil // there was no deadline
		}
	case Begins, Knows, Starts: // as they are
	case Arrives:
		to = running
		fallthrough
	case Ends:
		return r.step(e.Actor, func(next *world) bool { return next.work[e.Actor-1] == to }, "has its work go on")
	default:
		return errors.New("there is no such event")
	}
	return r.step(e.Actor, nil, string(e.Kind))
}

// surroundingsDo follows what no watchdog does.
func (r *replay) surroundingsDo(e Event) error {
	switch e.Kind {
	case NoSpace:
		return r.step(0, nil, string(e.Kind))
	case Expires:
		return r.step(0, func(next *world) bool { return !next.lives(r.leases[e.Lease]) }, string(e.Kind))
	case LateHappens:
		would := unmet // a request that can never happen is not remembered
		if len(r.w.late) > 0 {
			would = r.w.clone().apply(&r.w.late[0])
		}
		if did := e.said(); (did == done) != (would == done) {
			return fmt.Errorf("it is answered with %d, in the explorer's world with %d", did, would)
		}
		if would == done {
			return r.step(0, nil, string(e.Kind))
		}
	}
	if len(r.w.late) == 0 {
		return nil
	}
	return r.step(0, nil, "a late request is dropped")
}

func (r *replay) learnOfLease(e Event) error {
	i := e.Actor - 1
	if e.Kind == Granted {
		if err := r.step(e.Actor, nil, "is granted a lease"); err != nil {
			return err
		}
		r.leases[e.Lease] = r.w.watchdogs[i].lease
		return nil
	}
	d, lease := r.w.watchdogs[i], r.leases[e.Lease]
	switch {
	case r.w.lives(lease) != (e.Kind == Renewed):
		return fmt.Errorf("in the explorer's world it lives: %t", r.w.lives(lease))
	case d.lease != lease && e.Kind == Renewed:
		return errors.New("in the explorer's world it has another lease")
	case d.lease != lease, d.valid && e.Kind == Renewed:
		return nil // it knew
	}
	return r.step(e.Actor, func(next *world) bool { return next.watchdogs[i].valid == (e.Kind == Renewed) }, "renews")
}

// compare holds what a book has read against the world's keys, and remembers
// which revisions of etcd are which of the world.
func (r *replay) compare(actor int, listing Listing) error {
	var real []stored
	for _, kv := range listing.Keys {
		h, err := r.half(kv.Key)
		if err != nil {
			return err
		}
		real = append(real, stored{half: h, created: kv.CreateRevision})
	}
	slices.SortFunc(real, func(a, b stored) int { return compareHalves(a.half, b.half) })
	if !slices.EqualFunc(real, r.w.keys, func(a, b stored) bool { return a.half == b.half }) {
		return fmt.Errorf("the keys are %v, in the explorer's world %v", real, r.w.keys)
	}
	for i, k := range real {
		ours := r.w.keys[i].created
		if known, is := r.created[k]; is && known != ours {
			return fmt.Errorf("the key %v created at %d is another one in the explorer's world", k.half, k.created)
		}
		r.created[k] = ours
	}
	r.seen[actor-1] = reading{listing.Revision, r.w.revision}
	return nil
}

// half is the key in the explorer's world.
func (r *replay) half(key string) (half, error) {
	name, which, ok := r.layout.parse(key)
	if !ok {
		return half{}, fmt.Errorf("%q is the key of no ticket", key)
	}
	name.lease = r.leases[name.lease]
	return half{name, which == "end"}, nil
}

// translate returns the transaction as the explorer would write it.
func (r *replay) translate(actor int, txn Txn) (*request, error) {
	req := &request{}
	if txn.UnchangedSince != 0 {
		if txn.UnchangedSince != r.seen[actor-1].etcds {
			return nil, fmt.Errorf("it compares with revision %d and has read at %d", txn.UnchangedSince, r.seen[actor-1].etcds)
		}
		if txn.Prefix != string(r.layout) {
			return nil, fmt.Errorf("it compares below %q", txn.Prefix)
		}
		req.since = r.seen[actor-1].ours
	}
	for _, key := range slices.Sorted(maps.Keys(txn.Created)) {
		h, err := r.half(key)
		if err != nil {
			return nil, err
		}
		created := txn.Created[key]
		if created != 0 {
			ours, is := r.created[stored{half: h, created: created}]
			if !is {
				return nil, fmt.Errorf("it compares %q with revision %d, which nobody has read", key, created)
			}
			created = ours
		}
		req.conditions = append(req.conditions, condition{h, created})
	}
	var errs []error
	halves := func(keys []string) (all []half) {
		for _, key := range keys {
			h, err := r.half(key)
			errs = append(errs, err)
			all = append(all, h)
		}
		return all
	}
	req.delete = halves(txn.Delete)
	var put []string
	for _, kv := range txn.Put {
		put = append(put, kv.Key)
		if name, _, _ := r.layout.parse(kv.Key); name.lease != kv.Lease {
			errs = append(errs, fmt.Errorf("it puts %q on the lease %x", kv.Key, int64(kv.Lease)))
		}
	}
	req.put = halves(put)
	return req, errors.Join(errs...)
}

// alike reports that two requests ask for the same.
func alike(a, b *request) bool {
	sorted := func(halves []half) []half { return slices.SortedFunc(slices.Values(halves), compareHalves) }
	conditions := func(all []condition) []condition {
		return slices.SortedFunc(slices.Values(all), func(a, b condition) int { return compareHalves(a.half, b.half) })
	}
	return a.since == b.since && slices.Equal(conditions(a.conditions), conditions(b.conditions)) &&
		slices.Equal(sorted(a.delete), sorted(b.delete)) && slices.Equal(sorted(a.put), sorted(b.put))
}

// followRequest follows a request from its sending to its answer, or to the end
// of who sent it.
func (r *replay) followRequest(e Event) error {
	i := e.Actor - 1
	d := r.w.watchdogs[i]
	switch {
	case e.Kind == Sends:
		return r.send(e)
	case r.harmless[i]:
		r.harmless[i] = false
		if e.Kind == Answered && e.said() == done {
			return errors.New("what can never happen has happened")
		}
		if e.Kind == Crashes || e.Kind == CrashesLate {
			return r.step(e.Actor, nil, string(Crashes))
		}
		return nil
	case e.Kind == Answered && d.pending == nil:
		return errors.New("in the explorer's world it asks for nothing")
	case e.Kind == Answered:
		if would, did := r.w.clone().apply(d.pending), e.said(); would != did {
			return fmt.Errorf("it is answered with %d, in the explorer's world with %d", did, would)
		}
		return r.step(e.Actor, nil, string(e.Kind))
	case e.Kind == LosesLate:
		// One that can never happen is as good as gone.
		return r.step(e.Actor, nil, string(LosesLate), string(LosesGone))
	case e.Kind == LosesGone && len(r.w.late) == 0 && !r.w.never(d.pending):
		// To the explorer it is late first.
		if err := r.step(e.Actor, nil, string(LosesLate)); err != nil {
			return err
		}
		return r.surroundingsDo(Event{Kind: LateDropped})
	case e.Kind == CrashesLate && d.pending != nil && !r.w.never(d.pending):
		return r.step(e.Actor, nil, string(CrashesLate))
	case e.Kind == CrashesLate:
		return r.step(e.Actor, nil, string(Crashes))
	}
	return r.step(e.Actor, nil, string(e.Kind))
}

// send finds the move by which the explorer's watchdog would send the same.
func (r *replay) send(e Event) error {
	i := e.Actor - 1
	req, err := r.translate(e.Actor, e.Txn)
	if err != nil {
		return err
	}
	same := func(next *world) bool {
		pending := next.watchdogs[i].pending
		return pending != nil && alike(pending, req)
	}
	sends := []string{"puts tickets", "clears junk", "sends a take", "gives back", "gives back again", "gives back what is in doubt"}
	// The explorer does not let a watchdog ask for puts that would be refused;
	// one that asks has done so, to the explorer, before the alarm came.
	listed := r.w.noSpace && len(req.put) > 0
	if listed {
		r.w = r.w.clone()
		r.w.noSpace = false
	}
	err = r.step(e.Actor, same, sends...)
	if listed {
		r.w.noSpace = true
	}
	if err != nil && r.w.never(req) {
		r.harmless[i] = true
		return nil
	}
	return err
}
