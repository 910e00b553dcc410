package policy

import (
	"fmt"
	"slices"
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
	// watchdog before the one next to the leader compacts through it.
	ownWatchdogFirst = 5 * time.Second
)

// disarmRetry is how long to wait before NOSPACE is disarmed once more, after
// it has come back although nothing could be made smaller.
var disarmRetry = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}

func (w world) armed() bool { return w.view.Alarmed(cluster.AlarmNoSpace) }

// disarmSmall is rule 5.
func (w world) disarmSmall() (Decision, bool) {
	if !w.armed() {
		return Decision{}, false
	}
	if learner, full := w.fullLearner(); full {
		return wait(obstacle{reason: LearnerFull, member: learner.ID, detail: fmt.Sprintf(
			"learner %s is full and raises the alarm again after every disarm", name(learner))}), true
	}
	if w.learns() {
		return wait(w.noPermit()), true
	}
	if disarmed := w.memory.DisarmedAt; disarmed.After(w.memory.ArmedSince) && w.now.Sub(disarmed) < disarmShows {
		return wait(obstacle{reason: NospaceArmed, detail: "the alarm was disarmed a moment ago, and not every member shows that yet"}), true
	}
	if w.returned() || !w.allBelow() {
		return Decision{}, false
	}
	if o := w.workerDisarms(); o != nil {
		return wait(*o), true
	}
	return w.disarm(), true
}

// workerDisarms leaves the disarm to the watchdog that has made the last file
// smaller, for as long as it takes that one to see it.
func (w world) workerDisarms() *obstacle {
	at := w.memory.ProgressAt
	mine := slices.ContainsFunc(w.memory.Members, func(mm MemberMemory) bool { return !mm.WorkedAt.Before(at) })
	if mine || w.now.Sub(at) >= disarmShows {
		return nil
	}
	return &obstacle{reason: NospaceArmed, until: at.Add(disarmShows), detail: "the watchdog that has made the last file smaller disarms the alarm"}
}

// nospace is rule 6: compact, defragment what is too large, disarm.
func (w world) nospace() (Decision, bool) {
	if !w.armed() {
		return Decision{}, false
	}
	large := w.large(w.returned())
	if m, due := w.toCompact(large); due {
		return w.compaction(NospaceArmed, m, w.view.Revision()), true
	}
	if targets := w.reducible(large); len(targets) > 0 {
		return w.work(targets), true
	}
	if o := w.held(); o != nil {
		return wait(*o), true
	}
	if o := w.absent(); o != nil {
		return wait(*o), true
	}
	return w.finish(), true
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
// one, or one with a large file that this watchdog may work on. A compaction frees
// pages on every member, but only the one that serves it shows their number.
func (w world) toCompact(large []cluster.Member) (cluster.MemberID, bool) {
	if w.compactionDue(w.view.Local) {
		return w.view.Local, true
	}
	for _, m := range large {
		if m.ID != w.view.Local && w.mine(m) && w.view.Claims.Holder == "" && w.compactionDue(m.ID) {
			return m.ID, true
		}
	}
	return 0, false
}

// mine reports that another watchdog's member is this one's to work on.
func (w world) mine(m cluster.Member) bool {
	switch w.permit() {
	case Claim:
		return w.adoptable(m)
	case Term:
		return w.view.Beside && w.view.Leader() == w.view.Local && w.now.Sub(w.idleSince(m)) >= ownWatchdogFirst
	case Alone:
		return true
	default:
		return false
	}
}

// compactionDue reports that a member has pages that a compaction could free:
// none was made through it since the alarm, or keys were deleted since.
func (w world) compactionDue(id cluster.MemberID) bool {
	mm := w.memory.Of(id)
	if w.failedLately(id) != nil || !mm.CompactingSince.IsZero() {
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
// A member that was defragmented under this alarm needs more than a few pages to
// be worked on again: each piece of work frees some.
func (w world) reducible(large []cluster.Member) []cluster.Member {
	var targets []cluster.Member
	for _, m := range large {
		q, least := w.quota(m), worthwhile
		if w.proven(m) {
			least = worthwhileAgain
		}
		known := w.inUseKnown(m) || !atLeast(m.SizeBytes, q, w.limits.DisarmBelow)
		if !known || atLeast(m.ReclaimableBytes(), q, least) {
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
		o := notReady(w.limits, w.view, w.memory.Of(m.ID), m)
		if !o.until.IsZero() {
			o.detail = fmt.Sprintf("the others are healed without member %s once it has been absent for %s; it does not answer: %s", name(m), w.limits.UnreachableGrace, m.Problem)
		}
		return o
	}
	return nil
}

// finish decides when no voter has more to give: disarm if the files leave
// room, else report that the data are too large.
func (w world) finish() Decision {
	clear := true
	var unproven []cluster.Member
	for _, m := range w.present() {
		if w.fits(m) {
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
	case w.returned():
		if o := w.disarmLater(); o != nil {
			return wait(*o)
		}
	}
	return w.disarm()
}

// fits reports that a file is small enough for the alarm to be disarmed when
// nothing can make it smaller.
func (w world) fits(m cluster.Member) bool {
	q := w.quota(m)
	return clearOfQuota(m, q) || m.Quota.Trusted() && !atLeast(m.SizeBytes, q, w.limits.DisarmBelow)
}

// restarted reports that a member whose alarm is listed has been away since the
// last disarm and is back: what it knew of its file is gone if it was restarted,
// so the alarm is worth a try soon. No observation tells more than that.
func (w world) restarted() bool {
	return slices.ContainsFunc(w.view.Alarms, func(a cluster.Alarm) bool {
		return a.Kind == cluster.AlarmNoSpace && w.memory.Of(a.Member).ReadySince.After(w.memory.DisarmedAt)
	})
}

// disarmLater returns why an alarm that came back after our disarm is not
// disarmed now: the tries lie further and further apart, unless a file has become
// smaller since.
func (w world) disarmLater() *obstacle {
	if w.memory.ProgressAt.After(w.memory.DisarmedAt) {
		return nil
	}
	pause := disarmRetry[min(w.memory.Disarms, len(disarmRetry))-1]
	if w.restarted() {
		pause = disarmRetry[0]
	}
	next := w.memory.DisarmedAt.Add(pause)
	if !w.now.Before(next) {
		return nil
	}
	return &obstacle{reason: NospaceArmed, until: next, detail: fmt.Sprintf("NOSPACE came back after %d disarms although every file is small enough. "+
		"Member %s raises it: it may check writes against an old size of its file, as etcd 3.6 and 3.7 do after they were full and received a snapshot (restart etcd there), "+
		"or its quota is smaller than known. The next try is %s after the last one, or within a minute once that member has been restarted",
		w.memory.Disarms, strings.Join(w.alarmed(cluster.AlarmNoSpace), ", "), pause)}
}

// disarm is the last step (I7): each listed NOSPACE alarm by its own id, also
// those of ids that are no longer members, and that of no id (I6). It needs no
// permit: it blocks no member, and what it says of the files is true whoever
// sends it.
func (w world) disarm() Decision {
	d := Decision{Reason: NospaceArmed, Urgent: true, Member: w.view.Local, Permit: NoPermit}
	for _, a := range w.view.Alarms {
		if a.Kind == cluster.AlarmNoSpace {
			d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepDisarm, Member: a.Member, Alarm: a.Kind})
		}
	}
	for _, m := range w.view.Voters() {
		if excused(w.limits, w.now, w.view, w.memory, m) {
			d.Risk = fmt.Sprintf("member %s is absent; the alarm may return with it", name(m))
		}
	}
	return d
}
