// Package pause keeps the pause of a whole cluster: one key in etcd, on a lease
// that ends with it.
//
// What holds:
//
//  1. A pause ends by itself: at the time in its value, or with its lease,
//     whichever is first for the host that reads it. etcd may prolong a lease
//     when its leader changes, and clocks may differ, so both count.
//  2. A later pause replaces an earlier one in one transaction.
//  3. Nothing here is needed while etcd refuses writes: a pause cannot be made
//     then, and can be ended, since that is a deletion.
//  4. Readers trust nothing: a key without a lease, of a later version, or with
//     a value that cannot be understood is no pause, and is named as a problem.
package pause

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Cluster is a pause of every watchdog of a cluster.
type Cluster struct {
	Since, Until time.Time
	Reason       string
	By           string // the host on which it was asked for
}

// Words is the pause as a watchdog of one host obeys and reports it.
func (c Cluster) Words() cluster.Pause {
	if c.Until.IsZero() {
		return cluster.Pause{}
	}
	reason := "the whole cluster, asked for"
	if c.By != "" {
		reason += " on " + c.By
	}
	if c.Reason != "" {
		reason += ": " + c.Reason
	}
	return cluster.Pause{Since: c.Since, Until: c.Until, Reason: reason}
}

// Longer returns the one of two pauses that ends last: that of this host or that
// of its cluster.
func Longer(a, b cluster.Pause) cluster.Pause {
	if b.Until.After(a.Until) {
		return b
	}
	return a
}

// version is that of the value.
const version = 1

type value struct {
	V      int       `json:"v"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitzero"`
	By     string    `json:"by,omitzero"`
}

// maxValue bounds what is read of a value, in bytes. What Set writes is shorter.
const maxValue = 4 << 10

// Key is the key below the prefix of the claim.
func Key(prefix string) string { return prefix + "/pause" }

// Find returns the pause among the keys of a listing, also one that has ended;
// the zero Cluster if there is none. An error says why the key is no pause; then
// there is none.
func Find(listing claim.Listing, prefix string) (Cluster, error) {
	i := slices.IndexFunc(listing.Keys, func(kv claim.KeyValue) bool { return kv.Key == Key(prefix) })
	if i < 0 {
		return Cluster{}, nil
	}
	kv := listing.Keys[i]
	c, err := parse(kv)
	if err != nil {
		return Cluster{}, fmt.Errorf("the key %s is no pause, and is ignored: %w; `etcd-watchdog resume --cluster` deletes it", kv.Key, err)
	}
	return c, nil
}

func parse(kv claim.KeyValue) (Cluster, error) {
	var v value
	switch {
	case kv.Lease == 0:
		return Cluster{}, errors.New("it has no lease, so it would never end")
	case len(kv.Value) > maxValue:
		return Cluster{}, fmt.Errorf("its value has more than %d bytes", maxValue)
	}
	if err := json.Unmarshal([]byte(kv.Value), &v); err != nil {
		return Cluster{}, errors.New("its value is no JSON of a pause")
	}
	switch {
	case v.V != version:
		return Cluster{}, fmt.Errorf("its value has version %d, this etcd-watchdog reads version %d", v.V, version)
	case v.Until.IsZero():
		return Cluster{}, errors.New("its value has no time at which it ends")
	}
	return Cluster{Since: v.Since, Until: v.Until, Reason: v.Reason, By: v.By}, nil
}

// Book is where the pause of a cluster is kept.
type Book struct {
	Prefix string // of the claim
	Store  claim.Store
	Leases claim.Leases
}

// read returns the key as it is, and its pause.
func (b Book) read(ctx context.Context) (claim.KeyValue, error) {
	listing, err := b.Store.Read(ctx, Key(b.Prefix))
	if err != nil {
		return claim.KeyValue{}, fmt.Errorf("read the pause of the cluster: %w", err)
	}
	i := slices.IndexFunc(listing.Keys, func(kv claim.KeyValue) bool { return kv.Key == Key(b.Prefix) })
	if i < 0 {
		return claim.KeyValue{}, nil
	}
	return listing.Keys[i], nil
}

// Set makes every watchdog of the cluster pause. It replaces an earlier pause.
// claim.ErrRefused: etcd refuses writes, and nothing happened.
func (b Book) Set(ctx context.Context, c Cluster) error {
	earlier, err := b.read(ctx)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value{version, c.Since.UTC(), c.Until.UTC(), c.Reason, c.By})
	if err != nil {
		return fmt.Errorf("pause the cluster: %w", err)
	}
	lease, err := b.Leases.Grant(ctx, c.Until.Sub(c.Since))
	if err != nil {
		return fmt.Errorf("pause the cluster: %w", err)
	}
	held, err := b.Store.Commit(ctx, claim.Txn{
		Created: map[string]int64{Key(b.Prefix): earlier.CreateRevision},
		Put:     []claim.KeyValue{{Key: Key(b.Prefix), Value: string(text), Lease: lease}},
	})
	if err == nil && !held {
		err = errors.New("somebody else has changed the pause at the same moment: look at `etcd-watchdog status`, and try again")
	}
	if err != nil {
		// With its lease goes a key that may have arrived all the same.
		return errors.Join(fmt.Errorf("pause the cluster: %w", err), b.revoke(ctx, lease))
	}
	return b.revoke(ctx, earlier.Lease)
}

// End ends the pause, if there is one, also while etcd refuses writes. It reports
// whether there was one.
func (b Book) End(ctx context.Context) (was bool, err error) {
	kv, err := b.read(ctx)
	if err != nil || kv.Key == "" {
		return false, err
	}
	_, err = b.Store.Commit(ctx, claim.Txn{Created: map[string]int64{kv.Key: kv.CreateRevision}, Delete: []string{kv.Key}})
	if err != nil {
		return false, fmt.Errorf("end the pause of the cluster: %w", err)
	}
	return true, b.revoke(ctx, kv.Lease)
}

// revoke ends the lease of a pause that is over. Nothing else is on it.
func (b Book) revoke(ctx context.Context, lease claim.LeaseID) error {
	if lease == 0 {
		return nil
	}
	if err := b.Leases.Revoke(ctx, lease); err != nil {
		return fmt.Errorf("end the lease of an earlier pause, which ends by itself: %w", err)
	}
	return nil
}
