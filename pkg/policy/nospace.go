package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// recompactAfter is the least time between two compactions of ours under
	// NOSPACE, where the revision moves on only by deletions.
	recompactAfter = 10 * time.Second
	// inUseSteady is how long a member's pages in use have to stay the same, once
	// they have changed after our compaction, to count as what it has left.
	inUseSteady = 2 * time.Second
	// ownWatchdogFirst is how long a member without progress is left to its own
	// watchdog before another one finds out how much there is to win.
	ownWatchdogFirst = 5 * time.Second
)

// disarmRetry is how long to wait before NOSPACE is disarmed once more, after
// it has come back twice.
var disarmRetry = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}

// nospace is rules 5 and 6.
func (w world) nospace() Decision {
	if learner, full := w.fullLearner(); full {
		return wait(obstacle{LearnerFull, learner.ID, fmt.Sprintf(
			"learner %s is full and raises the alarm again after every disarm", name(learner))})
	}
	if w.permit() == NoPermit {
		return wait(w.noPermit())
	}
	if disarmed := w.memory.DisarmedAt; disarmed.After(w.memory.ArmedSince) && w.now.Sub(disarmed) < disarmShows {
		return wait(obstacle{NospaceArmed, 0, "the alarm was disarmed a moment ago, and that does not show on every member yet"})
	}
	returned := w.returned()
	if !returned && w.allBelow() {
		return w.disarm()
	}
	large := w.large(returned)
	if m, due := w.toCompact(large); due {
		return w.compaction(NospaceArmed, m, w.view.Revision())
	}
	if targets := w.reducible(large); len(targets) > 0 {
		return w.work(targets)
	}
	if holder := w.view.Claims.Holder; holder != "" {
		return wait(obstacle{WaitingForClaim, w.view.Claims.HolderMember, "the claim is held by " + holder})
	}
	if o := w.absent(); o != nil {
		return wait(*o)
	}
	return w.finish()
}

// noPermit says why this watchdog stands still.
func (w world) noPermit() obstacle {
	switch {
	case w.learns():
		return obstacle{WaitingForClaim, 0, "the member of this host is a learner, which takes no such requests; the watchdogs of the voters heal the cluster"}
	case !w.view.Claims.Known:
		return obstacle{WaitingForClaim, 0, "the claim could not be read from etcd"}
	}
	return obstacle{WaitingForClaim, 0, "this host has no ticket and can get none while writes are refused; the hosts that have one heal the cluster"}
}

// permit is what this watchdog may work under: a ticket, or the fixed order of
// those who can have none.
func (w world) permit() Permit {
	claims, armed := w.view.Claims, w.view.Alarmed(cluster.AlarmNoSpace)
	switch {
	case w.learns():
		return NoPermit
	case len(w.view.Voters()) == 1:
		return SingleVoter
	case !claims.Known:
		return NoPermit
	case armed && w.refusesDeletes():
		return FixedOrder
	case claims.Enrolled:
		return Claim
	case armed && len(claims.Watched) == 0:
		return FixedOrder
	default:
		return NoPermit
	}
}

// learns reports that the local member is a learner: requests of ours can't go
// through it (I5).
func (w world) learns() bool {
	local, _ := w.view.Member(w.view.Local)
	return local.Learner
}

// returned reports that NOSPACE has come back after a disarm.
func (w world) returned() bool {
	return w.memory.Disarms > 0 && !w.memory.ArmedSince.Before(w.memory.DisarmedAt) && w.memory.ArmedSince.Sub(w.memory.DisarmedAt) <= disarmHolds
}

// fullLearner returns a learner whose file has reached its quota. It cannot be
// defragmented, and no disarm lasts as long as it is there (I5).
func (w world) fullLearner() (cluster.Member, bool) {
	for _, m := range w.view.Members {
		if m.Learner && m.Contact == cluster.Answered && m.Quota.Trusted() && atLeast(m.SizeBytes, m.Quota, 1) {
			return m, true
		}
	}
	return cluster.Member{}, false
}

