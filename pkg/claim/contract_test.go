package claim_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

// world is a store that the contract is held against: the model in memory is
// one, real servers are others. Each case has a prefix of its own.
type world struct {
	*testing.T
	ctx     context.Context
	store   claim.Store
	leases  claim.Leases
	noSpace func(on bool)
	opts    claim.Options
}

var contract = []struct {
	name string
	hold func(world)
}{
	{"a put on both keys is guarded by their absence", guardedPut},
	{"a put is seen as a change, a deletion is not", unchangedSince},
	{"a compare with what is not the key's life fails", createdFences},
	{"a put on a lease that is gone does not happen", putNeedsLease},
	{"revoking deletes the keys, and can be repeated", revoking},
	{"NOSPACE refuses what adds, and nothing else", noSpaceRefuses},
	{"one holder at a time", oneHolder},
	{"the claim passes on under NOSPACE", passesOnUnderNoSpace},
	{"a restart resumes its tickets under NOSPACE", resumesUnderNoSpace},
	{"leaving takes the book away", leaving},
	{"what others have put is left alone", badNeighbours},
	{"a dead holder's ticket expires under NOSPACE", expiryFrees},
}

func TestModelKeepsTheContract(t *testing.T) {
	for _, tt := range contract {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kv := etcdtest.NewKV()
				tt.hold(world{T: t, ctx: t.Context(), store: kv, leases: kv, noSpace: kv.SetNoSpace, opts: options()})
			})
		})
	}
}

func options() claim.Options {
	return claim.Options{Prefix: "/test", TTL: 6 * time.Second, Tickets: 3}
}

func (w world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w world) wants(err, want error) {
	w.Helper()
	if !errors.Is(err, want) {
		w.Fatalf("error %v, want %v", err, want)
	}
}

func (w world) commit(txn claim.Txn, want bool) {
	w.Helper()
	held, err := w.store.Commit(w.ctx, txn)
	w.must(err)
	if held != want {
		w.Fatalf("conditions held: %t, want %t: %+v", held, want, txn)
	}
}

func (w world) read() claim.Listing {
	w.Helper()
	listing, err := w.store.Read(w.ctx, w.opts.Prefix)
	w.must(err)
	return listing
}

func (w world) key(name string) string { return w.opts.Prefix + "/" + name }

func (w world) put(names ...string) claim.Txn {
	txn := claim.Txn{Created: map[string]int64{}}
	for _, name := range names {
		txn.Created[w.key(name)] = 0
		txn.Put = append(txn.Put, claim.KeyValue{Key: w.key(name), Value: name})
	}
	return txn
}

func (w world) delete(names ...string) claim.Txn {
	var txn claim.Txn
	for _, name := range names {
		txn.Delete = append(txn.Delete, w.key(name))
	}
	return txn
}

func (w world) grant() claim.LeaseID {
	w.Helper()
	lease, err := w.leases.Grant(w.ctx, w.opts.TTL)
	w.must(err)
	return lease
}

func guardedPut(w world) {
	w.commit(w.put("b", "a"), true)
	first := w.read()
	if len(first.Keys) != 2 || first.Keys[0].Key != w.key("a") || first.Keys[0].Value != "a" {
		w.Fatalf("read %+v, want a and b in order", first)
	}
	for _, kv := range first.Keys {
		if kv.CreateRevision != first.Revision || kv.ModRevision != first.Revision {
			w.Errorf("%+v, want both revisions %d", kv, first.Revision)
		}
	}
	w.commit(w.put("a", "b"), false)
	w.commit(w.delete("a"), true)
	w.commit(w.put("a", "b"), false) // one of the two is enough
	w.commit(w.delete("b"), true)
	w.commit(w.put("a", "b"), true)
	if again := w.read(); again.Keys[0].CreateRevision <= first.Revision {
		w.Errorf("put again, created at %d as before", again.Keys[0].CreateRevision)
	}
}

