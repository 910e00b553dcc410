package etcdtest

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Keys is one process's way to the keys and leases of a Cluster: a Link, with
// its faults, to a KV that refuses and hangs as the cluster does. Without a
// quorum every request hangs; while the leader is blocked renewals do.
type Keys struct {
	*Link
	cluster *Cluster
	local   cluster.MemberID // 0: nobody's host
}

var (
	_ claim.Store  = (*Keys)(nil)
	_ claim.Leases = (*Keys)(nil)
)

// Keys returns a new way to the cluster's keys and leases.
func (c *Cluster) Keys() *Keys { return &Keys{Link: c.kv.Link(), cluster: c} }

// KV is the store behind every Keys. What a test reads and expires there meets
// no fault and needs no quorum.
func (c *Cluster) KV() *KV { return c.kv }

func (k *Keys) quorum(ctx context.Context) error {
	return k.cluster.await(ctx, func() (bool, error) { return k.cluster.quorate(), nil })
}

// At returns the same way, from the host of that member, which serves the reads as
// long as it answers.
func (k *Keys) At(local cluster.MemberID) *Keys {
	k.local = local
	return k
}

// Read implements claim.Store.
func (k *Keys) Read(ctx context.Context, prefix string) (claim.Listing, error) {
	if err := k.quorum(ctx); err != nil {
		return claim.Listing{}, err
	}
	listing, err := k.Link.Read(ctx, prefix)
	listing.Term, listing.Member = k.cluster.confirmed(k.local)
	return listing, err
}

// confirmed is the term in the header of a linearizable read, and the member that
// serves it: the one asked, or another one while that does not answer.
func (c *Cluster) confirmed(asked cluster.MemberID) (uint64, cluster.MemberID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.members[asked]; m != nil && m.answers() {
		return c.term, asked
	}
	return c.term, 0
}

// Commit implements claim.Store.
func (k *Keys) Commit(ctx context.Context, txn claim.Txn) (bool, error) {
	if err := k.quorum(ctx); err != nil {
		return false, err
	}
	return k.Link.Commit(ctx, txn)
}

// Grant implements claim.Leases.
func (k *Keys) Grant(ctx context.Context, ttl time.Duration) (claim.LeaseID, error) {
	if err := k.quorum(ctx); err != nil {
		return 0, err
	}
	return k.Link.Grant(ctx, ttl)
}

// KeepAlive implements claim.Leases.
func (k *Keys) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	c := k.cluster
	if err := c.await(ctx, func() (bool, error) { return c.renews(), nil }); err != nil {
		return 0, err
	}
	return k.Link.KeepAlive(ctx, id)
}

// Revoke implements claim.Leases.
func (k *Keys) Revoke(ctx context.Context, id claim.LeaseID) error {
	if err := k.quorum(ctx); err != nil {
		return err
	}
	return k.Link.Revoke(ctx, id)
}
