package etcdtest

import (
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// member is one server and its file.
type member struct {
	config MemberConfig

	up        bool
	process   int // counts the starts, so that a timer of a dead process is known
	started   time.Time
	suspended bool // answers no client, until it is resumed; what arrived meanwhile is served then
	lagging   bool // applies nothing, until it has caught up

	sizeBytes  int64
	liveBytes  int64
	old        []old // superseded values, by the revision that superseded them
	shownBytes int64 // what Status calls in use
	revision   int64
	applied    int // entries of the log

	scheduled  int64 // the revision to compact at
	compacted  int64 // the revision that the deletion has ended for
	compacting bool
	postponed  []func() // ends of compactions, until the defragmentation has ended

	defragmenting bool
	queue         []*defragmentation // the first one runs, or is about to
	held          []*defragmentation // arrived while suspended
	completed     int64              // since the process started
	slowdown      float64            // of a defragmentation; 1: as configured
}

// old is what a compaction at the revision or above deletes.
type old struct{ revision, bytes int64 }

func newMember(config MemberConfig) *member {
	return &member{
		config:     config,
		up:         true,
		started:    time.Now(),
		slowdown:   1,
		sizeBytes:  config.LiveBytes + config.OldBytes + config.FreeBytes,
		liveBytes:  config.LiveBytes,
		shownBytes: config.LiveBytes + config.OldBytes,
		old:        []old{{firstRevision, config.OldBytes}},
		revision:   firstRevision,
	}
}

func (m *member) answers() bool { return m.up && !m.suspended && !m.defragmenting }

func (m *member) inUseBytes() int64 { return m.liveBytes + m.oldBytes(m.revision) }

// served brings what Status shows up to date, as serving a compaction does.
// 3.4 waits for a write even then.
func (m *member) served() {
	if !strings.HasPrefix(m.config.Version, "3.4.") {
		m.shownBytes = m.inUseBytes()
	}
}

// oldBytes is what a compaction at that revision would delete.
func (m *member) oldBytes(at int64) int64 {
	var n int64
	for _, o := range m.old {
		if o.revision <= at {
			n += o.bytes
		}
	}
	return n
}

func (m *member) full() bool {
	return m.config.QuotaBytes >= 0 && m.sizeBytes >= m.config.QuotaBytes
}

// catchUp applies what the log holds and the member has not applied yet. A
// member that is blocked, down or lagging does it later.
func (c *Cluster) catchUp(m *member) {
	if !m.up || m.defragmenting || m.lagging {
		return
	}
	for ; m.applied < len(c.log); m.applied++ {
		c.apply(m, c.log[m.applied])
	}
}

func (c *Cluster) apply(m *member, e entry) {
	if e.compactAt > 0 {
		m.scheduled = e.compactAt
		lag := c.config.CompactionLag
		if e.servedBy == m.config.ID {
			lag = 0
		}
		c.startCompaction(m, lag)
	}
	if e.revision == 0 {
		return
	}
	if e.addBytes > 0 && m.full() && !c.listed(cluster.AlarmNoSpace) {
		c.afterOf(m, c.config.AlarmDelay, func() {
			c.raise(cluster.Alarm{Member: m.config.ID, Kind: cluster.AlarmNoSpace})
		})
	}
	m.revision = e.revision
	dead := min(e.oldBytes, m.liveBytes)
	m.liveBytes += e.addBytes - dead
	if dead > 0 {
		m.old = append(m.old, old{e.revision, dead})
	}
	m.shownBytes = m.inUseBytes()
	m.sizeBytes = max(m.sizeBytes, m.shownBytes)
}

// startCompaction begins to delete, one compaction after the other.
func (c *Cluster) startCompaction(m *member, lag time.Duration) {
	if m.compacting || m.compacted >= m.scheduled {
		return
	}
	m.compacting = true
	at := m.scheduled
	takes := lag + duration(m.oldBytes(at), c.config.CompactBytesPerSecond)
	c.afterOf(m, takes, func() { c.endCompaction(m, at) })
}

func (c *Cluster) endCompaction(m *member, at int64) {
	if m.defragmenting { // the file is locked
		m.postponed = append(m.postponed, func() { c.endCompaction(m, at) })
		return
	}
	kept := m.old[:0]
	for _, o := range m.old {
		if o.revision > at {
			kept = append(kept, o)
		}
	}
	m.old = kept
	m.compacted = at
	m.compacting = false
	c.record(Entry{Kind: CompactEnd, Member: m.config.ID, Revision: at})
	c.startCompaction(m, 0)
}

func duration(bytes, perSecond int64) time.Duration {
	return time.Duration(float64(bytes) / float64(perSecond) * float64(time.Second))
}
