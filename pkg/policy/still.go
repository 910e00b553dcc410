package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// corrupt is rule 1.
func (w world) corrupt() (Decision, bool) {
	return Decision{Reason: CorruptArmed, Detail: "a CORRUPT alarm is listed; nothing is done to the cluster"},
		w.view.Problem == "" && w.view.Alarmed(cluster.AlarmCorrupt)
}

// cannotAct is rule 2: what keeps this watchdog from doing anything at all.
// Another member that answers as a third one is no target (see notReady).
func (w world) cannotAct() (Decision, bool) {
	local, ok := w.view.Member(w.view.Local)
	switch {
	case w.view.Problem != "":
		return Decision{Reason: MemberUnreachable, Detail: w.view.Problem}, true
	case !ok:
		return wait(obstacle{reason: MemberUnreachable, detail: "the member behind the configured endpoint is not known"}), true
	case local.Contact == cluster.Mismatched:
		return wait(obstacle{reason: IdentityMismatch, member: local.ID, detail: local.Problem}), true
	case local.Contact != cluster.Answered:
		return wait(obstacle{reason: MemberUnreachable, member: local.ID, detail: "the member of this host does not answer: " + local.Problem}), true
	case w.view.Leader() == 0:
		return wait(obstacle{reason: NotQuorate, detail: "more than half of the voters do not name the same leader"}), true
	default:
		return Decision{}, false
	}
}

// inDoubt is rule 3: nothing that blocks a member. Compaction goes on.
func (w world) inDoubt() (Decision, bool) {
	if len(w.memory.Doubts) == 0 && !w.view.Claims.InDoubt {
		return Decision{}, false
	}
	doubted := func(id cluster.MemberID) bool {
		return slices.ContainsFunc(w.memory.Doubts, func(d Doubt) bool { return d.Member == id && d.Sent })
	}
	if d, due := w.compactAlone(); due && !doubted(d.Member) {
		return d, true
	}
	if local, _ := w.view.Member(w.view.Local); w.armed() && !w.learns() && !doubted(local.ID) && among(w.large(false), local) && w.compactionDue(local.ID) {
		return w.compaction(NospaceArmed, local.ID, w.view.Revision()), true
	}
	d := Decision{Reason: DefragmentationUnknown, Detail: "an earlier claim of this host may still be in use"}
	if len(w.memory.Doubts) > 0 {
		doubt := w.memory.Doubts[0]
		m, _ := w.view.Member(doubt.Member)
		d.Member, d.Detail = doubt.Member, fmt.Sprintf("a defragmentation of member %s may still be running", name(m))
		if doubt.Cause != "" {
			d.Detail += ": " + doubt.Cause
		}
	}
	return d, true
}

// paused says until when nothing is done, and why.
func (w world) paused() string {
	s := "this host's watchdog is paused until " + w.view.Pause.Until.UTC().Format(time.RFC3339)
	if w.view.Pause.Reason != "" {
		s += " (" + w.view.Pause.Reason + ")"
	}
	return s
}

// quota is quotaOf for the world at hand.
func (w world) quota(m cluster.Member) cluster.Quota { return quotaOf(m, w.view, w.memory) }

// present returns the voters by whose files anything is called done: all but those
// excused that do not answer.
func (w world) present() []cluster.Member {
	var present []cluster.Member
	for _, m := range w.view.Voters() {
		if answersInTime(m) || !excused(w.limits, w.now, w.view, w.memory, m) {
			present = append(present, m)
		}
	}
	return present
}

// compaction returns the decision to compact through a member. It needs a
// quorum and nothing more (I4: never beyond the revision of this observation).
func (w world) compaction(reason Reason, through cluster.MemberID, revision int64) Decision {
	return Decision{
		Reason: reason,
		Member: through,
		Steps:  []cluster.Step{{Kind: cluster.StepCompact, Member: through, Revision: revision}},
		Permit: NoPermit,
		Urgent: reason == NospaceArmed,
	}
}
