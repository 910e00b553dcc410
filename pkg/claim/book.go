package claim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Identity is what tickets say of the process that put them, for people.
type Identity struct {
	Host    string
	Process int // process id
	Version string
}

// Book is one process's tickets and what it remembers of them.
//
// Its methods are called by one goroutine, the work loop, except Run and Allow,
// which any may call, and those of Held.
type Book struct {
	store   Store
	leases  Leases
	opts    Options
	self    owner
	session *Session
	layout  layout
	life    *lifetime
	wake    chan struct{} // capacity 1: there may be something to renew

	allowed struct {
		sync.Mutex
		until time.Time
	}

	held    *Held  // the last claim taken; perhaps lost, never given back
	attempt ticket // the last take with an unknown outcome, nothing begun under it

	seen      time.Time // since when this process has seen whole tickets on seenLease; zero: it does not
	seenLease LeaseID
	published string // what this process last published
}

// New returns the book of this process. A lease that the session remembers is
// used again once it has been renewed; the session belongs to the book alone.
func New(store Store, leases Leases, opts Options, self Identity, session *Session) *Book {
	return &Book{
		store:   store,
		leases:  leases,
		opts:    opts,
		self:    owner{Host: self.Host, Process: self.Process, Version: self.Version},
		session: session,
		layout:  layoutOf(opts),
		life:    &lifetime{boot: bootClock, margin: opts.margin, lease: session.lease},
		wake:    make(chan struct{}, 1),
	}
}

// roll reads the tickets. Those of other members than these voters do not count.
func (b *Book) roll(ctx context.Context, voters []cluster.MemberID) (roll, error) {
	r, _, err := b.read(ctx, voters)
	return r, err
}

func (b *Book) read(ctx context.Context, voters []cluster.MemberID) (roll, Listing, error) {
	listing, err := b.store.Read(ctx, b.opts.Prefix+"/")
	if err != nil {
		return roll{}, Listing{}, fmt.Errorf("read the tickets: %w", err)
	}
	return b.layout.read(listing, voters), listing, nil
}

// heldTicket returns the ticket under which work may be done; a zero one if
// there is none.
func (b *Book) heldTicket() ticket {
	if b.held == nil || b.held.Check() != nil {
		return ticket{}
	}
	return b.held.ticket
}

// Read returns what the tickets say now, and what the watchdogs have published.
// If this process has a lease of which it is not certain that it lives, as after
// a resume, that is found out first: a process is enrolled only by a lease that
// has just been acknowledged. The voters are those of the member list; local is
// the member that has to have served the read for its term to count.
func (b *Book) Read(ctx context.Context, voters []cluster.MemberID, local cluster.MemberID) (cluster.Claims, error) {
	if lease := b.life.id(); lease != 0 && b.life.remaining(lease) <= 0 {
		// That it cannot be renewed now is what Enrolled says; the loop tries again.
		_ = b.renew(ctx)
	}
	r, listing, err := b.read(ctx, voters)
	if err != nil {
		return cluster.Claims{}, err
	}
	lease := b.life.id()
	claims := r.claims(lease, b.heldTicket())
	claims.Enrolled = claims.Enrolled && b.life.remaining(lease) > 0
	b.see(lease, claims.Tickets > 0 || claims.InDoubt || b.heldTicket().end != 0)
	if claims.Enrolled && b.usableIn() > 0 {
		claims.UsableAt = b.seen.Add(b.opts.Settle)
	}
	if listing.Member == local && local != 0 {
		claims.Term = listing.Term
	}
	claims.Hosts = hostsIn(b.opts.Prefix, listing, voters)
	return claims, nil
}

// see notes since when this process has seen tickets of its own. What another
// watchdog has sent while there were none has arrived once that has lasted for
// Settle: it works without a claim only as long as it sees no ticket.
func (b *Book) see(lease LeaseID, there bool) {
	switch {
	case !there:
		b.seen, b.seenLease = time.Time{}, 0
	case b.seen.IsZero() || b.seenLease != lease:
		b.seen, b.seenLease = time.Now(), lease
	}
}

// usableIn returns how long the tickets may not be taken yet.
func (b *Book) usableIn() time.Duration {
	if b.opts.Settle == 0 {
		return 0
	}
	if b.seen.IsZero() {
		return b.opts.Settle
	}
	return b.opts.Settle - time.Since(b.seen)
}

// Watcher is one process that stands behind a member, as its tickets say. What
// they say of it is for people: nothing is decided by it.
type Watcher struct {
	Member  cluster.MemberID
	Host    string // may be empty
	Process int
	Version string
	Tickets int  // that can be taken
	Holds   bool // it holds the claim, or has left it in doubt
}

