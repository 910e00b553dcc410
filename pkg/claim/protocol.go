package claim

import (
	"maps"
	"slices"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// enrolTxns returns what puts the tickets 0 to n-1 of a book that do not exist;
// none if all do. Enrolling and replenishing are the same (rule 2): a ticket's
// two keys are always put by one Txn that demands that neither exists, so that
// a put that lands late can make a ticket again but never change one, and least
// of all give a busy one its begin back. Each ticket has a Txn of its own: servers
// may be told to take as few operations in one as their operator likes.
func (l layout) enrolTxns(r roll, member cluster.MemberID, lease LeaseID, n int, value string) []Txn {
	var txns []Txn
	for number := range n {
		name := ticketName{member, lease, number}
		exists := func(t ticket) bool { return t.ticketName == name }
		if len(r.of(lease, exists)) > 0 {
			continue
		}
		begin, end := l.begin(name), l.end(name)
		txns = append(txns, Txn{
			Created: map[string]int64{begin: 0, end: 0},
			Put:     []KeyValue{{Key: begin, Lease: lease}, {Key: end, Value: value, Lease: lease}},
		})
	}
	return txns
}

// takeTxn returns what takes the lowest whole ticket of that lease (rule 3): it
// deletes the ticket's begin if the claim, free at r, still is. A take deletes,
// so it leaves no ModRevision behind; that nobody took since r is seen from the
// lowest whole begin of each book, which is the only one that may be taken.
// A *BusyError, a *TooManyBooksError or ErrNotEnrolled says why not.
func (l layout) takeTxn(r roll, lease LeaseID) (Txn, ticket, error) {
	if busy := r.all(ticket.busy); len(busy) > 0 {
		return Txn{}, ticket{}, &BusyError{Holder: busy[0].words()}
	}
	if len(r.pages) > maxBooks {
		return Txn{}, ticket{}, &TooManyBooksError{Books: len(r.pages), Prefix: string(l)}
	}
	var mine ticket
	created := map[string]int64{}
	for _, p := range r.pages {
		t, ok := p.lowestWhole()
		if !ok || !p.counts {
			continue
		}
		created[l.begin(t.ticketName)] = t.begin
		if p.lease == lease && mine.end == 0 {
			mine = t
		}
	}
	if mine.end == 0 {
		return Txn{}, ticket{}, ErrNotEnrolled
	}
	created[l.end(mine.ticketName)] = mine.end
	return Txn{
		Prefix:         string(l),
		UnchangedSince: r.revision,
		Created:        created,
		Delete:         []string{l.begin(mine.ticketName)},
	}, mine, nil
}

// giveBackTxn returns what ends a busy ticket (rule 6). It is fenced by the
// end's CreateRevision, so one that lands late cannot touch a later ticket of
// the same name. That its conditions do not hold means: given back already.
func (l layout) giveBackTxn(t ticket) Txn {
	begin, end := l.begin(t.ticketName), l.end(t.ticketName)
	return Txn{Created: map[string]int64{end: t.end}, Delete: []string{begin, end}}
}

// clearJunkTxns returns what deletes the begins without an end of that lease.
// The protocol never makes one; a person with etcdctl can.
func (l layout) clearJunkTxns(r roll, lease LeaseID) []Txn {
	var txns []Txn
	for _, t := range r.of(lease, ticket.junk) {
		begin, end := l.begin(t.ticketName), l.end(t.ticketName)
		txns = append(txns, Txn{Created: map[string]int64{begin: t.begin, end: 0}, Delete: []string{begin}})
	}
	return txns
}

// claims tells what a roll means to the process that has that lease and that
// remembers holding that ticket (none: a zero one).
func (r roll) claims(lease LeaseID, held ticket) cluster.Claims {
	c := cluster.Claims{Known: true, Ignored: r.ignored}
	watched := map[cluster.MemberID]bool{}
	for _, p := range r.pages {
		if lease != 0 && p.lease == lease && !slices.Contains(c.Own, p.member) {
			c.Own = append(c.Own, p.member)
		}
		if p.watched() {
			watched[p.member] = true
		}
	}
	c.Tickets = len(r.all(func(t ticket) bool { return lease != 0 && t.lease == lease && t.whole() }))
	c.Enrolled = c.Tickets > 0
	slices.Sort(c.Own)
	c.Watched = slices.Sorted(maps.Keys(watched))
	if busy := r.all(ticket.busy); len(busy) > 0 {
		c.Holder, c.HolderMember = busy[0].words(), busy[0].member
	}
	c.InDoubt = len(r.doubtful(lease, held)) > 0
	return c
}

// doubtful returns the busy tickets of that lease but the one that is held
// (rule 5).
func (r roll) doubtful(lease LeaseID, held ticket) []ticket {
	return r.of(lease, func(t ticket) bool { return t.busy() && !t.is(held) })
}
