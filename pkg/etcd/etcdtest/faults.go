package etcdtest

import (
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Effect is what a fault does to a step.
type Effect int

// The effects.
const (
	Refuse    Effect = iota + 1 // nothing happens, the server says no
	LoseReply                   // the step happens, the answer is lost: its outcome is unknown
	Delay                       // the outcome is unknown at once, and the request lands later
)

// Fault happens to the next step that fits it, once.
type Fault struct {
	Kind   cluster.StepKind
	Member cluster.MemberID // Step.Member; 0: any
	By     cluster.MemberID // whose operator; 0: anybody's
	Effect Effect
	For    time.Duration // Delay: how long the request is on its way
}

// Inject makes a fault happen to the next step that fits it. Several are
// taken in the order in which they were injected.
func (c *Cluster) Inject(f Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = append(c.faults, f)
}

func (c *Cluster) takeFault(by cluster.MemberID, step cluster.Step) Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.faults, func(f Fault) bool {
		return f.Kind == step.Kind &&
			(f.Member == 0 || f.Member == step.Member) && (f.By == 0 || f.By == by)
	})
	if i < 0 {
		return Fault{}
	}
	f := c.faults[i]
	c.faults = slices.Delete(c.faults, i, i+1)
	return f
}

// with runs f on a member that exists, under the mutex.
func (c *Cluster) with(id cluster.MemberID, f func(m *member)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.members[id])
	c.notify()
}

// Kill ends a member's process. A running defragmentation has not happened,
// queued requests are lost, a running compaction is taken up again at start.
func (c *Cluster) Kill(id cluster.MemberID) {
	c.with(id, c.kill)
}

func (c *Cluster) kill(m *member) {
	if !m.up {
		return
	}
	c.record(Entry{Kind: Killed, Member: m.config.ID})
	if m.defragmenting {
		c.record(Entry{Kind: DefragmentAborted, By: m.queue[0].by, Member: m.config.ID})
	}
	for _, d := range append(m.queue, m.held...) {
		d.done <- errDied
	}
	m.queue, m.held, m.postponed = nil, nil, nil
	m.up, m.suspended, m.defragmenting, m.compacting = false, false, false, false
	c.settleLeader()
}

// Start starts a member that was killed. Its counters begin at 0. It answers
// at once, and has caught up with the others after the given time.
func (c *Cluster) Start(id cluster.MemberID, catchingUp time.Duration) {
	c.with(id, func(m *member) {
		if m.up {
			return
		}
		m.up, m.lagging = true, true
		m.process++
		m.started = time.Now()
		m.completed = 0
		m.shownBytes = m.inUseBytes()
		c.record(Entry{Kind: Started, Member: id})
		c.startCompaction(m, 0)
		c.settleLeader()
		if catchingUp <= 0 {
			m.lagging = false
			c.catchUp(m)
			return
		}
		c.afterOf(m, catchingUp, func() {
			m.lagging = false
			c.catchUp(m)
		})
	})
}

// Suspend makes a member answer no client any more, while it goes on taking
// part in raft. Requests that arrive meanwhile are served once it is resumed,
// defragmentations also if nobody waits for them any longer. A watchdog sends
// none while it gets no answer, a person does.
func (c *Cluster) Suspend(id cluster.MemberID) {
	c.with(id, func(m *member) { m.suspended = true })
}

// Resume ends Suspend.
func (c *Cluster) Resume(id cluster.MemberID) {
	c.with(id, func(m *member) {
		m.suspended = false
		held := m.held
		m.held = nil
		for _, d := range held {
			c.queueDefragmentation(m, d)
		}
	})
}

// Slow makes the defragmentations of a member that begin from now on take so
// many times as long, as a snapshot being taken does. 1 ends it.
func (c *Cluster) Slow(id cluster.MemberID, times float64) {
	c.with(id, func(m *member) { m.slowdown = times })
}

// Stray makes one watchdog reach another member than it asks for, as client
// URLs that all say localhost do. as 0 ends it.
func (c *Cluster) Stray(from, to, as cluster.MemberID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if as == 0 {
		delete(c.strays, route{from, to})
	} else {
		c.strays[route{from, to}] = as
	}
	c.notify()
}

// Raise lists an alarm, of whatever member.
func (c *Cluster) Raise(a cluster.Alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.raise(a)
}

// Add adds a member that has caught up.
func (c *Cluster) Add(config MemberConfig) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := newMember(config)
	m.applied, m.revision = len(c.log), c.revision
	m.scheduled, m.compacted = c.compact, c.compact
	c.members[config.ID] = m
	c.propose(entry{})
}

// Remove removes a member for good. Its alarms stay listed.
func (c *Cluster) Remove(id cluster.MemberID) {
	c.with(id, func(m *member) {
		c.kill(m)
		delete(c.members, id)
		c.propose(entry{})
	})
}

// Disarm disarms an alarm as another tool does: with no watchdog's knowledge.
func (c *Cluster) Disarm(a cluster.Alarm) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.disarm(0, a)
}
