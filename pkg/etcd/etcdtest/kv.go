package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
)

// KV is the keys and leases of a cluster, as far as the claim needs them: what
// every member of a cluster with a quorum would answer. It implements
// claim.Store and claim.Leases without a fault; Link does with faults. It is
// safe for use by several goroutines.
//
// Leases end by time.Now, so in a bubble of testing/synctest on its clock, or
// by Expire. The first revision that puts a key is 2, as in etcd.
type KV struct {
	mu       sync.Mutex
	revision int64
	keys     map[string]claim.KeyValue
	leases   map[claim.LeaseID]*lease
	granted  claim.LeaseID
	noSpace  func() bool
}

type lease struct {
	ttl  time.Duration
	ends time.Time
}

var (
	_ claim.Store  = (*KV)(nil)
	_ claim.Leases = (*KV)(nil)
	_ claim.Store  = (*Link)(nil)
	_ claim.Leases = (*Link)(nil)
)

// NewKV returns one without a key, that accepts writes.
func NewKV() *KV {
	return &KV{
		revision: 1,
		keys:     map[string]claim.KeyValue{},
		leases:   map[claim.LeaseID]*lease{},
		noSpace:  func() bool { return false },
	}
}

// SetNoSpace makes it refuse what adds data, or accept it again.
func (kv *KV) SetNoSpace(on bool) { kv.NoSpaceWhile(func() bool { return on }) }

// NoSpaceWhile makes it refuse what adds data whenever on says so, such as the
// alarm list of a Cluster.
func (kv *KV) NoSpaceWhile(on func() bool) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	kv.noSpace = on
}

// Expire ends every lease now, as if its time to live had passed.
func (kv *KV) Expire() {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(kv.leases)) {
		kv.end(id)
	}
}

// begin locks, and ends the leases whose time has come.
func (kv *KV) begin() {
	kv.mu.Lock()
	now := time.Now()
	for _, id := range slices.Sorted(maps.Keys(kv.leases)) {
		if !now.Before(kv.leases[id].ends) {
			kv.end(id)
		}
	}
}

// end deletes a lease with its keys, at one revision.
func (kv *KV) end(id claim.LeaseID) {
	delete(kv.leases, id)
	before := len(kv.keys)
	maps.DeleteFunc(kv.keys, func(_ string, v claim.KeyValue) bool { return v.Lease == id })
	if len(kv.keys) != before {
		kv.revision++
	}
}

// Read implements claim.Store.
func (kv *KV) Read(ctx context.Context, prefix string) (claim.Listing, error) {
	if err := ctx.Err(); err != nil {
		return claim.Listing{}, err
	}
	kv.begin()
	defer kv.mu.Unlock()
	listing := claim.Listing{Revision: kv.revision}
	for _, key := range slices.Sorted(maps.Keys(kv.keys)) {
		if strings.HasPrefix(key, prefix) {
			listing.Keys = append(listing.Keys, kv.keys[key])
		}
	}
	return listing, nil
}

// Commit implements claim.Store.
func (kv *KV) Commit(ctx context.Context, txn claim.Txn) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	kv.begin()
	defer kv.mu.Unlock()
	if len(txn.Put) > 0 && kv.noSpace() {
		return false, claim.ErrRefused // before the conditions are looked at, as etcd does
	}
	if !kv.holds(txn) {
		return false, nil
	}
	for _, put := range txn.Put {
		if put.Lease != 0 && kv.leases[put.Lease] == nil {
			return false, claim.ErrLeaseGone
		}
	}
	kv.apply(txn)
	return true, nil
}

func (kv *KV) holds(txn claim.Txn) bool {
	for key, v := range kv.keys {
		changed := txn.UnchangedSince != 0 && v.ModRevision > txn.UnchangedSince
		if changed && strings.HasPrefix(key, txn.Prefix) {
			return false
		}
	}
	for key, revision := range txn.Created {
		if kv.keys[key].CreateRevision != revision {
			return false
		}
	}
	return true
}

func (kv *KV) apply(txn claim.Txn) {
	before := len(kv.keys)
	for _, key := range txn.Delete {
		delete(kv.keys, key)
	}
	if len(kv.keys) != before || len(txn.Put) > 0 {
		kv.revision++
	}
	for _, put := range txn.Put {
		put.CreateRevision, put.ModRevision = kv.revision, kv.revision
		if old, ok := kv.keys[put.Key]; ok {
			put.CreateRevision = old.CreateRevision
		}
		kv.keys[put.Key] = put
	}
}

