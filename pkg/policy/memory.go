package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
)

// Memory is what earlier looks and earlier work have taught. It is a value:
// WithLook and WithOutcome return a new one and leave the old one as it was.
// The zero Memory is a fresh start, which is always safe.
type Memory struct {
	Members []MemberMemory // sorted by id
	Doubts  []Doubt        // defragmentations that may still be running; sorted by member

	HeldSince time.Time // since when somebody holds the claim; zero: nobody does

	// NOSPACE as all looks saw it, whoever armed or disarmed it.
	ArmedSince   time.Time // zero: not listed
	DisarmedAt   time.Time // when it was last seen to go
	Disarms      int       // how often it went without staying away for disarmHolds
	ArmedTopSize int64     // the largest voter's file since it was listed

	Look          Look      // what the fixed order saw unchanged, and since when
	LookedAt      time.Time // when the last look was
	HinderedSince time.Time // since when no watchdog could have worked on any member; zero: at the last look one could

	ProgressAt   time.Time // when work on some member was last seen to get somewhere
	ProgressFrom time.Time // the earliest that it can have been: another watchdog may have seen it then

	DueSince time.Time // since when a compaction alone is due; zero: none is
}

// MemberMemory is what is remembered of one member.
type MemberMemory struct {
	ID             cluster.MemberID
	SilentSince    time.Time // zero: it answered the last time it was asked
	BackAt         time.Time // when it last answered again after it had been silent
	UnwatchedSince time.Time // zero: somebody has a book for it, or nobody looked
	WorkSince      time.Time // zero: it needs no work; else since when, counted anew at each progress and whenever it could not be done
	WorkFrom       time.Time // the same by the clock of a watchdog that saw all of that as early as can be, and no short hindrance
	SizeBytes      int64     // at the last look
	InUseBytes     int64
	InUseSince     time.Time // since when InUseBytes has not fallen
	ShrankAt       time.Time // when the file was last seen smaller than before

	CompactedRevision int64 // what a physical compaction through this member has reached
	CompactedAt       time.Time
	CompactedInUse    int64     // pages in use right after it, in bytes
	CompactionWon     int64     // by how much they fell, in bytes
	KeptRevisions     int64     // the history that it kept
	FirstCompactedAt  time.Time // when one was first made through it
	TooLarge          bool      // its live data were too large when no NOSPACE was listed, and nothing has refuted that since

	LacksRoom bool // at the last look its disk, which is that of this host, had no room for the work that it needs

	FailedAt       time.Time // when etcd last failed a step of ours on it; zero: the last one succeeded
	Failures       int       // in a row
	WorkedAt       time.Time // the end of the last defragmentation of this member that we did
	WonBytes       int64     // what it won
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

// Look is a state of the world that the fixed order has to see twice.
type Look struct {
	Seen  string // a fingerprint
	Since time.Time
}

// Outcome is what came of a piece of work.
type Outcome struct {
	At          time.Time
	Decision    Decision
	Done        []cluster.Step // those that completed, in order
	View        cluster.View   // the look after the last step
	Took        time.Duration  // of the defragmentation
	Before      int64          // the file before the defragmentation, in bytes
	InUseBefore int64          // pages in use before the compaction, in bytes
	Doubt       *Doubt         // the defragmentation's outcome is unknown
	Err         error          // what ended the work early; nil: every step was done
	StepFailed  bool           // it was a step that failed, and not what comes before one
}

const (
	// disarmHolds is how long NOSPACE has to stay away for a disarm to have been
	// right. The alarm of a cluster that is still full is back within a second.
	disarmHolds = 10 * time.Minute
	// disarmShows is how long a disarm may take until every member's status shows
	// it. An alarm that is listed after that is a new one.
	disarmShows = time.Second
	maxCooldown = 7 * 24 * time.Hour
)

func (m Memory) clone() Memory {
	m.Members = slices.Clone(m.Members)
	m.Doubts = slices.Clone(m.Doubts)
	return m
}

// Of returns what is remembered of one member; the zero value if nothing is.
func (m Memory) Of(id cluster.MemberID) MemberMemory {
	if i := slices.IndexFunc(m.Members, func(mm MemberMemory) bool { return mm.ID == id }); i >= 0 {
		return m.Members[i]
	}
	return MemberMemory{ID: id}
}

// WithLook returns the memory with one look folded in. Members that are not in
// the member list any more are forgotten, and so are doubts about them.
func (m Memory) WithLook(l Limits, v cluster.View) Memory {
	next := m.clone()
	if v.Problem != "" {
		return next
	}
	next.noteAlarm(v)
	next.noteHolder(v)
	next.Members = make([]MemberMemory, 0, len(v.Members))
	for _, member := range v.Members {
		next.Members = append(next.Members, m.Of(member.ID).withLook(l, v, member, next))
	}
	next.noteHindrance(l, v)
	if next.progressed(m) {
		next.ProgressAt, next.ProgressFrom = v.At, m.lookBefore(v.At)
	}
	next.LookedAt = v.At
	next.Doubts = slices.DeleteFunc(next.Doubts, func(d Doubt) bool {
		_, listed := v.Member(d.Member)
		return !listed
	})
	next.Look = m.Look.next(v, next)
	next.noteDue(l, v)
	return next
}

// progressed reports that a file became smaller, or that a member needs no work any
// more, which before this look it did.
func (m Memory) progressed(before Memory) bool {
	return slices.ContainsFunc(m.Members, func(now MemberMemory) bool {
		then := before.Of(now.ID)
		return now.ShrankAt.After(then.ShrankAt) || now.WorkSince.IsZero() && !then.WorkSince.IsZero()
	})
}

// lookBefore is the look before the one at that time: what this one sees for the
// first time can have been seen by others from then on.
func (m Memory) lookBefore(now time.Time) time.Time {
	if m.LookedAt.IsZero() || m.LookedAt.After(now) {
		return now
	}
	return m.LookedAt
}

// noteHindrance lets the time in which members need work begin only when the
// hindrance is over. Who could not be worked on has not been neglected: else every
// watchdog without a claim would pass over all the others then, and all at once. A
// short one, as while the leadership moves, is not seen by all of them: by the
// clock that bounds a watchdog's own turn it does not count.
func (m *Memory) noteHindrance(l Limits, v cluster.View) {
	now, since := hindered(l, v, *m), m.HinderedSince
	switch {
	case now && since.IsZero():
		since = v.At
		m.HinderedSince = since
	case !now:
		m.HinderedSince = time.Time{}
	}
	if since.IsZero() {
		return
	}
	for i := range m.Members {
		mm := &m.Members[i]
		if mm.WorkSince.IsZero() {
			continue
		}
		mm.WorkSince = v.At
		if l.lasting(since, v.At) {
			mm.WorkFrom = m.lookBefore(v.At)
		}
	}
}

// lasting reports that something has gone on for so long that every watchdog has
// seen it.
func (l Limits) lasting(since, now time.Time) bool {
	return now.Sub(since) >= l.AdoptAfter/passedOverBefore
}

// noteAlarm keeps the story of NOSPACE. It goes by what is seen, not by what
// we did, so that every watchdog knows of a disarm that another one sent.
func (m *Memory) noteAlarm(v cluster.View) {
	answered := slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.Contact == cluster.Answered })
	if !answered {
		return
	}
	armed := v.Alarmed(cluster.AlarmNoSpace)
	disarmed := m.DisarmedAt.After(m.ArmedSince) // by us; it is counted already
	switch {
	case armed && m.ArmedSince.IsZero():
		m.ArmedSince, m.ArmedTopSize = v.At, 0
		if v.At.Sub(m.DisarmedAt) > disarmHolds {
			m.Disarms = 0
		}
	case armed && disarmed && v.At.Sub(m.DisarmedAt) >= disarmShows:
		m.ArmedSince = v.At // it came back before any look saw it gone
	case !armed && !m.ArmedSince.IsZero() && disarmed:
		m.ArmedSince = time.Time{}
	case !armed && !m.ArmedSince.IsZero():
		m.ArmedSince, m.DisarmedAt = time.Time{}, v.At
		m.Disarms++
	}
	if !armed {
		return
	}
	for _, voter := range v.Voters() {
		m.ArmedTopSize = max(m.ArmedTopSize, voter.SizeBytes)
	}
}

