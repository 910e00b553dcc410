package claim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// layout knows how tickets are written into etcd. Its value is the prefix of
// all of them, with the slash at its end.
type layout string

func layoutOf(opts Options) layout { return layout(opts.Prefix + "/claim/") }

// ticketName names one ticket. A name is used again after the ticket is gone;
// what tells its lives apart is the CreateRevision of its keys.
type ticketName struct {
	member cluster.MemberID
	lease  LeaseID
	number int
}

func (l layout) begin(n ticketName) string { return l.path(n) + "/begin" }
func (l layout) end(n ticketName) string   { return l.path(n) + "/end" }

// path writes the lease as etcdctl prints it.
func (l layout) path(n ticketName) string {
	return fmt.Sprintf("%s%s/%016x/%02d", string(l), n.member, uint64(n.lease), n.number)
}

// parse is the inverse of begin and end. What it does not recognise is not
// ours.
func (l layout) parse(key string) (name ticketName, half string, ok bool) {
	rest, ok := strings.CutPrefix(key, string(l))
	if !ok {
		return ticketName{}, "", false
	}
	part := strings.Split(rest, "/")
	if len(part) != 4 || part[3] != "begin" && part[3] != "end" {
		return ticketName{}, "", false
	}
	member, err1 := strconv.ParseUint(part[0], 16, 64)
	lease, err2 := strconv.ParseUint(part[1], 16, 63)
	number, err3 := strconv.ParseUint(part[2], 10, 16)
	if err1 != nil || err2 != nil || err3 != nil || member == 0 || lease == 0 {
		return ticketName{}, "", false
	}
	name = ticketName{cluster.MemberID(member), LeaseID(lease), int(number)}
	return name, part[3], l.path(name)+"/"+part[3] == key
}

// ticket is one ticket as a read showed it: the CreateRevisions of its keys, 0
// for one that does not exist.
type ticket struct {
	ticketName
	begin, end int64
	owner      owner // as the end says
}

func (t ticket) whole() bool { return t.begin != 0 && t.end != 0 }
func (t ticket) busy() bool  { return t.begin == 0 && t.end != 0 }
func (t ticket) junk() bool  { return t.begin != 0 && t.end == 0 }

// is reports that t is the ticket that o was: the same name, the same life.
func (t ticket) is(o ticket) bool { return t.ticketName == o.ticketName && t.end == o.end }

// page is a book as a read showed it: the tickets of one lease for one member,
// in order of their numbers.
type page struct {
	member  cluster.MemberID
	lease   LeaseID
	tickets []ticket
	counts  bool // its member is a listed voter
}

// lowestWhole returns the only ticket of the page that may be taken.
func (p page) lowestWhole() (ticket, bool) { return first(p.tickets, ticket.whole) }

// watched reports that a process stands behind the page.
func (p page) watched() bool {
	return p.counts && slices.ContainsFunc(p.tickets, func(t ticket) bool { return t.end != 0 })
}

// roll is everything below the prefix that is a ticket, as one response at one
// revision showed it. What else lies there is left out, and never touched.
type roll struct {
	revision int64
	pages    []page
	ignored  []string // keys in the form of tickets that count for nothing
}

// read parses a listing. Keys of one page, and of one ticket, stand next to each
// other, since a listing is in order. A key counts only if it is on the lease that
// its name says, which copies made by mirroring or a restore are not, and only if
// its member is one of the voters; nil: the voters are not known, and all count.
func (l layout) read(listing Listing, voters []cluster.MemberID) roll {
	r := roll{revision: listing.Revision}
	for _, kv := range listing.Keys {
		name, half, ok := l.parse(kv.Key)
		if !ok {
			continue
		}
		counts := voters == nil || slices.Contains(voters, name.member)
		if kv.Lease != name.lease || !counts {
			r.ignored = append(r.ignored, kv.Key)
		}
		if kv.Lease != name.lease {
			continue
		}
		r.page(name).counts = counts
		t := r.ticket(name)
		if half == "begin" {
			t.begin = kv.CreateRevision
			continue
		}
		t.end = kv.CreateRevision
		t.owner = parseOwner(kv.Value)
	}
	for _, p := range r.pages {
		slices.SortStableFunc(p.tickets, func(a, b ticket) int { return a.number - b.number })
	}
	return r
}

// page returns the place of that ticket's page, which is the last one or a new one.
func (r *roll) page(name ticketName) *page {
	n := len(r.pages)
	if n == 0 || r.pages[n-1].member != name.member || r.pages[n-1].lease != name.lease {
		r.pages = append(r.pages, page{member: name.member, lease: name.lease})
		n++
	}
	return &r.pages[n-1]
}

// ticket returns the place of that ticket, which is the last one or a new one.
func (r *roll) ticket(name ticketName) *ticket {
	p := r.page(name)
	if k := len(p.tickets); k > 0 && p.tickets[k-1].ticketName == name {
		return &p.tickets[k-1]
	}
	p.tickets = append(p.tickets, ticket{ticketName: name})
	return &p.tickets[len(p.tickets)-1]
}

// all returns every ticket that counts and that keep accepts.
func (r roll) all(keep func(ticket) bool) []ticket {
	var found []ticket
	for _, p := range r.pages {
		if !p.counts {
			continue
		}
		for _, t := range p.tickets {
			if keep(t) {
				found = append(found, t)
			}
		}
	}
	return found
}

// of returns the tickets of one lease that keep accepts, whether they count or
// not: they are its process's own business.
func (r roll) of(lease LeaseID, keep func(ticket) bool) []ticket {
	var found []ticket
	for _, p := range r.pages {
		for _, t := range p.tickets {
			if lease != 0 && p.lease == lease && keep(t) {
				found = append(found, t)
			}
		}
	}
	return found
}

func first(tickets []ticket, is func(ticket) bool) (ticket, bool) {
	i := slices.IndexFunc(tickets, is)
	if i < 0 {
		return ticket{}, false
	}
	return tickets[i], true
}

// ownerVersion is the version of the JSON that a ticket carries.
const ownerVersion = 1

// owner is what a ticket says of the process that put it, for people only:
// nothing is decided by it.
type owner struct {
	V       int    `json:"v"`
	Host    string `json:"host"`
	Process int    `json:"process"`
	Version string `json:"version"`
}

// maxOwnerField bounds what a host name can add to a ticket, in bytes.
const maxOwnerField = 64

func (o owner) value() string {
	o.V, o.Host, o.Version = ownerVersion, shorten(o.Host), shorten(o.Version)
	// A struct of strings and numbers always has a JSON form.
	text, _ := json.Marshal(o)
	return string(text)
}

func shorten(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), maxOwnerField)], "")
}

// parseOwner reads a ticket's value. A value of another version, or none at
// all, leaves the owner empty: the ticket counts all the same.
func parseOwner(value string) owner {
	var o owner
	if err := json.Unmarshal([]byte(value), &o); err != nil || o.V != ownerVersion {
		return owner{}
	}
	return o
}

// words says who has the ticket.
func (t ticket) words() string {
	if t.owner.Host == "" {
		return fmt.Sprintf("the watchdog of member %s", t.member)
	}
	return fmt.Sprintf("%s (process %d, version %s), the watchdog of member %s",
		t.owner.Host, t.owner.Process, t.owner.Version, t.member)
}