// Grant implements claim.Leases.
func (kv *KV) Grant(ctx context.Context, ttl time.Duration) (claim.LeaseID, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	kv.begin()
	defer kv.mu.Unlock()
	if kv.noSpace() {
		return 0, claim.ErrRefused
	}
	kv.granted++
	kv.leases[kv.granted] = &lease{ttl: ttl, ends: time.Now().Add(ttl)}
	return kv.granted, nil
}

// KeepAlive implements claim.Leases.
func (kv *KV) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	kv.begin()
	defer kv.mu.Unlock()
	l := kv.leases[id]
	if l == nil {
		return 0, claim.ErrLeaseGone
	}
	l.ends = time.Now().Add(l.ttl)
	return l.ttl, nil
}

// Revoke implements claim.Leases.
func (kv *KV) Revoke(ctx context.Context, id claim.LeaseID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	kv.begin()
	defer kv.mu.Unlock()
	if kv.leases[id] != nil {
		kv.end(id)
	}
	return nil
}

// Link is one process's way to a KV. A fault hits its requests alone.
type Link struct {
	kv *KV

	mu     sync.Mutex
	cut    bool
	faults []Effect
	late   []claim.Txn
}

// Link returns a new way to kv.
func (kv *KV) Link() *Link { return &Link{kv: kv} }

// ErrLink is what a request meets whose answer is lost.
var ErrLink = errors.New("connection lost")

// Cut makes every request fail before it gets anywhere, or ends that.
func (l *Link) Cut(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
}

// Fail makes the next Commits meet these effects, one each. A refused one
// meets claim.ErrRefused; of a delayed one Land decides when it happens.
func (l *Link) Fail(effects ...Effect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, effects...)
}

// Land lets the delayed Commits happen, in the order in which they were sent,
// and returns how many of them found their conditions to hold.
func (l *Link) Land() (happened int) {
	l.mu.Lock()
	late := l.late
	l.late = nil
	l.mu.Unlock()
	for _, txn := range late {
		if ok, err := l.kv.Commit(context.Background(), txn); ok && err == nil {
			happened++
		}
	}
	return happened
}

func (l *Link) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return ErrLink
	}
	return nil
}

// Read implements claim.Store.
func (l *Link) Read(ctx context.Context, prefix string) (claim.Listing, error) {
	if err := l.broken(); err != nil {
		return claim.Listing{}, err
	}
	return l.kv.Read(ctx, prefix)
}

// Commit implements claim.Store.
func (l *Link) Commit(ctx context.Context, txn claim.Txn) (bool, error) {
	if err := l.broken(); err != nil {
		return false, err
	}
	switch l.nextFault(txn) {
	case Refuse:
		return false, claim.ErrRefused
	case Delay:
		return false, ErrLink
	case LoseReply:
		_, _ = l.kv.Commit(ctx, txn) // whatever came of it, nobody learns it
		return false, ErrLink
	default:
		return l.kv.Commit(ctx, txn)
	}
}

// nextFault takes the next effect; one that is delayed is kept.
func (l *Link) nextFault(txn claim.Txn) Effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.faults) == 0 {
		return 0
	}
	effect := l.faults[0]
	l.faults = l.faults[1:]
	if effect == Delay {
		l.late = append(l.late, txn)
	}
	return effect
}

// Grant implements claim.Leases.
func (l *Link) Grant(ctx context.Context, ttl time.Duration) (claim.LeaseID, error) {
	if err := l.broken(); err != nil {
		return 0, err
	}
	return l.kv.Grant(ctx, ttl)
}

// KeepAlive implements claim.Leases.
func (l *Link) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	if err := l.broken(); err != nil {
		return 0, err
	}
	return l.kv.KeepAlive(ctx, id)
}

// Revoke implements claim.Leases.
func (l *Link) Revoke(ctx context.Context, id claim.LeaseID) error {
	if err := l.broken(); err != nil {
		return err
	}
	return l.kv.Revoke(ctx, id)
}

// String lists the keys, for the messages of failing tests.
func (kv *KV) String() string {
	kv.begin()
	defer kv.mu.Unlock()
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(kv.keys)) {
		v := kv.keys[key]
		fmt.Fprintf(&b, "%s created %d modified %d\n", key, v.CreateRevision, v.ModRevision)
	}
	return b.String()
}