// allBelow reports that every voter is there and its file is below
// disarm-below of a quota that was learnt or configured. An assumed one alone
// never calls an alarmed cluster healed.
func (w world) allBelow() bool {
	for _, m := range w.present() {
		if m.Contact != cluster.Answered || !m.Quota.Trusted() {
			return false
		}
		if atLeast(m.SizeBytes, w.quota(m), w.limits.DisarmBelow) {
			return false
		}
	}
	return true
}

// toCompact returns the member through which a compaction is due: the local
// one, or one with a large file that nobody else looks after. A compaction frees
// pages on every member, but only the one that serves it tells their number.
func (w world) toCompact(large []cluster.Member) (cluster.MemberID, bool) {
	if w.compactionDue(w.view.Local) {
		return w.view.Local, true
	}
	for _, m := range large {
		neglected := !w.watched(m.ID) || w.idle(m) >= ownWatchdogFirst
		if m.ID != w.view.Local && neglected && w.view.Claims.Holder == "" && w.compactionDue(m.ID) {
			return m.ID, true
		}
	}
	return 0, false
}

// compactionDue reports that a member has pages that a compaction could free:
// none was made through it since the alarm, or keys were deleted since.
func (w world) compactionDue(id cluster.MemberID) bool {
	mm := w.memory.Of(id)
	if w.failedLately(id) != nil {
		return false
	}
	if !w.compacted(mm) {
		return true
	}
	return w.view.Revision() > mm.CompactedRevision && w.now.Sub(mm.CompactedAt) >= recompactAfter
}

// compacted reports that a compaction through a member has given up all history
// since the alarm. One that came before it, or kept some, does not count.
func (w world) compacted(mm MemberMemory) bool {
	return !mm.CompactedAt.IsZero() && !mm.CompactedAt.Before(w.memory.ArmedSince) && mm.KeptRevisions == 0
}

// large returns the voters whose file is too large for the alarm to be
// disarmed. Once the alarm has come back, any may be.
func (w world) large(returned bool) []cluster.Member {
	var large []cluster.Member
	for _, m := range w.present() {
		if m.Contact == cluster.Answered && (returned || atLeast(m.SizeBytes, w.quota(m), w.limits.DisarmBelow)) {
			large = append(large, m)
		}
	}
	return large
}

// reducible returns those of them that can be made smaller, as far as is known.
func (w world) reducible(large []cluster.Member) []cluster.Member {
	var targets []cluster.Member
	for _, m := range large {
		q := w.quota(m)
		known := w.inUseKnown(m) || !atLeast(m.SizeBytes, q, w.limits.DisarmBelow)
		if !known || atLeast(m.ReclaimableBytes(), q, worthwhile) {
			targets = append(targets, m)
		}
	}
	return targets
}

// inUseKnown reports that a member's pages in use are what compaction has left
// of them. Its status tells the number that the last write found, and under
// NOSPACE there may be none: only a member that served a compaction counts anew,
// and before 3.5 not even that one does.
func (w world) inUseKnown(m cluster.Member) bool {
	mm, mine := w.memory.Of(m.ID), w.memory.Of(w.view.Local)
	switch {
	case w.proven(m):
		return true
	case w.compacted(mm) && !before(m.Version, 3, 5, 0):
		return true
	default:
		return mm.InUseSince.After(mine.CompactedAt) && w.now.Sub(mm.InUseSince) >= inUseSteady
	}
}

// proven reports that a defragmentation since the alarm has shown what the live
// data of a member take: ours, or one that was seen by the file that shrank.
func (w world) proven(m cluster.Member) bool {
	mm, armed := w.memory.Of(m.ID), w.memory.ArmedSince
	since := func(t time.Time) bool { return !t.IsZero() && !t.Before(armed) }
	return since(mm.WorkedAt) || since(mm.ShrankAt)
}

