package policy

import (
	"cmp"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Outcome is what came of a piece of work. Each ends as done, as failed (Err),
// or as unknown (Doubt).
type Outcome struct {
	At          time.Time
	Decision    Decision
	Done        []cluster.Step // those that completed, in order
	View        cluster.View   // the observation after the last step; its At is zero if there was none
	Took        time.Duration  // of the defragmentation
	Before      int64          // the file before the defragmentation, in bytes
	InUseBefore int64          // pages in use before the compaction, in bytes
	Doubt       *Doubt         // the defragmentation's outcome is unknown
	Err         error          // what ended the work early; nil: every step was done
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

// did reports that a step of that kind was completed.
func (o Outcome) did(kind cluster.StepKind) bool {
	return slices.ContainsFunc(o.Done, func(s cluster.Step) bool { return s.Kind == kind })
}

// WithBegun returns the memory with a compaction that has been sent and that
// nothing waits for. WithOutcome ends it.
func (m Memory) WithBegun(at time.Time, through cluster.MemberID) Memory {
	next := m.clone()
	if mm := next.member(through); mm != nil {
		mm.CompactingSince = at
	}
	return next
}

// WithOutcome returns the memory with a piece of work folded in, the observation
// after it included.
func (m Memory) WithOutcome(l Limits, o Outcome) Memory {
	next := m.clone()
	if !o.View.At.IsZero() && o.View.Problem == "" {
		worked := cluster.MemberID(0)
		if o.did(cluster.StepDefragment) {
			worked = o.Decision.Member
		}
		var foreign bool
		if next, foreign = m.fold(l, o.View, worked); foreign {
			next.Quiet = Quiet{}
		}
	}
	if o.did(cluster.StepDisarm) {
		next.DisarmedAt = o.At
		next.Disarms++
	}
	next.noteEnd(o)
	for _, step := range o.Done {
		mm := next.member(step.Member)
		if mm == nil {
			continue
		}
		after, _ := o.View.Member(step.Member)
		switch step.Kind {
		case cluster.StepCompact:
			mm.compacted(step.Revision, o, after)
		case cluster.StepDefragment:
			mm.defragmented(l, o, after)
			next.Takeovers = 0
		}
	}
	if o.Doubt != nil {
		return next.WithDoubt(*o.Doubt)
	}
	return next
}

// noteEnd counts how often in a row work on a member came to nothing. An end that
// is unknown counts when it is settled.
func (m *Memory) noteEnd(o Outcome) {
	if o.Decision.takeover() {
		m.Takeovers++
	}
	if o.Err != nil && o.Decision.Permit == Term {
		m.Quiet = Quiet{}
	}
	mm := m.member(o.Decision.Member)
	if mm == nil || o.Doubt != nil || o.Decision.Has(cluster.StepDisarm) {
		return
	}
	if o.Decision.Compacts() {
		mm.CompactingSince = time.Time{}
	}
	switch {
	case o.Err != nil:
		mm.FailedAt, mm.Failures = o.At, mm.Failures+1
	case o.did(cluster.StepDefragment) || m.ArmedSince.IsZero(): // a compaction is no defragmentation
		mm.FailedAt, mm.Failures = time.Time{}, 0
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

// WithSettled returns the memory without a doubt that has been settled. If the
// defragmentation was sent by this process it ends here, as done or as failed.
func (m Memory) WithSettled(l Limits, v cluster.View, d Doubt, s Settlement) Memory {
	next := m.WithoutDoubt(d.Member)
	if !d.Sent || s == Quieted {
		return next
	}
	after, _ := v.Member(d.Member)
	o := Outcome{At: v.At, Before: d.SizeBytes, View: v, Decision: Decision{Member: d.Member}}
	if s == Completed {
		o.Done = []cluster.Step{{Kind: cluster.StepDefragment, Member: d.Member}}
	} else {
		o.Err = errSettledAsFailed
	}
	next.noteEnd(o)
	if mm := next.member(d.Member); mm != nil && s == Completed {
		mm.defragmented(l, o, after)
		next.Takeovers = 0
	}
	return next
}
