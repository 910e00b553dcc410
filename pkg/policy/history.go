package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// regrown and recompactAtLast: a compaction that won less than this share of
	// the quota is not repeated until the pages in use have grown by as much
	// since; or for so long, and until there is a little history to give up.
	regrown         Share = 0.05
	recompactAtLast       = 10 * time.Minute
	// roomDivide: where little room was left, that part of it is growth enough.
	roomDivide = 4
	// comesBack: this part of keep-revisions is a little history, with which it
	// also begins to come back.
	comesBack = 8
	// stepInAfter is how long a compaction is due before the next watchdog in the
	// order of member ids compacts as well.
	stepInAfter = time.Second
	// recheckVerdict is the least time between two compactions that look whether
	// the live data still are too large. On an idle cluster nothing else shows
	// that keys were deleted.
	recheckVerdict = time.Minute
)

// compactAlone is rule 4: while nothing is refused yet, history is given up in
// time, so that freed pages are used again and the file need not grow. It needs
// a quorum and nothing more. History is kept as far as it fits: keep-revisions,
// halved until the pages in use come below compact-at, or until halving wins so
// little that history is not what takes the space.
func (w world) compactAlone() (Decision, bool) {
	m, kept, due := w.historyGivesWay()
	if !due || w.armed() || !w.memory.Of(m.ID).CompactingSince.IsZero() || !w.myTurnToCompact(m) || w.failedLately(m.ID) != nil {
		return Decision{}, false
	}
	d := w.compaction(NearQuota, m.ID, w.view.Revision()-kept)
	d.Routine = true
	d.Detail = fmt.Sprintf("the last %d revisions are kept", kept)
	return d, true
}

// historyGivesWay reports that a compaction alone is due, whosever turn it is:
// through which member, and how many revisions are kept.
func (w world) historyGivesWay() (m cluster.Member, kept int64, due bool) {
	m, over := w.mostInUse()
	if !over {
		return m, 0, false
	}
	kept, due = w.historyToKeep(m)
	return m, kept, due && w.view.Revision()-kept > w.memory.Of(m.ID).CompactedRevision
}

// mostInUse returns the voter through which to compact: the local one if its
// pages in use are too many, else the worst of the others. Only the member that
// serves a compaction tells at once what it has left.
func (w world) mostInUse() (cluster.Member, bool) {
	var worst cluster.Member
	for _, m := range w.view.Voters() {
		if m.Contact != cluster.Answered || !m.Quota.Trusted() || !w.asked(m) || !atLeast(m.InUseBytes, m.Quota, w.limits.CompactAt) {
			continue
		}
		if m.ID == w.view.Local {
			return m, true
		}
		if m.InUseUsage() > worst.InUseUsage() {
			worst = m
		}
	}
	return worst, worst.ID != 0
}

// myTurnToCompact: one watchdog does it for all, the first in the order of
// member ids; each further one steps in when those before it have not, and all
// do when it is late or the pages in use grow too fast to wait.
func (w world) myTurnToCompact(m cluster.Member) bool {
	local, _ := w.view.Member(w.view.Local)
	if local.Learner || local.Contact != cluster.Answered {
		return false
	}
	if w.late(m) {
		return true
	}
	rank := slices.Index(w.compactors(), w.view.Local)
	return rank >= 0 && w.now.Sub(w.memory.DueSince) >= time.Duration(rank)*stepInAfter
}

// late reports that pages in use are to be freed at any price in history.
func (w world) late(m cluster.Member) bool {
	return atLeast(m.InUseBytes, m.Quota, w.limits.DefragmentAt) || w.pressed(m)
}

// compactors are the members whose watchdogs compact, in their order: those
// that somebody watches, or all voters as long as that is not known.
func (w world) compactors() []cluster.MemberID {
	if w.view.Claims.Known && w.watched(w.view.Local) {
		return w.view.Claims.Watched
	}
	return w.view.VoterIDs()
}

// historyToKeep returns how many revisions the next compaction through a member
// keeps, and whether one is due.
func (w world) historyToKeep(m cluster.Member) (int64, bool) {
	last := w.memory.Of(m.ID)
	there := w.view.Revision() - last.CompactedRevision
	if last.CompactedAt.IsZero() {
		return halvedBelow(w.limits.KeepRevisions, there), true
	}
	if w.liveTooLarge(m) && w.now.Sub(last.CompactedAt) >= recheckVerdict {
		return 0, true
	}
	little := !atLeast(last.CompactionWon, m.Quota, regrown)
	grown, late := w.grown(m, last), w.late(m)
	again := grown || w.recompacts(m, there)
	tight := last.KeptRevisions > 0 && atLeast(last.CompactedInUse, m.Quota, w.limits.CompactAt)
	switch {
	case tight && (!again || w.pressed(m)):
		// Still too many: give up half of the history that is left, unless the
		// last half was next to nothing and there is room to see it through.
		return last.KeptRevisions / 2, !little || last.KeptRevisions == w.limits.KeepRevisions || late
	case !again && little:
		return 0, false
	case grown || late:
		return halvedBelow(w.firstToKeep(m), there), true
	default:
		return w.firstToKeep(m), true
	}
}

// recompacts reports that it is time to see what a compaction wins although the
// pages in use have not grown. The first watchdog in the order finds out: where
// nothing is won, the others cannot see that it was tried.
func (w world) recompacts(m cluster.Member, there int64) bool {
	more := there-w.firstToKeep(m) >= w.limits.KeepRevisions/comesBack
	return more && w.now.Sub(w.memory.Of(m.ID).CompactedAt) >= recompactAtLast && slices.Index(w.compactors(), w.view.Local) == 0
}

// grown reports that the pages in use of a member have grown since the last
// compaction by as much as makes another one worth while: that share of the
// quota, or a quarter of the room that there was, if that is less.
func (w world) grown(m cluster.Member, last MemberMemory) bool {
	room := Share(float64(max(0, m.Quota.Bytes-last.CompactedInUse)) / float64(m.Quota.Bytes))
	return m.InUseBytes > last.CompactedInUse && atLeast(m.InUseBytes-last.CompactedInUse, m.Quota, min(regrown, room/roomDivide))
}

// firstToKeep is what a compaction keeps at the first try: what fitted the last
// time and more, so that history comes back when there is room for it; and no
// more than the last time where history was not what took the space, or there
// is no time to try.
func (w world) firstToKeep(m cluster.Member) int64 {
	last := w.memory.Of(m.ID)
	tight := atLeast(last.CompactedInUse, m.Quota, w.limits.CompactAt) && !atLeast(last.CompactedInUse-m.InUseBytes, m.Quota, regrown)
	live := !atLeast(last.CompactionWon, m.Quota, regrown) || atLeast(m.InUseBytes, m.Quota, w.limits.DefragmentAt)
	if tight && live || w.pressed(m) {
		return min(w.limits.KeepRevisions, last.KeptRevisions)
	}
	return min(w.limits.KeepRevisions, max(4*last.KeptRevisions, w.limits.KeepRevisions/comesBack))
}

// halvedBelow halves the history to keep until less is kept than is there: else
// a compaction would give up nothing.
func halvedBelow(kept, there int64) int64 {
	for kept > 0 && kept >= there {
		kept /= 2
	}
	return kept
}