// noteHolder keeps since when work is being done under the claim.
func (m *Memory) noteHolder(v cluster.View) {
	switch {
	case v.Claims.Holder == "":
		m.HeldSince = time.Time{}
	case m.HeldSince.IsZero():
		m.HeldSince = v.At
	}
}

// noteDue keeps since when a compaction alone has been due, and of which members
// the live data are too large, and which lacks room on its disk. Both are found
// while nothing is refused, and outlive the beginning of NOSPACE as long as nothing
// refutes them.
func (m *Memory) noteDue(l Limits, v cluster.View) {
	w := world{limits: l, now: v.At, view: v, memory: *m}
	_, _, due := w.historyGivesWay()
	switch {
	case !due:
		m.DueSince = time.Time{}
	case m.DueSince.IsZero():
		m.DueSince = v.At
	}
	for i := range m.Members {
		mm := &m.Members[i]
		if member, listed := v.Member(mm.ID); listed && member.Contact == cluster.Answered {
			mm.TooLarge = w.liveTooLarge(member) && (mm.TooLarge || !v.Alarmed(cluster.AlarmNoSpace))
			mm.LacksRoom = mm.ID == v.Local && w.lacksRoom() != nil
		}
	}
}

func (mm MemberMemory) withLook(l Limits, v cluster.View, member cluster.Member, next Memory) MemberMemory {
	if mm.WorkedAt.After(v.At) {
		mm.WorkedAt = v.At // the clock was set back since; a cooldown must not last longer for it
	}
	if member.Contact == cluster.Silent {
		if mm.SilentSince.IsZero() {
			mm.SilentSince = v.At
		}
	} else if !mm.SilentSince.IsZero() {
		mm.SilentSince, mm.BackAt = time.Time{}, v.At
	}
	if v.Claims.Known {
		switch watched := slices.Contains(v.Claims.Watched, member.ID); {
		case watched:
			mm.UnwatchedSince = time.Time{}
		case mm.UnwatchedSince.IsZero():
			mm.UnwatchedSince = v.At
		}
	}
	if member.Contact != cluster.Answered {
		// A member that is being defragmented does not answer: not answering is
		// no sign that nobody works on it.
		if !mm.WorkSince.IsZero() {
			mm.WorkSince = v.At
			if !mm.SilentSince.IsZero() && l.lasting(mm.SilentSince, v.At) {
				mm.WorkFrom = next.lookBefore(v.At)
			}
		}
		return mm
	}
	if member.InUseBytes != mm.InUseBytes {
		mm.InUseSince = v.At
	}
	mm.Growth = mm.Growth.Add(forecast.Sample{At: v.At, SizeBytes: member.SizeBytes, InUseBytes: member.InUseBytes})
	shrank := member.SizeBytes < mm.SizeBytes
	if shrank {
		mm.ShrankAt = v.At
	}
	mm.SizeBytes, mm.InUseBytes = member.SizeBytes, member.InUseBytes
	switch {
	case !needsWork(l, member, quotaOf(member, v, next)):
		mm.WorkSince, mm.WorkFrom = time.Time{}, time.Time{}
	case mm.WorkSince.IsZero() || shrank || v.Claims.Holder != "":
		mm.WorkSince, mm.WorkFrom = v.At, next.lookBefore(v.At)
	}
	return mm
}

