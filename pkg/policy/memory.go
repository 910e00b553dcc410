package policy

import (
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
)

// Memory is what earlier observations and earlier work have shown: facts, and
// no conclusions. It is a value: WithLook and WithOutcome return a new one and
// leave the old one as it was. The zero Memory is a fresh start, which is always
// safe.
type Memory struct {
	ClusterID uint64
	Revision  int64          // the highest that was seen; one that goes back is a restored cluster
	Members   []MemberMemory // sorted by id
	Doubts    []Doubt        // defragmentations that may still be running; sorted by member
	Standing  []Condition    // what stood at the last decision

	HeldSince  time.Time // since when another watchdog holds the claim; zero: none does
	ProgressAt time.Time // when a file was last seen to shrink

	ArmedSince   time.Time // since when NOSPACE is listed; zero: it is not
	ArmedTopSize int64     // the largest voter's file since then
	DisarmedAt   time.Time // when this watchdog last disarmed
	Disarms      int       // how often in a row that did not last for disarmHolds

	Quiet     Quiet // of the leader's term
	Takeovers int   // of the leadership, since this watchdog last completed a defragmentation

	DueSince time.Time // since when a compaction alone is due; zero: none is
}

// MemberMemory is what is remembered of one member.
type MemberMemory struct {
	ID         cluster.MemberID
	AwaySince  time.Time     // when its absence began, which ends once it has been ready for adopt-after without a break; zero: it is not absent
	ReadySince time.Time     // since when it has answered in time and has been caught up, without a break; zero: it is not now
	Usual      time.Duration // how long its answers usually take
	LargeSince time.Time     // since when its file has been too large to be left alone, and has not shrunk; zero: it is not
	SizeBytes  int64         // at the last observation
	InUseBytes int64
	InUseSince time.Time // since when InUseBytes has not changed
	ShrankAt   time.Time // when the file was last seen smaller than before

	CompactingSince   time.Time // since when a compaction of ours through it has been in flight; zero: none is
	CompactedRevision int64     // what a physical compaction through this member has reached
	CompactedAt       time.Time
	CompactedInUse    int64     // pages in use right after it, in bytes
	CompactionWon     int64     // by how much they fell, in bytes
	KeptRevisions     int64     // the history that it kept
	FirstCompactedAt  time.Time // when one was first made through it

	FailedAt       time.Time // when a piece of work on it last came to nothing; zero: the last one succeeded
	Failures       int       // in a row
	WorkedAt       time.Time // the end of the last defragmentation of this member that we did
	WonBytes       int64     // what it freed
	BytesPerSecond float64   // how fast it was, by the size it left behind
	Growth         forecast.History
	Cooldown       time.Duration
}

// CooldownUntil is when voluntary work on the member is welcome again; zero if we
// have never defragmented it.
func (mm MemberMemory) CooldownUntil() time.Time {
	if mm.WorkedAt.IsZero() {
		return time.Time{}
	}
	return mm.WorkedAt.Add(mm.Cooldown)
}

func (m Memory) clone() Memory {
	m.Members = slices.Clone(m.Members)
	m.Doubts = slices.Clone(m.Doubts)
	m.Standing = slices.Clone(m.Standing)
	return m
}

// Of returns what is remembered of one member; the zero value if nothing is.
func (m Memory) Of(id cluster.MemberID) MemberMemory {
	if mm := m.member(id); mm != nil {
		return *mm
	}
	return MemberMemory{ID: id}
}

func (m Memory) member(id cluster.MemberID) *MemberMemory {
	i := slices.IndexFunc(m.Members, func(mm MemberMemory) bool { return mm.ID == id })
	if i < 0 {
		return nil
	}
	return &m.Members[i]
}

// stood reports that a condition stood at the last decision.
func (m Memory) stood(reason Reason, id cluster.MemberID) bool {
	return slices.ContainsFunc(m.Standing, func(c Condition) bool { return c.Reason == reason && c.Member == id })
}

// Rewound reports that an observation shows another cluster than the memory is
// of, or the same one restored from a snapshot: whatever is remembered of
// compactions, growth and work is of no use then.
func (m Memory) Rewound(v cluster.View) bool {
	another := v.ClusterID != 0 && m.ClusterID != 0 && v.ClusterID != m.ClusterID
	// The leader has applied everything that was ever shown as applied.
	leader, _ := v.Member(v.Leader())
	return another || leader.Contact == cluster.Answered && leader.Revision > 0 && v.Revision() < m.Revision
}

// WithLook returns the memory with one observation folded in. Members that are
// not in the member list any more are forgotten, and so are doubts about them.
func (m Memory) WithLook(l Limits, v cluster.View) Memory {
	next, foreign := m.fold(l, v, 0)
	if v.Problem == "" {
		next.Quiet = m.Quiet.Next(next.sight(l, v, foreign))
	}
	return next
}

// fold is WithLook but for the term, which an observation in the middle of work
// does not read. Foreign says that another tool is at work: a file has become
// smaller, of another member than this watchdog has worked on.
func (m Memory) fold(l Limits, v cluster.View, worked cluster.MemberID) (next Memory, foreign bool) {
	if v.Problem != "" {
		return m.clone(), false
	}
	if m.Rewound(v) {
		m = Memory{}
	}
	next = m.clone()
	next.ClusterID, next.Revision = max(next.ClusterID, v.ClusterID), max(next.Revision, v.Revision())
	next.noteAlarm(v)
	next.Members = make([]MemberMemory, 0, len(v.Members))
	for _, member := range v.Members {
		before := m.Of(member.ID)
		next.Members = append(next.Members, before.withLook(l, v, member))
		if member.Contact == cluster.Answered && member.SizeBytes < before.SizeBytes {
			next.ProgressAt = v.At
			foreign = foreign || member.ID != worked
		}
	}
	next.noteHolder(v)
	next.Doubts = slices.DeleteFunc(next.Doubts, func(d Doubt) bool {
		_, listed := v.Member(d.Member)
		return !listed
	})
	next.noteDue(l, v)
	return next, foreign
}

