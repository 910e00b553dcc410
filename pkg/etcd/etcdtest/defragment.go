package etcdtest

import (
	"context"
	"errors"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// defragmentation is one request for it, on its member.
type defragmentation struct {
	by   cluster.MemberID
	done chan error // takes one value, whether somebody waits for it or not
}

// betweenQueued is the moment in which a member answers between the end of
// one defragmentation and the beginning of the next in its queue.
const betweenQueued = time.Millisecond

var (
	errLearner = errors.New("rpc not supported for learner")
	errDied    = errors.New("connection reset")
)

func (c *Cluster) doDefragment(ctx context.Context, by cluster.MemberID, step cluster.Step) (sent bool, err error) {
	d := &defragmentation{by: by, done: make(chan error, 1)}
	if err := c.landDefragmentation(d, step.Member); err != nil {
		return false, err
	}
	select {
	case err := <-d.done:
		return true, err
	case <-ctx.Done():
		return true, context.Cause(ctx)
	}
}

// landDefragmentation brings the request to the member. From here on nobody
// can take it back.
func (c *Cluster) landDefragmentation(d *defragmentation, id cluster.MemberID) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := c.reach(d.by, id)
	if err != nil {
		return err
	}
	if m.config.Learner {
		return errLearner
	}
	if m.suspended {
		m.held = append(m.held, d)
		return nil
	}
	c.queueDefragmentation(m, d)
	return nil
}

func (c *Cluster) queueDefragmentation(m *member, d *defragmentation) {
	m.queue = append(m.queue, d)
	if len(m.queue) == 1 {
		c.beginDefragmentation(m, d)
	}
}

func (c *Cluster) beginDefragmentation(m *member, d *defragmentation) {
	m.defragmenting = true
	c.record(Entry{
		Kind: DefragmentBegin, By: d.by, Member: m.config.ID, Leads: c.leader == m.config.ID,
		SizeBytes: m.sizeBytes, InUseBytes: m.inUseBytes(),
	})
	takes := duration(m.inUseBytes(), c.config.DefragmentBytesPerSecond)
	takes = time.Duration(float64(takes) * m.slowdown)
	c.afterOf(m, takes, func() { c.endDefragmentation(m, d) })
	c.notify()
}

func (c *Cluster) endDefragmentation(m *member, d *defragmentation) {
	m.sizeBytes = m.inUseBytes()
	m.shownBytes = m.sizeBytes
	m.completed++
	m.defragmenting = false
	c.record(Entry{
		Kind: DefragmentEnd, By: d.by, Member: m.config.ID, Leads: c.leader == m.config.ID,
		SizeBytes: m.sizeBytes, InUseBytes: m.inUseBytes(),
	})
	for _, end := range m.postponed {
		end()
	}
	m.postponed = nil
	c.catchUp(m)
	d.done <- nil
	m.queue = m.queue[1:]
	if len(m.queue) > 0 {
		next := m.queue[0]
		c.afterOf(m, betweenQueued, func() { c.beginDefragmentation(m, next) })
	}
}

// Evidence is what the member's /metrics say. They answer while a
// defragmentation runs, not while the member is suspended.
func (o *Operator) Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence {
	c := o.cluster
	ctx, cancel := context.WithTimeout(ctx, c.config.RequestTimeout)
	defer cancel()
	var e cluster.Evidence
	_ = c.await(ctx, func() (bool, error) { // who cannot be asked leaves no evidence
		m, err := c.reach(o.local, id)
		if err != nil || m.suspended {
			return err != nil, err
		}
		e = cluster.Evidence{
			Known:        true,
			Completed:    m.completed,
			InFlight:     m.defragmenting,
			ProcessStart: float64(m.started.UnixMilli()) / 1000,
		}
		return true, nil
	})
	return e
}