// absent returns the voter, not excused, that is not there to be judged.
func (w world) absent() *obstacle {
	for _, m := range w.present() {
		if m.Contact == cluster.Answered {
			continue
		}
		if m.Contact == cluster.Silent && m.ID != w.view.Leader() {
			return &obstacle{MemberUnreachable, m.ID, fmt.Sprintf(
				"the others are healed without member %s once it has been absent for %s; it does not answer: %s", name(m), w.limits.UnreachableGrace, m.Problem)}
		}
		return notThere(w.view, m)
	}
	return nil
}

// finish decides when no voter has more to give: disarm if the files leave
// room, else say that the data are too large.
func (w world) finish() Decision {
	clear := true
	var unproven []cluster.Member
	for _, m := range w.present() {
		if clearOfQuota(m, w.quota(m)) {
			continue
		}
		clear = false
		// What is watched by another watchdog is for that one to prove.
		if !w.proven(m) && (m.ID == w.view.Local || !w.watched(m.ID)) {
			unproven = append(unproven, m)
		}
	}
	switch {
	case len(unproven) > 0:
		// As long as a snapshot is being read, the pages that a compaction frees
		// count as in use. Only a defragmentation proves that data are live.
		return w.work(unproven)
	case !clear:
		return wait(w.tooLarge())
	}
	if w.memory.Disarms >= 2 && w.returned() {
		if why, waits := w.disarmLater(); waits {
			return wait(obstacle{NospaceArmed, 0, why})
		}
	}
	return w.disarm()
}

// restarted reports that a member whose alarm is listed has been away since the
// last disarm and is back: what it knew of its file is gone if it was restarted,
// so the alarm is worth a try soon. No look tells more than that, and one that goes
// and comes must not have it disarmed over and over.
func (w world) restarted() bool {
	for _, a := range w.view.Alarms {
		if a.Kind == cluster.AlarmNoSpace && w.memory.Of(a.Member).BackAt.After(w.memory.DisarmedAt) {
			return true
		}
	}
	return false
}

// disarmLater returns why an alarm that came back more than once is not disarmed
// now: the tries lie further and further apart, and one watchdog makes them.
func (w world) disarmLater() (string, bool) {
	again := fmt.Sprintf("NOSPACE came back after %d disarms although every file is small enough. Whatever raises it has to be mended first: "+
		"member %s checks writes against an old size of its file, as etcd 3.6 and 3.7 do after they were full and received a snapshot (restart etcd there), "+
		"or its quota is smaller than known. Once a member that raises it has been away and is back, the next try comes within a minute", w.memory.Disarms, strings.Join(w.alarmed(cluster.AlarmNoSpace), ", "))
	if first := w.adopter(0); w.permit() == Claim && first != 0 && first != w.view.Local {
		return again + "; the watchdog of member " + first.String() + " tries again", true
	}
	pause := disarmRetry[min(w.memory.Disarms-2, len(disarmRetry)-1)]
	if w.restarted() {
		pause = disarmRetry[0]
	}
	return fmt.Sprintf("%s; the next try is %s after the last", again, pause), w.now.Sub(w.memory.DisarmedAt) < pause
}

// disarm is the last step (I7): each listed NOSPACE alarm by its own id, also
// those of ids that are no longer members (I6).
func (w world) disarm() Decision {
	d := Decision{Reason: NospaceArmed, Urgent: true, Member: w.view.Local, Permit: w.permit()}
	for _, a := range w.view.Alarms {
		if a.Kind == cluster.AlarmNoSpace && a.Member != 0 {
			d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepDisarm, Member: a.Member, Alarm: a.Kind})
		}
	}
	for _, m := range w.view.Voters() {
		if excused(w.limits, w.now, w.view, w.memory, m) {
			d.Risk = fmt.Sprintf("member %s is absent; the alarm may return with it", name(m))
		}
	}
	if d.Permit == FixedOrder && !w.lookedTwice() {
		return wait(obstacle{AnotherMembersTurn, 0, "nobody can hold the claim while writes are refused; looking a second time before the alarm is disarmed"})
	}
	return d
}
