package etcdtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Cluster is the model. It is safe for use by several goroutines.
//
// One mutex guards everything; nobody waits while holding it. What takes time
// is a timer that continues under the mutex, and who waits for something waits
// in await.
type Cluster struct {
	config Config
	kv     *KV // has a mutex of its own, taken before this one's

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced after every change
	members  map[cluster.MemberID]*member
	leader   cluster.MemberID // as the members see it; 0: none
	term     uint64
	revision int64
	compact  int64 // the revision that has been compacted at
	log      []entry
	alarms   map[cluster.Alarm]bool
	history  History
	faults   []Fault
	strays   map[route]cluster.MemberID // who answers instead of whom
}

// entry is one applied request of the raft log. One that changes no size, an
// alarm for instance, is the zero entry.
type entry struct {
	revision  int64            // of the key-value store after a write; else 0
	addBytes  int64            // new values
	oldBytes  int64            // values that are live no more: overwritten or deleted
	compactAt int64            // compaction; else 0
	servedBy  cluster.MemberID // compaction: the member that does not wait
}

// route is the way from one watchdog to one member.
type route struct{ from, to cluster.MemberID }

// The log begins at an index and a revision that a cluster in use would show,
// so that 0 stays "unknown".
const (
	firstIndex    = 1000
	firstRevision = 500
)

// New makes a cluster. Inside a synctest bubble, if its time shall be faked.
func New(config Config) *Cluster {
	c := &Cluster{
		config:   config,
		kv:       NewKV(),
		changed:  make(chan struct{}),
		members:  map[cluster.MemberID]*member{},
		leader:   config.Leader,
		term:     2,
		revision: firstRevision,
		alarms:   map[cluster.Alarm]bool{},
		strays:   map[route]cluster.MemberID{},
	}
	for _, m := range config.Members {
		c.members[m.ID] = newMember(m)
	}
	c.kv.NoSpaceWhile(c.WritesRefused)
	return c
}

// await runs attempt under the mutex, now and after every change, until it
// reports that it is done or ctx ends.
func (c *Cluster) await(ctx context.Context, attempt func() (done bool, err error)) error {
	for {
		c.mu.Lock()
		done, err := attempt()
		changed := c.changed
		c.mu.Unlock()
		if done {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// notify wakes everybody in await. The caller holds the mutex, as for every
// function below that is not exported.
func (c *Cluster) notify() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// after runs f under the mutex when d has passed.
func (c *Cluster) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		f()
		c.notify()
	})
}

// afterOf is after, but for what a member's process does: it is forgotten
// when that process ends.
func (c *Cluster) afterOf(m *member, d time.Duration, f func()) {
	process := m.process
	c.after(d, func() {
		if m.up && m.process == process {
			f()
		}
	})
}

// sorted returns the members in order of their ids, so that nothing depends
// on the order of a map.
func (c *Cluster) sorted() []*member {
	return slices.SortedFunc(maps.Values(c.members), func(a, b *member) int {
		return cmp.Compare(a.config.ID, b.config.ID)
	})
}

func (c *Cluster) quorate() bool {
	voters, up := 0, 0
	for _, m := range c.members {
		if m.config.Learner {
			continue
		}
		voters++
		if m.up {
			up++
		}
	}
	leader := c.members[c.leader]
	return up > voters/2 && leader != nil && leader.up
}

// propose appends an entry to the log, and lets every member apply it that is
// able to. The caller has made sure of the quorum.
func (c *Cluster) propose(e entry) {
	c.log = append(c.log, e)
	for _, m := range c.sorted() {
		c.catchUp(m)
	}
	c.notify()
}

// settleLeader lets the members notice, an election timeout from now, that
// their leader or the quorum is gone, or that one can be elected again.
func (c *Cluster) settleLeader() {
	c.after(c.config.ElectionTimeout, func() {
		if c.quorate() {
			return
		}
		c.leader = 0
		var best *member
		for _, m := range c.sorted() {
			if m.up && !m.config.Learner && (best == nil || m.applied > best.applied) {
				best = m
			}
		}
		if best == nil {
			return
		}
		if c.leader = best.config.ID; !c.quorate() {
			c.leader = 0
			return
		}
		c.term++
		c.record(Entry{Kind: Elected, Member: c.leader})
	})
}

// listed reports that an alarm of that kind is listed for any member, also a
// removed one.
func (c *Cluster) listed(kind cluster.AlarmKind) bool {
	for a := range c.alarms {
		if a.Kind == kind {
			return true
		}
	}
	return false
}

func (c *Cluster) raise(a cluster.Alarm) {
	if c.alarms[a] {
		return
	}
	c.alarms[a] = true
	c.record(Entry{Kind: AlarmRaised, Member: a.Member, Alarm: a.Kind})
	c.propose(entry{})
}

// reach returns the member that a request from a watchdog arrives at, or why
// it arrives nowhere. An error means that nothing has happened.
func (c *Cluster) reach(from, to cluster.MemberID) (*member, error) {
	if as, ok := c.strays[route{from, to}]; ok {
		return nil, fmt.Errorf("member %s answered instead of member %s", as, to)
	}
	m := c.members[to]
	if m == nil {
		return nil, fmt.Errorf("no member %s", to)
	}
	if !m.up {
		return nil, errNotConnected
	}
	return m, nil
}

var errNotConnected = errors.New("connection refused")