// Watchers returns who holds tickets, in order of the members. It changes
// nothing, and needs a quorum.
func (b *Book) Watchers(ctx context.Context) ([]Watcher, error) {
	r, err := b.roll(ctx, nil)
	if err != nil {
		return nil, err
	}
	var all []Watcher
	for _, p := range r.pages {
		if !p.watched() {
			continue
		}
		w := Watcher{Member: p.member}
		for _, t := range p.tickets {
			if t.end == 0 {
				continue
			}
			w.Host, w.Process, w.Version = t.owner.Host, t.owner.Process, t.owner.Version
			w.Holds = w.Holds || t.busy()
			if t.whole() {
				w.Tickets++
			}
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b Watcher) int { return cmp.Compare(a.Member, b.Member) })
	return all, nil
}

// enrolTries bounds how often one Enrol begins anew, because the lease ended
// meanwhile or a put of an earlier Enrol landed.
const enrolTries = 3

// Enrol makes the book full, for that member. It grants a lease if there is
// none that lives, and keeps its id before any ticket is put on it. Call it
// whenever writes are accepted: for a full book it reads, and writes nothing.
// ErrRefused under NOSPACE, if anything is missing; the tickets that exist can
// be taken all the same.
func (b *Book) Enrol(ctx context.Context, member cluster.MemberID) error {
	if member == 0 {
		return errors.New("enrol: the local member's id is not known yet")
	}
	var err error
	for range enrolTries {
		var full bool
		full, err = b.enrol(ctx, member)
		if full {
			return nil
		}
		if err != nil && !errors.Is(err, ErrLeaseGone) {
			break
		}
	}
	if err == nil {
		err = errors.New("the tickets under the prefix keep changing")
	}
	return fmt.Errorf("enrol: %w", err)
}

// enrol reports that no ticket is missing. It puts what is, after which the
// next one finds the book full.
func (b *Book) enrol(ctx context.Context, member cluster.MemberID) (full bool, err error) {
	lease, err := b.livingLease(ctx)
	if err != nil {
		return false, err
	}
	r, err := b.roll(ctx, nil)
	if err != nil {
		return false, err
	}
	missing := b.layout.enrolTxns(r, member, lease, b.opts.Tickets, b.self.value())
	for _, txn := range append(b.layout.clearJunkTxns(r, lease), missing...) {
		_, err := b.store.Commit(ctx, txn)
		if errors.Is(err, ErrLeaseGone) {
			b.life.forget(lease)
		}
		if err != nil {
			return false, fmt.Errorf("put tickets: %w", err)
		}
	}
	return len(missing) == 0, nil
}

// livingLease returns the lease, renewed if its life is not certain, or a new
// one.
func (b *Book) livingLease(ctx context.Context) (LeaseID, error) {
	lease := b.life.id()
	if lease != 0 && b.life.remaining(lease) > 0 {
		return lease, nil
	}
	if lease != 0 {
		err := b.renew(ctx)
		if err == nil || !errors.Is(err, ErrLeaseGone) {
			return lease, err
		}
	}
	lease, err := b.leases.Grant(ctx, b.opts.TTL)
	if err != nil {
		return 0, fmt.Errorf("grant a lease: %w", err)
	}
	if err := b.session.save(lease); err != nil {
		return 0, errors.Join(err, b.leases.Revoke(ctx, lease))
	}
	b.life.adopt(lease)
	return lease, b.renew(ctx)
}

// ReleaseDoubtful gives back every busy ticket of this process that it does not
// hold (rule 5). The caller has settled whatever may have been begun under
// them: nothing runs any more, and nothing is on its way. It tries once; after
// an error call it again when the next Read says InDoubt.
func (b *Book) ReleaseDoubtful(ctx context.Context) error {
	r, err := b.roll(ctx, nil)
	if err != nil {
		return fmt.Errorf("give back a claim in doubt: %w", err)
	}
	for _, t := range r.doubtful(b.life.id(), b.heldTicket()) {
		if t.is(b.attempt) {
			b.attempt = ticket{}
		}
		// Conditions that do not hold mean that the end is gone already.
		if _, err := b.store.Commit(ctx, b.layout.giveBackTxn(t)); err != nil {
			return fmt.Errorf("give back a claim in doubt: %w", err)
		}
	}
	return nil
}

// Leave ends the book: it revokes the lease, so that the others see at once that
// nobody stands behind these tickets. For a process that no other will resume,
// and for one that can do nothing under them for now, as long as its member is
// gone: a later Enrol makes a new book. A process that will be restarted just
// ends, and its tickets stay for the TTL. Refused while a claim is held or in
// doubt.
func (b *Book) Leave(ctx context.Context) error {
	lease := b.life.id()
	if lease == 0 {
		return nil
	}
	r, err := b.roll(ctx, nil)
	if err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	if len(r.of(lease, ticket.busy)) > 0 {
		return fmt.Errorf("leave: %w", ErrInDoubt)
	}
	if err := b.leases.Revoke(ctx, lease); err != nil {
		return fmt.Errorf("leave: revoke the lease: %w", err)
	}
	b.life.forget(lease)
	b.published = ""
	return b.session.save(0)
}