// WithOutcome returns the memory with a piece of work folded in.
func (m Memory) WithOutcome(l Limits, o Outcome) Memory {
	next := m.clone()
	if o.Decision.Has(cluster.StepDisarm) && len(o.Done) > 0 && !next.ArmedSince.IsZero() {
		next.DisarmedAt = o.At // else a look has seen the alarm go, and has counted it
		next.Disarms++
	}
	next.noteFailure(o)
	for _, step := range o.Done {
		i := slices.IndexFunc(next.Members, func(mm MemberMemory) bool { return mm.ID == step.Member })
		if i < 0 {
			continue
		}
		after, _ := o.View.Member(step.Member)
		switch step.Kind {
		case cluster.StepCompact:
			next.Members[i].compacted(step.Revision, o, after)
		case cluster.StepDefragment:
			next.Members[i].defragmented(l, o, after)
		}
	}
	if o.Doubt != nil {
		next.Doubts = append(next.Doubts, *o.Doubt)
		slices.SortFunc(next.Doubts, func(a, b Doubt) int { return cmp.Compare(a.Member, b.Member) })
	}
	return next
}

// noteFailure keeps how often in a row etcd has failed our steps on a member.
func (m *Memory) noteFailure(o Outcome) {
	for i := range m.Members {
		mm := &m.Members[i]
		switch {
		case mm.ID != o.Decision.Member || o.Decision.Has(cluster.StepDisarm):
		case o.StepFailed:
			mm.FailedAt, mm.Failures = o.At, mm.Failures+1
		case o.Err == nil:
			mm.FailedAt, mm.Failures = time.Time{}, 0
		}
	}
}

func (mm *MemberMemory) compacted(revision int64, o Outcome, after cluster.Member) {
	mm.CompactedRevision, mm.CompactedAt = max(mm.CompactedRevision, revision), o.At
	mm.KeptRevisions = max(0, o.Decision.Revision-mm.CompactedRevision)
	if mm.FirstCompactedAt.IsZero() {
		mm.FirstCompactedAt = o.At
	}
	if after.Contact == cluster.Answered {
		mm.CompactionWon = max(0, o.InUseBefore-after.InUseBytes)
		mm.CompactedInUse = after.InUseBytes
	}
}

func (mm *MemberMemory) defragmented(l Limits, o Outcome, after cluster.Member) {
	mm.WorkedAt = o.At
	if after.Contact != cluster.Answered {
		return
	}
	mm.WonBytes = max(0, o.Before-after.SizeBytes)
	if o.Took > 0 {
		mm.BytesPerSecond = float64(after.SizeBytes) / o.Took.Seconds()
	}
	little := !after.Quota.Unlimited() && float64(mm.WonBytes) < 2*float64(l.MinReclaim)*float64(after.Quota.Bytes)
	if little && mm.Cooldown > 0 {
		mm.Cooldown = min(2*mm.Cooldown, maxCooldown)
	} else {
		mm.Cooldown = l.Cooldown
	}
}

// WithoutDoubt returns the memory without the doubt about that member.
func (m Memory) WithoutDoubt(id cluster.MemberID) Memory {
	next := m.clone()
	next.Doubts = slices.DeleteFunc(next.Doubts, func(d Doubt) bool { return d.Member == id })
	return next
}

// WithDoubt returns the memory with d in place of an earlier doubt about the
// same member, if there was one.
func (m Memory) WithDoubt(d Doubt) Memory {
	next := m.WithoutDoubt(d.Member)
	next.Doubts = append(next.Doubts, d)
	slices.SortFunc(next.Doubts, func(a, b Doubt) int { return cmp.Compare(a.Member, b.Member) })
	return next
}
