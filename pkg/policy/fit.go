package policy

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// LooksApart is the least time for which a member has to have been ready, so
	// that two observations have shown it caught up.
	LooksApart = 250 * time.Millisecond
	// promptAtLeast to promptAtMost is how long an answer may take to count as one
	// of a member that nothing blocked: three times what its answers usually take.
	// A member that needs longer than promptAtMost counts as absent.
	promptAtLeast = time.Second
	promptAtMost  = 3 * time.Second
	promptFactor  = 3
	// usualOver is how many answers the usual time of an answer is made of.
	usualOver = 4
)

// prompt is how long an answer of a member may take.
func (mm MemberMemory) prompt() time.Duration {
	return min(promptAtMost, max(promptAtLeast, promptFactor*mm.Usual))
}

// answersInTime reports that a member counts as present.
func answersInTime(m cluster.Member) bool {
	return m.Contact == cluster.Answered && m.Took <= promptAtMost
}

// CaughtUp reports that a member answers, has the cluster's leader and is
// within 1,000 of the highest applied index.
func CaughtUp(v cluster.View, id cluster.MemberID) bool {
	m, ok := v.Member(id)
	if !ok || m.Contact != cluster.Answered || m.Leader == 0 || m.Leader != v.Leader() {
		return false
	}
	return m.AppliedIndex+caughtUpWithin >= v.AppliedIndex()
}

// excused reports that a voter has been absent so long that, under NOSPACE, the
// others are healed without it. One that comes back is waited for as soon as it has
// caught up, unless work on it has come to nothing: then it has to be ready for
// adopt-after first. A leader is never excused, nor is a blocked member, and
// an answer from another member is no absence.
func excused(l Limits, now time.Time, v cluster.View, mem Memory, m cluster.Member) bool {
	mm := mem.Of(m.ID)
	return v.Alarmed(cluster.AlarmNoSpace) && m.Contact != cluster.Mismatched && !m.Blocked && m.ID != v.Leader() &&
		!mm.AwaySince.IsZero() && now.Sub(mm.AwaySince) >= l.UnreachableGrace && (mm.ReadySince.IsZero() || mm.Failures > 0)
}

// ready reports that two observations have shown the member present and caught up.
func (mm MemberMemory) ready(at time.Time) bool {
	return !mm.ReadySince.IsZero() && at.Sub(mm.ReadySince) >= LooksApart
}

// obstacle is what keeps work from being begun: a reason, the member that it is
// about, and when it ends by itself.
type obstacle struct {
	reason Reason
	member cluster.MemberID
	detail string
	until  time.Time // zero: no clock says when
}

// Unfit returns why a member may not be defragmented now, or "" (I2, I3, I13).
// It is asked for the decision, and again between two steps that block members.
func Unfit(l Limits, now time.Time, v cluster.View, mem Memory, target cluster.MemberID) (Reason, string) {
	if o := unfit(l, now, v, mem, target); o != nil {
		return o.reason, o.detail
	}
	if m, listed := v.Member(target); !listed || m.Learner {
		return MemberUnreachable, fmt.Sprintf("member %s is not among the voters any more", target)
	}
	return "", ""
}

func unfit(l Limits, now time.Time, v cluster.View, mem Memory, target cluster.MemberID) *obstacle {
	if v.Alarmed(cluster.AlarmCorrupt) {
		return &obstacle{reason: CorruptArmed, detail: "a CORRUPT alarm is listed"}
	}
	if v.Leader() == 0 {
		return &obstacle{reason: NotQuorate, detail: "more than half of the voters do not name the same leader"}
	}
	for _, m := range v.Voters() {
		if m.ID != target && excused(l, now, v, mem, m) {
			continue
		}
		if o := notReady(l, v, mem.Of(m.ID), m); o != nil {
			return o
		}
	}
	return nil
}

// notReady returns why a voter does not count as present and caught up.
func notReady(l Limits, v cluster.View, mm MemberMemory, m cluster.Member) *obstacle {
	switch {
	case m.Contact == cluster.Mismatched:
		return &obstacle{reason: IdentityMismatch, member: m.ID, detail: fmt.Sprintf("member %s: %s", name(m), m.Problem)}
	case m.Blocked:
		return &obstacle{reason: MemberUnreachable, member: m.ID, detail: fmt.Sprintf("member %s is blocked: it answers a question for the member list and none for its status, as during a defragmentation", name(m))}
	case m.Contact == cluster.Silent:
		o := &obstacle{reason: MemberUnreachable, member: m.ID, detail: fmt.Sprintf("member %s does not answer: %s", name(m), m.Problem)}
		if v.Alarmed(cluster.AlarmNoSpace) && !mm.AwaySince.IsZero() && m.ID != v.Leader() {
			o.until = mm.AwaySince.Add(l.UnreachableGrace)
		}
		return o
	case m.Took > mm.prompt():
		return &obstacle{reason: MemberUnreachable, member: m.ID, detail: fmt.Sprintf("member %s took %s to answer, so it may be blocked", name(m), m.Took.Round(time.Millisecond))}
	case !CaughtUp(v, m.ID):
		return &obstacle{reason: MemberCatchingUp, member: m.ID, detail: fmt.Sprintf("member %s has not caught up: its applied index is %d of %d",
			name(m), m.AppliedIndex, v.AppliedIndex())}
	case !mm.ready(v.At):
		return &obstacle{reason: MemberCatchingUp, member: m.ID, detail: fmt.Sprintf("member %s has been seen caught up once, and has to be seen so again", name(m))}
	default:
		return nil
	}
}

// pauses reports that the cluster has no quorum of answering voters while the
// target is being worked on.
func pauses(v cluster.View, target cluster.MemberID) bool {
	voters := v.Voters()
	others := 0
	for _, m := range voters {
		if m.ID != target && m.Contact == cluster.Answered {
			others++
		}
	}
	return others <= len(voters)/2
}

// name returns how a member is called in a report.
func name(m cluster.Member) string {
	if m.Name == "" {
		return m.ID.String()
	}
	return m.Name + " (" + m.ID.String() + ")"
}