// WithDecision returns the memory with what stands at a decision.
func (m Memory) WithDecision(d Decision) Memory {
	m.Standing = d.Standing
	return m
}

// noteAlarm keeps the story of NOSPACE. Only a disarm of ours can turn out to
// have been too early: whatever others disarm is their business.
func (m *Memory) noteAlarm(v cluster.View) {
	answered := slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Contact == cluster.Answered })
	if !answered {
		return
	}
	armed, disarmed := v.Alarmed(cluster.AlarmNoSpace), m.DisarmedAt.After(m.ArmedSince)
	switch {
	case !armed:
		m.ArmedSince = time.Time{}
		return
	case m.ArmedSince.IsZero():
		m.ArmedSince, m.ArmedTopSize = v.At, 0
		if v.At.Sub(m.DisarmedAt) > disarmHolds {
			m.Disarms = 0
		}
	case disarmed && v.At.Sub(m.DisarmedAt) >= disarmShows:
		m.ArmedSince = v.At // it came back before an observation showed it gone
	}
	for _, voter := range v.Voters() {
		m.ArmedTopSize = max(m.ArmedTopSize, voter.SizeBytes)
	}
}

// noteHolder keeps since when another watchdog works under the claim. The claim
// does not say on which member: it is the one that stopped answering meanwhile. If
// its file is as it was when the claim is free again, that work came to nothing, and
// counts like our own: else each adopter would begin to count anew.
func (m *Memory) noteHolder(v cluster.View) {
	held := v.Claims.Holder != "" && v.Claims.HolderMember != v.Local
	switch {
	case !v.Claims.Known || held && !m.HeldSince.IsZero():
		return
	case held:
		m.HeldSince = v.At
		return
	}
	for i := range m.Members {
		mm := &m.Members[i]
		gone := mm.ReadySince.IsZero() && !mm.AwaySince.Before(m.HeldSince) || mm.ReadySince.After(m.HeldSince)
		if !m.HeldSince.IsZero() && gone && mm.ShrankAt.Before(m.HeldSince) {
			mm.FailedAt, mm.Failures = v.At, mm.Failures+1
		}
	}
	m.HeldSince = time.Time{}
}

// noteDue keeps since when a compaction alone has been due.
func (m *Memory) noteDue(l Limits, v cluster.View) {
	w := world{limits: l, now: v.At, view: v, memory: *m}
	_, _, due := w.historyGivesWay()
	switch {
	case !due:
		m.DueSince = time.Time{}
	case m.DueSince.IsZero():
		m.DueSince = v.At
	}
}

func (mm MemberMemory) withLook(l Limits, v cluster.View, member cluster.Member) MemberMemory {
	if mm.WorkedAt.After(v.At) {
		mm.WorkedAt = v.At // the clock was set back since; a cooldown must not last longer for it
	}
	mm = mm.withPresence(l, v, member)
	if member.Contact != cluster.Answered {
		return mm
	}
	if member.InUseBytes != mm.InUseBytes {
		mm.InUseSince = v.At
	}
	mm.Growth = mm.Growth.Add(forecast.Sample{At: v.At, SizeBytes: member.SizeBytes, InUseBytes: member.InUseBytes})
	if member.SizeBytes < mm.SizeBytes {
		mm.ShrankAt = v.At
		mm.FailedAt, mm.Failures = time.Time{}, 0
	}
	mm.SizeBytes, mm.InUseBytes = member.SizeBytes, member.InUseBytes
	large := atLeast(member.SizeBytes, member.Quota, min(l.DisarmBelow, l.DefragmentAt)) || v.Alarmed(cluster.AlarmNoSpace)
	switch {
	case !large:
		mm.LargeSince = time.Time{}
	case mm.LargeSince.IsZero() || mm.ShrankAt.Equal(v.At):
		mm.LargeSince = v.At
	}
	return mm
}

// withPresence folds in whether the member is there. A member that comes back
// for a moment is not back. One that is blocked has not gone, unless work on it
// has come to nothing: then it is the next try that blocks it.
func (mm MemberMemory) withPresence(l Limits, v cluster.View, member cluster.Member) MemberMemory {
	if member.Contact == cluster.Answered {
		mm.Usual += (member.Took - mm.Usual) / usualOver
	}
	switch {
	case !answersInTime(member) || !CaughtUp(v, member.ID):
		mm.ReadySince = time.Time{}
	case mm.ReadySince.IsZero() || mm.ReadySince.After(v.At): // the clock was set back
		mm.ReadySince = v.At
	}
	switch {
	case member.Blocked:
		if mm.Failures == 0 {
			mm.AwaySince = time.Time{}
		}
	case !answersInTime(member) && mm.AwaySince.IsZero():
		mm.AwaySince = v.At
	case !mm.ReadySince.IsZero() && v.At.Sub(mm.ReadySince) >= l.AdoptAfter:
		mm.AwaySince = time.Time{}
	}
	return mm
}
