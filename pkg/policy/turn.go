package policy

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// usageStep is how finely files are told apart when the fullest goes first.
// Watchdogs that look at different moments must come to the same order.
const usageStep = 0.01

// work returns the decision about one of several members that need a
// defragmentation: whose turn it is, and what is done when it is ours.
func (w world) work(targets []cluster.Member) Decision {
	permit := w.permit()
	if permit == NoPermit {
		return wait(obstacle{WaitingForClaim, 0, "this host has no ticket yet"})
	}
	if permit == FixedOrder {
		return w.inFixedOrder(targets)
	}
	if holder := w.view.Claims.Holder; holder != "" {
		return wait(obstacle{WaitingForClaim, w.view.Claims.HolderMember, "the claim is held by " + holder})
	}
	return w.inTurn(targets)
}

// order sorts the members that need work: fullest first, the leader last.
func (w world) order(targets []cluster.Member) {
	leader := w.view.Leader()
	last := func(m cluster.Member) int {
		if m.ID == leader {
			return 1
		}
		return 0
	}
	slices.SortFunc(targets, func(a, b cluster.Member) int {
		return cmp.Or(
			cmp.Compare(last(a), last(b)),
			cmp.Compare(int(w.usage(b)/usageStep), int(w.usage(a)/usageStep)),
			compareIDs(a.ID, b.ID))
	})
}

// inTurn walks the order with a ticket at hand. A member whose own watchdog
// does not do it is adopted.
func (w world) inTurn(targets []cluster.Member) Decision {
	w.order(targets)
	var skipped *cluster.Member
	for i, m := range targets {
		switch {
		case m.ID == w.view.Local && skipped != nil && m.ID == w.view.Leader():
			return w.unwatched(*skipped)
		case m.ID == w.view.Local:
			return w.defragment(m, targets, w.permit(), false)
		case w.abandoned(m) && w.adopter(m.ID) == w.view.Local:
			return w.defragment(m, targets, w.permit(), true)
		case w.abandoned(m), w.watched(m.ID):
			return w.othersTurn(m)
		}
		skipped = &targets[i]
	}
	return w.unwatched(*skipped)
}

func (w world) unwatched(m cluster.Member) Decision {
	return wait(obstacle{AnotherMembersTurn, m.ID, fmt.Sprintf(
		"nobody watches member %s; it is adopted once that has lasted for %s", name(m), w.limits.AdoptAfter)})
}

func (w world) othersTurn(m cluster.Member) Decision {
	return wait(obstacle{AnotherMembersTurn, m.ID, fmt.Sprintf("member %s is worked on first", name(m))})
}

func (w world) watched(id cluster.MemberID) bool {
	return slices.Contains(w.view.Claims.Watched, id)
}

// abandoned reports that a member's own watchdog does not work on it: there is
// none, or, when it is urgent, it has made no progress for too long.
func (w world) abandoned(m cluster.Member) bool {
	if !w.watched(m.ID) {
		since := w.memory.Of(m.ID).UnwatchedSince
		return !since.IsZero() && w.now.Sub(since) >= w.limits.AdoptAfter
	}
	urgent := w.view.Alarmed(cluster.AlarmNoSpace) || atLeast(m.SizeBytes, m.Quota, w.limits.UrgentAt)
	return urgent && w.idle(m) >= w.limits.AdoptAfter
}

// idle is how long a member has needed work without any progress being seen.
func (w world) idle(m cluster.Member) time.Duration {
	since := w.memory.Of(m.ID).WorkSince
	if since.IsZero() {
		return 0
	}
	return w.now.Sub(since)
}

// adopter is the watchdog that works on a member which its own does not do:
// the one with the lowest member id among those whose own member votes and
// answers.
func (w world) adopter(of cluster.MemberID) cluster.MemberID {
	for _, id := range w.view.Claims.Watched {
		if m, listed := w.view.Member(id); listed && id != of && !m.Learner && m.Contact == cluster.Answered {
			return id
		}
	}
	return 0
}

// inFixedOrder is the order for watchdogs that met NOSPACE without tickets:
// ascending member ids, one's own turn only, after two equal looks. A member that
// makes no progress is passed over, the second of them after twice the time and
// so on: all of them began to wait together, and only one shall go next.
func (w world) inFixedOrder(targets []cluster.Member) Decision {
	slices.SortFunc(targets, func(a, b cluster.Member) int { return compareIDs(a.ID, b.ID) })
	for i, m := range targets {
		stuck := w.idle(m) >= w.limits.AdoptAfter*time.Duration(1+i)
		switch {
		case m.ID == w.view.Local && !w.lookedTwice():
			return wait(obstacle{AnotherMembersTurn, m.ID, "nobody can hold the claim while writes are refused; looking a second time before this member's turn"})
		case m.ID == w.view.Local:
			return w.defragment(m, targets, FixedOrder, false)
		case !stuck:
			return w.othersTurn(m)
		}
	}
	first := targets[0]
	if w.idle(first) < w.limits.AdoptAfter*time.Duration(2+w.rank()) || !w.lookedTwice() {
		return wait(obstacle{AnotherMembersTurn, first.ID, fmt.Sprintf(
			"nobody works on member %s; this host's watchdog will, unless somebody does meanwhile", name(first))})
	}
	return w.defragment(first, targets, FixedOrder, true)
}

// rank is how many voters come before the local member. Without a claim it
// keeps two watchdogs from adopting at the same moment.
func (w world) rank() int {
	return slices.IndexFunc(w.view.Voters(), func(m cluster.Member) bool { return m.ID == w.view.Local })
}

// defragment returns the decision to work on one member, or why it must wait.
func (w world) defragment(m cluster.Member, targets []cluster.Member, permit Permit, adopted bool) Decision {
	if o := unfit(w.limits, w.now, w.view, w.memory, m.ID); o != nil {
		return wait(*o)
	}
	if holder := w.view.Claims.Holder; permit == FixedOrder && holder != "" {
		return wait(obstacle{WaitingForClaim, w.view.Claims.HolderMember, "the claim is held by " + holder})
	}
	d := Decision{Reason: w.urgency(m), Member: m.ID, Permit: permit, Urgent: w.urgent(m), Expected: w.predict(m)}
	if adopted {
		d.Reason = Adopted
	}
	if revision := w.keptFrom(); revision > 0 {
		d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepCompact, Member: m.ID, Revision: revision})
	}
	if m.ID == w.view.Leader() {
		to, ok := w.successor(m, targets)
		if ok {
			d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepMoveLeader, Member: m.ID, To: to})
		} else if len(w.view.Voters()) > 1 {
			d.Risk = "the leader is worked on in place; leases cannot be renewed meanwhile, and short ones may expire"
		}
	}
	if pauses(w.view, m.ID) {
		d.Risk = "the cluster pauses meanwhile, since too few other voters are there"
	}
	d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepDefragment, Member: m.ID})
	return d
}

// successor is the voter that the leadership moves to: done, healthy, caught
// up; of several the one with the most recent applied index, then the lowest id.
func (w world) successor(leader cluster.Member, targets []cluster.Member) (cluster.MemberID, bool) {
	if !w.limits.MoveLeader {
		return 0, false
	}
	var best cluster.Member
	for _, m := range w.view.Voters() {
		busy := slices.ContainsFunc(targets, func(t cluster.Member) bool { return t.ID == m.ID })
		if m.ID == leader.ID || busy || !CaughtUp(w.view, m.ID) {
			continue
		}
		if best.ID == 0 || m.AppliedIndex > best.AppliedIndex {
			best = m
		}
	}
	return best.ID, best.ID != 0
}