func unchangedSince(w world) {
	since := func(revision int64) claim.Txn {
		return claim.Txn{Prefix: w.opts.Prefix, UnchangedSince: revision}
	}
	w.commit(since(w.read().Revision), true) // nothing there at all
	w.commit(w.put("a", "b"), true)
	at := w.read().Revision
	w.commit(since(at), true)
	w.commit(since(at-1), false)
	w.commit(w.delete("a"), true)
	w.commit(since(at), true)
	w.commit(w.put("a"), true)
	w.commit(since(at), false)
}

func createdFences(w world) {
	w.commit(w.put("a"), true)
	created := w.read().Keys[0].CreateRevision
	fenced := func(revision int64) claim.Txn {
		txn := w.delete("a")
		txn.Created = map[string]int64{w.key("a"): revision}
		return txn
	}
	w.commit(fenced(created-1), false)
	w.commit(fenced(0), false)
	w.commit(fenced(created), true)
	w.commit(fenced(created), false)
	w.commit(fenced(0), true)
}

func putNeedsLease(w world) {
	lease := w.grant()
	w.must(w.leases.Revoke(w.ctx, lease))
	txn := w.put("a")
	txn.Put[0].Lease = lease
	_, err := w.store.Commit(w.ctx, txn)
	w.wants(err, claim.ErrLeaseGone)
	_, err = w.leases.KeepAlive(w.ctx, lease)
	w.wants(err, claim.ErrLeaseGone)
}

func revoking(w world) {
	lease := w.grant()
	ttl, err := w.leases.KeepAlive(w.ctx, lease)
	w.must(err)
	if ttl != w.opts.TTL {
		w.Errorf("kept alive for %s, want %s", ttl, w.opts.TTL)
	}
	txn := w.put("a")
	txn.Put[0].Lease = lease
	w.commit(txn, true)
	w.commit(w.put("b"), true)
	if kv := w.read().Keys[0]; kv.Lease != lease {
		w.Errorf("%+v, want lease %d", kv, lease)
	}
	w.must(w.leases.Revoke(w.ctx, lease))
	w.must(w.leases.Revoke(w.ctx, lease))
	if keys := w.read().Keys; len(keys) != 1 || keys[0].Key != w.key("b") {
		w.Errorf("left: %+v, want b alone", keys)
	}
}

func noSpaceRefuses(w world) {
	lease := w.grant()
	w.commit(w.put("a", "b"), true)
	w.noSpace(true)
	defer w.noSpace(false)
	_, err := w.store.Commit(w.ctx, w.put("c"))
	w.wants(err, claim.ErrRefused)
	_, err = w.store.Commit(w.ctx, w.put("a")) // its conditions would not hold
	w.wants(err, claim.ErrRefused)
	_, err = w.leases.Grant(w.ctx, w.opts.TTL)
	w.wants(err, claim.ErrRefused)
	w.commit(w.delete("a"), true)
	_, err = w.leases.KeepAlive(w.ctx, lease)
	w.must(err)
	w.must(w.leases.Revoke(w.ctx, lease))
	if keys := w.read().Keys; len(keys) != 1 {
		w.Errorf("left: %+v, want b alone", keys)
	}
}

// book returns the book of a process on that host.
func (w world) book(host string, session *claim.Session) *claim.Book {
	return claim.New(w.store, w.leases, w.opts, claim.Identity{Host: host, Process: 7, Version: "test"}, session)
}

func (w world) enrolled(host string, member int) *claim.Book {
	w.Helper()
	b := w.book(host, claim.NewEphemeralSession())
	w.must(b.Enrol(w.ctx, cluster.MemberID(member)))
	return b
}

func (w world) take(b *claim.Book) *claim.Held {
	w.Helper()
	held, err := b.Take(w.ctx, nil)
	w.must(err)
	w.must(held.Check())
	return held
}

