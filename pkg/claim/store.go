package claim

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// LeaseID is etcd's id of a lease; 0 is none.
type LeaseID int64

// KeyValue is one key as a read shows it, or as a Txn shall put it.
type KeyValue struct {
	Key            string
	Value          string
	CreateRevision int64 // of a read only
	ModRevision    int64 // of a read only
	Lease          LeaseID
}

// Listing is every key below a prefix, in order, as one response at Revision
// shows them.
type Listing struct {
	Revision int64
	Keys     []KeyValue
	Term     uint64           // raft term in the response's header
	Member   cluster.MemberID // that served it
}

// Txn is one transaction as data: if every condition holds, then the deletions
// and puts happen, all at one revision; else nothing does. A Txn without Puts
// is accepted under NOSPACE.
type Txn struct {
	// UnchangedSince, if not 0, demands that no key below Prefix has a
	// ModRevision above it.
	Prefix         string
	UnchangedSince int64
	// Created demands of each key this CreateRevision; 0: the key does not exist.
	Created map[string]int64
	Delete  []string
	Put     []KeyValue // on their Lease
}

// Store is the part of etcd's KV API that the protocol needs. Two
// implementations: real etcd (NewEtcdStore) and the in-memory model in
// package etcdtest.
type Store interface {
	// Read is linearizable. The local member is asked first.
	Read(ctx context.Context, prefix string) (Listing, error)
	// Commit reports whether the conditions held. An error that wraps
	// ErrRefused, or ErrLeaseGone for a put on a lease that does not exist,
	// says that nothing happened; with any other error the transaction may have
	// happened, or may still.
	Commit(ctx context.Context, txn Txn) (bool, error)
}

// Leases is the part of etcd's lease API that the protocol needs.
type Leases interface {
	// Grant makes a lease. Under NOSPACE it is refused (ErrRefused).
	Grant(ctx context.Context, ttl time.Duration) (LeaseID, error)
	// KeepAlive renews once and returns the time to live that the server
	// granted. ErrLeaseGone if the lease does not exist any more.
	KeepAlive(ctx context.Context, id LeaseID) (time.Duration, error)
	// Revoke ends the lease and deletes its keys. Refused by nobody, not even
	// under NOSPACE; a lease that is gone already is no error.
	Revoke(ctx context.Context, id LeaseID) error
}
