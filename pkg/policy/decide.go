package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Decide returns what is to be done next. Equal inputs give equal decisions,
// and no input is modified (I9).
func Decide(l Limits, now time.Time, v cluster.View, mem Memory) Decision {
	w := world{limits: l, now: now, view: v, memory: mem}
	d := w.decide()
	switch {
	case !d.Acts():
	case l.Observe:
		d = withheld(d, Observing, "maintenance.mode is observe")
	case v.Pause.Holds(now):
		d = withheld(d, Paused, w.paused())
	}
	d.Revision = v.Revision()
	d.Standing = w.standing(d)
	d.Next = w.next(d)
	return d
}

// world is the inputs of one decision, gathered.
type world struct {
	limits Limits
	now    time.Time
	view   cluster.View
	memory Memory
}

func (w world) decide() Decision {
	switch {
	case w.view.Problem != "":
		return Decision{Reason: MemberUnreachable, Detail: w.view.Problem}
	case w.view.Alarmed(cluster.AlarmCorrupt):
		return Decision{Reason: CorruptArmed, Detail: "a CORRUPT alarm is listed; nothing is touched"}
	case len(w.memory.Doubts) > 0 || w.view.Claims.InDoubt:
		return w.doubtful()
	}
	if o := w.cannotAct(); o != nil {
		return wait(*o)
	}
	if w.view.Alarmed(cluster.AlarmNoSpace) {
		return w.nospace()
	}
	if d, due := w.compactAlone(); due {
		return d
	}
	return w.voluntary()
}

// withheld turns a decision to act into the word that it would be done.
func withheld(d Decision, reason Reason, why string) Decision {
	var steps []string
	for _, s := range d.Steps {
		steps = append(steps, s.String())
	}
	return Decision{
		Reason: reason,
		Member: d.Member,
		Detail: fmt.Sprintf("%s; would %s (%s)", why, strings.Join(steps, ", "), d.Reason),
	}
}

// paused says until when nothing is done, and why.
func (w world) paused() string {
	s := "this host's watchdog is paused until " + w.view.Pause.Until.UTC().Format(time.RFC3339)
	if w.view.Pause.Reason != "" {
		s += " (" + w.view.Pause.Reason + ")"
	}
	return s
}

func wait(o obstacle) Decision {
	return Decision{Reason: o.reason, Member: o.member, Detail: o.detail}
}

func (w world) doubtful() Decision {
	d := Decision{Reason: DefragmentationUnknown, Detail: "an earlier claim of this host may still be in use"}
	if len(w.memory.Doubts) > 0 {
		doubt := w.memory.Doubts[0]
		m, _ := w.view.Member(doubt.Member)
		d.Member, d.Detail = doubt.Member, fmt.Sprintf("a defragmentation of member %s may still be running", name(m))
		if doubt.Cause != "" {
			d.Detail += ": " + doubt.Cause
		}
	}
	return d
}

// cannotAct returns what keeps this watchdog from doing anything at all.
func (w world) cannotAct() *obstacle {
	local, ok := w.view.Member(w.view.Local)
	switch {
	case !ok:
		return &obstacle{MemberUnreachable, 0, "the member behind the configured endpoint is not known"}
	case local.Contact == cluster.Mismatched:
		return &obstacle{IdentityMismatch, local.ID, local.Problem}
	case local.Contact != cluster.Answered:
		return &obstacle{MemberUnreachable, local.ID, fmt.Sprintf("the member of this host does not answer: %s", local.Problem)}
	case w.view.Leader() == 0:
		return &obstacle{NotQuorate, 0, "no leader that more than half of the voters agree on"}
	default:
		return nil
	}
}

// quota is quotaOf for the world at hand.
func (w world) quota(m cluster.Member) cluster.Quota { return quotaOf(m, w.view, w.memory) }

// present returns the voters that have to be there for anything to be called
// done: all but those excused.
func (w world) present() []cluster.Member {
	var present []cluster.Member
	for _, m := range w.view.Voters() {
		if !excused(w.limits, w.now, w.view, w.memory, m) {
			present = append(present, m)
		}
	}
	return present
}

// compaction returns the decision to compact through a member. It needs a
// quorum and nothing more (I4: never beyond the revision of this look).
func (w world) compaction(reason Reason, through cluster.MemberID, revision int64) Decision {
	return Decision{
		Reason: reason,
		Member: through,
		Steps:  []cluster.Step{{Kind: cluster.StepCompact, Member: through, Revision: revision}},
		Permit: NoPermit,
		Urgent: reason == NospaceArmed,
	}
}