func (w world) busy(b *claim.Book, host string) {
	w.Helper()
	_, err := b.Take(w.ctx, nil)
	var busy *claim.BusyError
	if !errors.As(err, &busy) || !strings.HasPrefix(busy.Holder, host) {
		w.Fatalf("error %v, want that %s holds the claim", err, host)
	}
}

func oneHolder(w world) {
	a, b := w.enrolled("hosta", 1), w.enrolled("hostb", 2)
	held := w.take(a)
	w.busy(b, "hosta")
	_, err := a.Take(w.ctx, nil)
	w.wants(err, claim.ErrInDoubt)
	w.must(held.GiveBack(w.ctx))
	w.must(held.GiveBack(w.ctx))
	w.wants(held.Check(), claim.ErrGivenBack)
	w.must(w.take(b).GiveBack(w.ctx))
	if n := len(w.read().Keys); n != 2*2*2 {
		w.Errorf("%d keys left, want %d: one ticket of each book is used", n, 2*2*2)
	}
	w.must(a.Enrol(w.ctx, 1))
	w.must(b.Enrol(w.ctx, 2))
	if n := len(w.read().Keys); n != 2*2*3 {
		w.Errorf("%d keys after replenishing, want %d", n, 2*2*3)
	}
}

func passesOnUnderNoSpace(w world) {
	a, b := w.enrolled("hosta", 1), w.enrolled("hostb", 2)
	w.noSpace(true)
	defer w.noSpace(false)
	for range w.opts.Tickets {
		held := w.take(a)
		w.busy(b, "hosta")
		w.must(held.GiveBack(w.ctx))
		held = w.take(b)
		w.busy(a, "hostb")
		w.must(held.GiveBack(w.ctx))
	}
	_, err := a.Take(w.ctx, nil)
	w.wants(err, claim.ErrNotEnrolled)
	w.wants(a.Enrol(w.ctx, 1), claim.ErrRefused)
	claims, err := a.Read(w.ctx, nil, 0)
	w.must(err)
	if len(claims.Watched) > 0 || claims.Holder != "" {
		w.Errorf("tickets left: %+v", w.read())
	}
	w.noSpace(false)
	w.must(a.Enrol(w.ctx, 1))
	w.must(w.take(a).GiveBack(w.ctx))
}

func resumesUnderNoSpace(w world) {
	dir := w.TempDir()
	session, err := claim.OpenSession(dir, "machine", "boot")
	w.must(err)
	first := w.book("hosta", session)
	w.must(first.Enrol(w.ctx, 1))
	w.take(first)
	w.must(session.Close()) // as the process's end does
	w.noSpace(true)
	defer w.noSpace(false)

	session, err = claim.OpenSession(dir, "machine", "boot")
	w.must(err)
	second := w.book("hosta", session)
	claims, err := second.Read(w.ctx, nil, 0)
	w.must(err)
	if !claims.Enrolled || !claims.InDoubt || claims.HolderMember != 1 || fmt.Sprint(claims.Watched) != "[1]" {
		w.Fatalf("resumed as %+v, want enrolled and in doubt", claims)
	}
	_, err = second.Take(w.ctx, nil)
	w.wants(err, claim.ErrInDoubt)
	w.wants(second.Leave(w.ctx), claim.ErrInDoubt)
	w.must(second.ReleaseDoubtful(w.ctx))
	w.must(w.take(second).GiveBack(w.ctx))
	w.must(session.Close())
}

func leaving(w world) {
	a, b := w.enrolled("hosta", 1), w.enrolled("hostb", 2)
	held := w.take(a)
	w.wants(a.Leave(w.ctx), claim.ErrInDoubt)
	w.must(held.GiveBack(w.ctx))
	w.must(a.Leave(w.ctx))
	w.must(a.Leave(w.ctx))
	claims, err := b.Read(w.ctx, nil, 0)
	w.must(err)
	if fmt.Sprint(claims.Watched) != "[2]" {
		w.Errorf("watched %v, want 2 alone", claims.Watched)
	}
	_, err = a.Take(w.ctx, nil)
	w.wants(err, claim.ErrNotEnrolled)
}

