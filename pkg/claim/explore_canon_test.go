package claim

import (
	"bytes"
	"slices"
)

// tidy forgets, in place, what cannot matter any more.
func (w *world) tidy() {
	w.late = slices.DeleteFunc(w.late, func(r request) bool { return w.never(&r) })
	for i := range w.watchdogs {
		d := &w.watchdogs[i]
		if d.lease == 0 {
			d.valid = false
		}
		if (d.phase == idle || d.phase == putting) && d.ticket.end != 0 && !w.mayBeTaken(d.ticket) {
			d.ticket = ticket{}
		}
	}
}

// mayBeTaken reports that a ticket which a watchdog attempted to take is busy,
// or may become so by a late request.
func (w *world) mayBeTaken(t ticket) bool {
	if w.created(half{t.ticketName, true}) != t.end {
		return false
	}
	begin := half{t.ticketName, false}
	if w.created(begin) == 0 {
		return true
	}
	return slices.ContainsFunc(w.late, func(r request) bool { return slices.Contains(r.delete, begin) })
}

// canon writes worlds so that two that differ only in names are alike: which
// watchdog is the first, how revisions and leases are numbered. Only the order
// of revisions matters to a Txn, and only whose a lease is to a watchdog.
type canon struct {
	revisions []int64
	leases    []LeaseID
	place     []int // of each watchdog
	orders    [][]int
}

func newCanon(watchdogs int) *canon {
	c := &canon{place: make([]int, watchdogs)}
	order := make([]int, watchdogs)
	for i := range order {
		order[i] = i
	}
	c.permute(order, 0)
	return c
}

func (c *canon) permute(order []int, from int) {
	if from == len(order) {
		c.orders = append(c.orders, slices.Clone(order))
		return
	}
	for i := from; i < len(order); i++ {
		order[from], order[i] = order[i], order[from]
		c.permute(order, from+1)
		order[from], order[i] = order[i], order[from]
	}
}

// key returns the same bytes for worlds that are alike.
func (c *canon) key(w *world) string {
	c.gather(w)
	var least []byte
	for _, order := range c.orders {
		for at, i := range order {
			c.place[i] = at
		}
		if text := c.write(w, order); least == nil || bytes.Compare(text, least) < 0 {
			least = text
		}
	}
	return string(least)
}

func (c *canon) gather(w *world) {
	c.revisions = append(c.revisions[:0], 0, w.revision)
	c.leases = append(c.leases[:0], w.leases...)
	for _, k := range w.keys {
		c.revisions = append(c.revisions, k.created, k.mod)
		c.leases = append(c.leases, k.lease)
	}
	for _, d := range w.watchdogs {
		c.revisions = append(c.revisions, d.ticket.end)
		c.leases = append(c.leases, d.lease, d.ticket.lease)
		if d.pending != nil {
			c.gatherRequest(d.pending)
		}
	}
	for i := range w.late {
		c.gatherRequest(&w.late[i])
	}
	slices.Sort(c.revisions)
	c.revisions = slices.Compact(c.revisions)
	slices.Sort(c.leases)
	c.leases = slices.Compact(c.leases)
}

func (c *canon) gatherRequest(r *request) {
	c.revisions = append(c.revisions, r.since)
	for _, k := range r.conditions {
		c.revisions = append(c.revisions, k.created)
		c.leases = append(c.leases, k.lease)
	}
	for _, h := range r.put {
		c.leases = append(c.leases, h.lease)
	}
	for _, h := range r.delete {
		c.leases = append(c.leases, h.lease)
	}
}

func (c *canon) revision(r int64) byte {
	i, _ := slices.BinarySearch(c.revisions, r)
	return byte(i)
}

// lease writes whose it is, and which of that watchdog's.
func (c *canon) lease(id LeaseID) byte {
	if id == 0 {
		return 0
	}
	owner, nth := leaseOwner(id), byte(0)
	for _, other := range c.leases {
		if other != 0 && other < id && leaseOwner(other) == owner {
			nth++
		}
	}
	return 1 + byte(c.place[owner])<<5 + nth
}

func (c *canon) half(b []byte, h half) []byte {
	last := byte(h.number) << 1
	if h.end {
		last++
	}
	member := byte(0)
	if h.member != 0 {
		member = 1 + byte(c.place[h.member-1])
	}
	return append(b, member, c.lease(h.lease), last)
}

func (c *canon) request(b []byte, r *request) []byte {
	b = append(b, c.revision(r.since))
	b = c.sorted(b, len(r.conditions), func(b []byte, i int) []byte {
		return append(c.half(b, r.conditions[i].half), c.revision(r.conditions[i].created))
	})
	b = c.sorted(b, len(r.delete), func(b []byte, i int) []byte { return c.half(b, r.delete[i]) })
	return c.sorted(b, len(r.put), func(b []byte, i int) []byte { return c.half(b, r.put[i]) })
}

// sorted appends n items in an order that does not depend on names.
func (c *canon) sorted(b []byte, n int, item func([]byte, int) []byte) []byte {
	b = append(b, byte(n))
	var room [16][]byte
	items := room[:0]
	start := len(b)
	for i := range n {
		at := len(b)
		b = item(b, i)
		items = append(items, b[at:len(b):len(b)])
	}
	if n < 2 {
		return b
	}
	slices.SortFunc(items, bytes.Compare)
	return append(b[:start], bytes.Join(items, nil)...)
}

func flag(on bool, bit byte) byte {
	if on {
		return 1 << bit
	}
	return 0
}

func (c *canon) write(w *world, order []int) []byte {
	b := make([]byte, 0, 192)
	b = append(b, flag(w.noSpace, 0), byte(w.faults), c.revision(w.revision))
	for _, i := range order {
		d := &w.watchdogs[i]
		b = append(b, byte(d.phase)|flag(d.up, 4)|flag(d.valid, 5)|flag(d.fresh, 6)|flag(d.pending != nil, 7))
		b = append(b, byte(w.work[i]), c.lease(d.lease), c.revision(d.ticket.end))
		b = c.half(b, half{d.ticket.ticketName, false})
		if d.pending != nil {
			b = c.request(b, d.pending)
		}
	}
	b = c.sorted(b, len(w.leases), func(b []byte, i int) []byte { return append(b, c.lease(w.leases[i])) })
	b = c.sorted(b, len(w.keys), func(b []byte, i int) []byte {
		return append(c.half(b, w.keys[i].half), c.revision(w.keys[i].created), c.revision(w.keys[i].mod))
	})
	return c.sorted(b, len(w.late), func(b []byte, i int) []byte { return c.request(b, &w.late[i]) })
}
