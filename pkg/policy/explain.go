package policy

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Prospect is what is to be expected for one member: what will be done, and why,
// or why not yet.
type Prospect struct {
	Member   cluster.MemberID
	Reason   Reason
	Detail   string
	Steps    []cluster.Step // what will be done first once nothing speaks against it; none: nothing has to be, or nothing can
	Due      bool           // now
	Earliest time.Time      // when what speaks against it ends by itself; zero: no clock says when, or nothing does
}

// Explain returns what is to be expected for each member, in the order of the
// view. It puts the question of Decide once for each member, as the watchdog
// beside it would; for a member that nobody watches, as the one of this host does.
func Explain(l Limits, now time.Time, v cluster.View, mem Memory) []Prospect {
	prospects := make([]Prospect, 0, len(v.Members))
	for _, m := range v.Members {
		w := world{limits: l, now: now, view: besides(v, m.ID), memory: mem}
		prospects = append(prospects, w.prospect(m))
	}
	return prospects
}

// Standing returns what lasts at this look, of every member. The conditions of a
// Decision leave out the files of members that others watch, which tell of them.
func Standing(l Limits, now time.Time, v cluster.View, mem Memory) []Condition {
	d := Decide(l, now, v, mem)
	v.Claims.Watched = nil
	return world{limits: l, now: now, view: v, memory: mem}.standing(d)
}

// besides is the view of the watchdog beside a member, as far as it can be told
// from here: what it knows of its disk, and whether it is paused, is its own.
func besides(v cluster.View, id cluster.MemberID) cluster.View {
	if id == v.Local || !(world{view: v}).watched(id) {
		return v
	}
	v.Local, v.Disk, v.Pause = id, cluster.Disk{}, cluster.Pause{}
	v.Claims.Enrolled, v.Claims.InDoubt = true, false
	return v
}

func (w world) prospect(m cluster.Member) Prospect {
	switch {
	case m.Contact != cluster.Answered:
		reason := map[cluster.Contact]Reason{cluster.Silent: MemberUnreachable, cluster.Mismatched: IdentityMismatch}[m.Contact]
		return Prospect{Member: m.ID, Reason: reason, Detail: m.Problem, Earliest: w.earliest(reason, m.ID)}
	case m.Learner:
		return w.ofLearner(m)
	}
	all := w.decide()
	alone := w // if there were this member and nobody else's work
	alone.limits.Only, alone.view.Claims.Holder = m.ID, ""
	own := alone.decide()
	p := Prospect{Member: m.ID, Reason: all.Reason, Detail: all.Detail, Steps: own.Steps}
	switch {
	case all.Acts() && all.Member == m.ID:
		p.Due, p.Steps = true, all.Steps
		return w.heldBack(p)
	case !own.Acts() && (own.Reason == BelowThreshold || own.Reason == NearQuota):
		p.Reason, p.Detail = w.fullness(m), "" // that decision may be about another member's file
	case !own.Acts():
		p.Reason, p.Detail = own.Reason, own.Detail
	case all.Acts():
		first, _ := w.view.Member(all.Member)
		p.Reason, p.Detail = AnotherMembersTurn, fmt.Sprintf("member %s is worked on first", name(first))
	}
	if p.Earliest = w.earliest(p.Reason, m.ID); p.Earliest.IsZero() {
		p.Earliest = own.Until
	}
	return p
}

func (w world) ofLearner(m cluster.Member) Prospect {
	p := Prospect{Member: m.ID, Reason: w.fullness(m), Detail: "a learner is observed and never worked on"}
	if full, is := w.fullLearner(); is && full.ID == m.ID {
		p.Reason = LearnerFull
	}
	return p
}

// fullness is the reason to do nothing about a member whose file needs nothing.
func (w world) fullness(m cluster.Member) Reason {
	if m.Quota.Trusted() && atLeast(m.SizeBytes, m.Quota, w.limits.WarnAt) {
		return NearQuota
	}
	return BelowThreshold
}

// heldBack turns what is due into what would be, where nothing is done at all.
func (w world) heldBack(p Prospect) Prospect {
	switch {
	case w.limits.Observe:
		p.Due, p.Reason, p.Detail = false, Observing, "maintenance.mode is observe"
	case w.view.Pause.Holds(w.now):
		p.Due, p.Reason, p.Detail, p.Earliest = false, Paused, w.paused(), w.view.Pause.Until
	}
	return p
}

// earliest is when a reason to leave a member alone ends by itself; zero if no
// clock says, or if this process has only just begun to count.
func (w world) earliest(reason Reason, id cluster.MemberID) time.Time {
	mm := w.memory.Of(id)
	switch {
	case reason == CoolingDown && w.failedLately(id) != nil:
		return mm.retryAt()
	case reason == CoolingDown:
		return w.opening(mm.CooldownUntil())
	case reason == OutsideWindow && len(w.limits.Windows) > 0:
		return w.opening(w.now)
	case reason == MemberUnreachable && w.armed() && mm.AwaySince.Before(w.now) && !mm.AwaySince.IsZero():
		return mm.AwaySince.Add(w.limits.UnreachableGrace)
	default:
		return time.Time{}
	}
}

// opening is the first moment from t on at which voluntary work is welcome; zero
// if there is none in a week. Without windows that is any.
func (w world) opening(t time.Time) time.Time {
	if len(w.limits.Windows) == 0 {
		return t
	}
	for range 8 * 24 * 60 {
		for _, win := range w.limits.Windows {
			if win.Open(t) {
				return t
			}
		}
		t = t.Truncate(time.Minute).Add(time.Minute)
	}
	return time.Time{}
}