// badNeighbours are keys that are no tickets, thousands of them, and tickets of a
// version that is not known yet: those count, whoever they belong to.
func badNeighbours(w world) {
	foreign := []string{
		"x", "claim", "claim/", "claim/x", "claim/\xff\xfe/\x00\x1b[2J", "claim/7/0000000000000007/00/middle", "claim/7/7/0/end",
		"claim/0/0000000000000007/00/end", "claim/7/ffffffffffffffff/00/end", "claim/7/0000000000000007/100000/end",
		"claim/7/0000000000000007/00/begin", // without its end
	}
	for i := range 3000 {
		foreign = append(foreign, fmt.Sprintf("claim/%d/x", i))
	}
	// Copies, as mirroring or a restore makes them: whole, and busy for ever.
	foreign = append(foreign, "claim/8/0000000000000008/00/begin", "claim/8/0000000000000008/00/end", "claim/8/0000000000000008/01/end")
	for names := range slices.Chunk(foreign, 50) {
		w.commit(w.put(names...), true)
	}
	lease, err := w.leases.Grant(w.ctx, time.Minute)
	w.must(err)
	later := []string{fmt.Sprintf("claim/9/%016x/00/begin", lease), fmt.Sprintf("claim/9/%016x/00/end", lease)}
	put := w.put(later...)
	for i := range put.Put {
		put.Put[i].Lease = lease
	}
	w.commit(put, true)
	before := w.read().Keys

	a, b := w.enrolled("hosta", 1), w.enrolled("hostb", 2)
	held := w.take(a)
	w.busy(b, "hosta")
	claims, err := b.Read(w.ctx, nil, 0)
	w.must(err)
	if fmt.Sprint(claims.Watched) != "[1 2 9]" {
		w.Errorf("watched %v, want 1, 2 and 9", claims.Watched)
	}
	if len(claims.Ignored) != 4 {
		w.Errorf("ignored: %q", claims.Ignored)
	}
	if claims, err = b.Read(w.ctx, []cluster.MemberID{1, 2}, 0); err != nil || fmt.Sprint(claims.Watched) != "[1 2]" {
		w.Errorf("watched %v, %v, and 9 is no voter", claims.Watched, err)
	}
	w.must(held.GiveBack(w.ctx))
	w.must(a.Enrol(w.ctx, 1))
	w.must(a.Leave(w.ctx))
	w.must(b.Leave(w.ctx))
	if after := w.read().Keys; !slices.Equal(before, after) {
		w.Errorf("%d keys of others, now %d, or they have changed", len(before), len(after))
	}
	a = w.enrolled("hosta", 1)
	w.commit(w.delete(later[0]), true) // it takes the claim
	w.busy(a, "the watchdog of member 9")
	w.commit(w.delete(later[1]), true)
	w.must(w.take(a).GiveBack(w.ctx))
}

func expiryFrees(w world) {
	a, b := w.enrolled("hosta", 1), w.enrolled("hostb", 2)
	dead := w.take(a) // renewed before, and never again
	w.noSpace(true)
	defer w.noSpace(false)
	ctx, stop := context.WithTimeout(w.ctx, 5*w.opts.TTL)
	defer stop()
	go b.Run(ctx)
	for ctx.Err() == nil {
		b.Allow(time.Now().Add(w.opts.TTL))
		held, err := b.Take(ctx, nil)
		if err == nil {
			w.wants(context.Cause(dead.Context()), claim.ErrLost)
			w.must(held.GiveBack(ctx))
			return
		}
		time.Sleep(w.opts.TTL / 20) // between two looks
	}
	w.Fatal("the dead holder's ticket is still there")
}
