package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// standing returns what lasts at this look, whatever was decided, and the
// reason for which work that is due waits.
func (w world) standing(d Decision) []Condition {
	var all []Condition
	add := func(reason Reason, member cluster.MemberID, detail string) {
		all = append(all, Condition{Reason: reason, Member: member, Detail: detail, Grade: w.grade(reason, member)})
	}
	for _, kind := range []cluster.AlarmKind{cluster.AlarmNoSpace, cluster.AlarmCorrupt} {
		if ids := w.alarmed(kind); len(ids) > 0 {
			reason := map[cluster.AlarmKind]Reason{cluster.AlarmNoSpace: NospaceArmed, cluster.AlarmCorrupt: CorruptArmed}[kind]
			add(reason, 0, "listed for member "+strings.Join(ids, ", "))
		}
	}
	if !w.memory.ArmedSince.IsZero() && !w.anyAnswers() {
		add(NospaceArmed, 0, "as it was when a member answered last")
	}
	if w.view.Pause.Holds(w.now) {
		add(Paused, 0, w.paused())
	}
	if learner, full := w.fullLearner(); full {
		add(LearnerFull, learner.ID, "")
	}
	if w.verdictStands() {
		o := w.tooLarge()
		add(o.reason, o.member, o.detail)
	}
	if o := w.lacksRoom(); o != nil {
		add(o.reason, o.member, o.detail)
	}
	for _, m := range w.view.Members {
		w.ofMember(m, add)
	}
	if d.Routine && !w.armed() {
		d = w.voluntary() // what waits keeps waiting
	}
	if !d.Acts() && d.Reason != BelowThreshold && d.Reason != NearQuota { // that is told with its member
		add(d.Reason, w.subject(d), d.Detail)
	}
	return tidy(all)
}

// subject is the member that a reason to wait is a condition of. Whose turn it
// is, and who holds the claim, changes while the waiting lasts; a pause is of
// this host whatever would be done.
func (w world) subject(d Decision) cluster.MemberID {
	if d.Reason == AnotherMembersTurn || d.Reason == WaitingForClaim || d.Reason == Paused {
		return 0
	}
	return d.Member
}

// ofMember adds the conditions of one member. The state of its file is told by
// its own watchdog; that of a member which nobody watches, by all.
func (w world) ofMember(m cluster.Member, add func(Reason, cluster.MemberID, string)) {
	switch {
	case m.Contact == cluster.Mismatched:
		add(IdentityMismatch, m.ID, m.Problem)
		return
	case m.Contact == cluster.Silent:
		// A member that stops answering while somebody works is most likely the
		// one that is being defragmented.
		worked := !w.memory.HeldSince.IsZero() && !w.memory.Of(m.ID).AwaySince.Before(w.memory.HeldSince)
		if !worked {
			add(MemberUnreachable, m.ID, m.Problem)
		}
		return
	case m.ID != w.view.Local && w.watched(m.ID):
		return
	case !m.Quota.Trusted():
		add(QuotaAssumed, m.ID, "neither the member nor the configuration says what its quota is")
		return
	}
	if f, known := faultOf(m); known {
		add(VersionGuard, m.ID, "etcd "+m.Version+": "+f.what)
	}
	if left, soon := w.inSight(m); soon {
		add(QuotaInSight, m.ID, fmt.Sprintf("at its recent growth rate its file will reach the quota in about %s", rough(left)))
	}
	if atLeast(m.SizeBytes, m.Quota, w.limits.WarnAt) {
		add(NearQuota, m.ID, "")
	}
	if w.liveTooLarge(m) && (!w.armed() || w.memory.stood(LiveDataTooLarge, m.ID)) {
		add(LiveDataTooLarge, m.ID, w.futile(m)) // whatever is decided; under NOSPACE only as long as nothing refutes it
	}
}

// lacksRoom returns that the disk of this host has no room for a defragmentation
// which its member needs, whether or not something else is done meanwhile. Under
// NOSPACE that is known only when a compaction has shown how much there is to
// be written; what was known before goes on until then.
func (w world) lacksRoom() *obstacle {
	m, listed := w.view.Member(w.view.Local)
	armed := w.view.Alarmed(cluster.AlarmNoSpace)
	if !listed || !needsWork(w.limits, m, w.quota(m)) || !armed && !m.Quota.Trusted() {
		return nil
	}
	if armed && !w.memory.stood(DiskTooSmall, m.ID) && !(w.compacted(w.memory.Of(m.ID)) && w.inUseKnown(m)) {
		return nil
	}
	return w.noRoom(m)
}

// grade is how bad a condition is that comes on slowly: how many of the further
// thresholds a file has passed, or how often the time that is left was halved.
func (w world) grade(reason Reason, id cluster.MemberID) int {
	m, _ := w.view.Member(id)
	grade := 0
	switch reason {
	case NearQuota, NothingToReclaim:
		for _, share := range []Share{w.limits.DefragmentAt, w.limits.DisarmBelow, w.limits.UrgentAt} {
			if atLeast(m.SizeBytes, m.Quota, share) {
				grade++
			}
		}
	case QuotaInSight:
		left, _ := w.inSight(m)
		for ; grade < halvings && left <= horizon>>(grade+1); grade++ {
		}
	}
	return grade
}

// halvings of the horizon are told: the last is a time of an hour and a half.
const halvings = 4

func (w world) anyAnswers() bool {
	return slices.ContainsFunc(w.view.Members, func(m cluster.Member) bool { return m.Contact == cluster.Answered })
}

func (w world) alarmed(kind cluster.AlarmKind) []string {
	var ids []string
	for _, a := range w.view.Alarms {
		if a.Kind == kind {
			ids = append(ids, a.Member.String())
		}
	}
	return ids
}

// tidy sorts the conditions and drops repetitions; of two that are the same the
// first one's words stay.
func tidy(all []Condition) []Condition {
	slices.SortStableFunc(all, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Member, b.Member))
	})
	return slices.CompactFunc(all, func(a, b Condition) bool { return a.Reason == b.Reason && a.Member == b.Member })
}
