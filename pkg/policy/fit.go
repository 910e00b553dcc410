package policy

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// LooksApart is the least time between the two looks that show a member caught
// up.
const LooksApart = 250 * time.Millisecond

// CaughtUp reports that a member answers, has the cluster's leader and is
// within 1,000 of the highest applied index. One look is half of the proof;
// the other half is a second one, LooksApart later.
func CaughtUp(v cluster.View, id cluster.MemberID) bool {
	m, ok := v.Member(id)
	if !ok || m.Contact != cluster.Answered || m.Leader == 0 || m.Leader != v.Leader() {
		return false
	}
	return m.AppliedIndex+caughtUpWithin >= v.AppliedIndex()
}

// excused reports that a voter has been absent so long that, under NOSPACE, the
// others are healed without it. A leader is never excused, and an answer from
// somewhere else is no absence.
func excused(l Limits, now time.Time, v cluster.View, mem Memory, m cluster.Member) bool {
	since := mem.Of(m.ID).SilentSince
	return v.Alarmed(cluster.AlarmNoSpace) && m.Contact == cluster.Silent && m.ID != v.Leader() &&
		!since.IsZero() && now.Sub(since) >= l.UnreachableGrace
}

// obstacle is what keeps work from being begun: a reason and the member that
// it is about.
type obstacle struct {
	reason Reason
	member cluster.MemberID
	detail string
}

// Unfit returns why a member may not be defragmented now, or "" (I2, I3, I13).
// It is asked for the decision and again right before the step.
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
		return &obstacle{CorruptArmed, 0, "a CORRUPT alarm is listed"}
	}
	if v.Leader() == 0 {
		return &obstacle{NotQuorate, 0, "no leader that more than half of the voters agree on"}
	}
	for _, m := range v.Voters() {
		if m.ID != target && excused(l, now, v, mem, m) {
			continue
		}
		if o := notThere(v, m); o != nil {
			return o
		}
	}
	return nil
}

// hindered reports that at this look no watchdog may work on any member, whosever
// turn it is.
func hindered(l Limits, v cluster.View, mem Memory) bool {
	_, full := world{view: v}.fullLearner()
	return full || unfit(l, v.At, v, mem, 0) != nil
}

// notThere returns why a voter does not count as present.
func notThere(v cluster.View, m cluster.Member) *obstacle {
	switch {
	case m.Contact == cluster.Mismatched:
		return &obstacle{IdentityMismatch, m.ID, fmt.Sprintf("member %s: %s", name(m), m.Problem)}
	case m.Contact == cluster.Silent:
		return &obstacle{MemberUnreachable, m.ID, fmt.Sprintf("member %s does not answer: %s", name(m), m.Problem)}
	case !CaughtUp(v, m.ID):
		return &obstacle{MemberCatchingUp, m.ID, fmt.Sprintf("member %s has not caught up: its applied index is %d of %d",
			name(m), m.AppliedIndex, v.AppliedIndex())}
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
