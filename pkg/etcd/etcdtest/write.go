package etcdtest

import (
	"context"
	"errors"
	"fmt"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// errCorrupt is what every request but a status meets under CORRUPT.
var errCorrupt = errors.New("corrupt cluster")

// Put adds that many bytes of new keys through a member. The error wraps
// claim.ErrRefused if the cluster refuses writes.
func (c *Cluster) Put(ctx context.Context, through cluster.MemberID, bytes int64) error {
	return c.write(ctx, through, entry{addBytes: bytes})
}

// Overwrite gives keys of that many bytes new values of the same size: what
// is live stays the same, what is in use grows until a compaction.
func (c *Cluster) Overwrite(ctx context.Context, through cluster.MemberID, bytes int64) error {
	return c.write(ctx, through, entry{addBytes: bytes, oldBytes: bytes})
}

// Delete deletes keys of that many bytes. It is accepted under NOSPACE, and
// frees nothing until a compaction.
func (c *Cluster) Delete(ctx context.Context, through cluster.MemberID, bytes int64) error {
	return c.write(ctx, through, entry{oldBytes: bytes})
}

// Fill overwrites keys, that many bytes at a time, until the cluster refuses
// it.
func (c *Cluster) Fill(ctx context.Context, through cluster.MemberID, bytes int64) error {
	for {
		err := c.Overwrite(ctx, through, bytes)
		if errors.Is(err, claim.ErrRefused) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *Cluster) write(ctx context.Context, through cluster.MemberID, e entry) error {
	err := c.await(ctx, func() (bool, error) {
		m := c.members[through]
		if m == nil || !m.up {
			return true, errNotConnected
		}
		if !m.answers() || !c.quorate() {
			return false, nil
		}
		return true, c.accept(m, e)
	})
	if err != nil {
		return fmt.Errorf("write through member %s: %w", through, err)
	}
	return nil
}

// accept is what the member does that a client writes through.
func (c *Cluster) accept(m *member, e entry) error {
	if c.listed(cluster.AlarmCorrupt) {
		return errCorrupt
	}
	if e.addBytes > 0 {
		if m.full() {
			c.raise(cluster.Alarm{Member: m.config.ID, Kind: cluster.AlarmNoSpace})
		}
		if c.listed(cluster.AlarmNoSpace) {
			return fmt.Errorf("%w: NOSPACE", claim.ErrRefused)
		}
	}
	c.revision++
	e.revision = c.revision
	c.propose(e)
	return nil
}

// WritesRefused reports that an alarm is listed that makes the cluster refuse
// every write that adds data.
func (c *Cluster) WritesRefused() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.listed(cluster.AlarmNoSpace) || c.listed(cluster.AlarmCorrupt)
}

// LeasesRenewable reports that a lease can be renewed now: there is a leader,
// and nothing blocks it.
func (c *Cluster) LeasesRenewable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.renews()
}

func (c *Cluster) renews() bool {
	return c.quorate() && !c.members[c.leader].defragmenting
}
