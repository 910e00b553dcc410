package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// usageStep is how finely files are told apart when the fullest goes first.
// Watchdogs that look at different moments must come to the same order.
const usageStep = 0.01

// passedOverBefore: a turn without a claim ends this part of adopt-after before
// the next one's begins. The watchdogs began to count at looks of their own, and
// two must not go at once.
const passedOverBefore = 4

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
			cmp.Compare(a.ID, b.ID))
	})
}

// inTurn walks the order with a ticket at hand. A member whose own watchdog
// does not do it is adopted.
func (w world) inTurn(targets []cluster.Member) Decision {
	w.order(targets)
	if asked := w.askedOf(targets); len(asked) > 0 {
		targets = asked // the claim keeps the others from being worked on meanwhile
	}
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

// waited is how long a member's turn without a claim has lasted: who had to wait
// for another member's work has not been neglected, and as that ends, it must not
// be passed over at once.
func (w world) waited(m cluster.Member) time.Duration {
	if w.adopting() {
		return w.idle(m)
	}
	return min(w.idle(m), w.now.Sub(w.memory.ProgressAt))
}

// waitedForOthers is waited by the clock of any other watchdog that may have seen
// more of it: what is this one's own turn has to be over by that clock.
func (w world) waitedForOthers(m cluster.Member) time.Duration {
	from := w.memory.Of(m.ID).WorkFrom
	if from.IsZero() {
		return 0
	}
	if w.adopting() {
		return w.now.Sub(from)
	}
	return min(w.now.Sub(from), w.now.Sub(w.memory.ProgressFrom))
}

// adopting reports that the last progress was a member that this watchdog has
// adopted: its turn goes on.
func (w world) adopting() bool {
	return slices.ContainsFunc(w.memory.Members, func(mm MemberMemory) bool {
		return mm.ID != w.view.Local && !mm.WorkedAt.IsZero() && !mm.WorkedAt.Before(w.memory.ProgressAt)
	})
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
	slices.SortFunc(targets, func(a, b cluster.Member) int { return cmp.Compare(a.ID, b.ID) })
	for i, m := range targets {
		patience := w.limits.AdoptAfter * time.Duration(1+i)
		stuck := w.waited(m) >= patience
		left := patience - w.limits.AdoptAfter/passedOverBefore - w.waitedForOthers(m)
		switch {
		case m.ID == w.view.Local && left <= 0:
			continue // the others pass over this member: a watchdog that fails, or is late, goes behind them
		case m.ID == w.view.Local && !w.lookedTwice():
			return wait(obstacle{AnotherMembersTurn, m.ID, "nobody can hold the claim while writes are refused; looking a second time before this member's turn"})
		case m.ID == w.view.Local:
			return w.defragment(m, targets, FixedOrder, false).until(w.now.Add(left))
		case !stuck:
			return w.othersTurn(m)
		}
	}
	first := targets[0]
	left := w.adoptionTurn(first)
	if left <= 0 || !w.lookedTwice() {
		return wait(obstacle{AnotherMembersTurn, first.ID, fmt.Sprintf(
			"nobody works on member %s; this host's watchdog will, unless somebody does meanwhile", name(first))})
	}
	return w.defragment(first, targets, FixedOrder, true).until(w.now.Add(left))
}

// until bounds a turn.
func (d Decision) until(end time.Time) Decision {
	if d.Acts() {
		d.TurnEnds = end
	}
	return d
}

// adoptionTurn is how long the local watchdog's turn to adopt a member without a
// claim still lasts; 0 or less: it is not its turn. The turns go round by rank, the
// number of voters that come before: each is over before the next begins, so that
// two never adopt at the same moment, also when the first one's tries fail.
func (w world) adoptionTurn(m cluster.Member) time.Duration {
	voters := w.view.Voters()
	rank := slices.IndexFunc(voters, func(v cluster.Member) bool { return v.ID == w.view.Local })
	waited := w.idle(m) - w.limits.AdoptAfter*time.Duration(2+rank)
	if waited < 0 || w.waited(m) < w.limits.AdoptAfter {
		return 0
	}
	round := w.limits.AdoptAfter * time.Duration(len(voters))
	return w.limits.AdoptAfter - w.limits.AdoptAfter/passedOverBefore - waited%round
}

// defragment returns the decision to work on one member, or why it must wait.
func (w world) defragment(m cluster.Member, targets []cluster.Member, permit Permit, adopted bool) Decision {
	if o := unfit(w.limits, w.now, w.view, w.memory, m.ID); o != nil {
		return wait(*o)
	}
	if !w.asked(m) {
		return wait(obstacle{AnotherMembersTurn, m.ID, fmt.Sprintf("member %s comes first, and work on it was not asked for", name(m))})
	}
	if o := w.noRoom(m); o != nil {
		return wait(*o)
	}
	if o := w.failedLately(m.ID); o != nil {
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
	inPlace := m.ID == w.view.Leader()
	if to, ok := w.successor(m, targets); ok && inPlace {
		d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepMoveLeader, Member: m.ID, To: to})
		inPlace = false
	}
	d.Risk = w.risk(m, inPlace)
	d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepDefragment, Member: m.ID})
	return d
}

// risk is what a defragmentation of a member may cost; empty: nothing but the
// time that it takes.
func (w world) risk(m cluster.Member, leading bool) string {
	var risks []string
	if leading && len(w.view.Voters()) > 1 {
		risks = append(risks, "the leader is worked on in place; leases cannot be renewed meanwhile, and short ones may expire")
	}
	if f, known := faultOf(m); known {
		risks = append(risks, fmt.Sprintf("etcd %s has a known fault: %s", m.Version, f.what))
	}
	if pauses(w.view, m.ID) {
		risks = append(risks, "the cluster pauses meanwhile, since too few other voters are there")
	}
	return strings.Join(risks, "; ")
}

// successor is the voter that the leadership moves to: healthy and caught up,
// and done, unless none is yet. Of several it is the one with the most recent
// applied index, then the lowest id.
func (w world) successor(leader cluster.Member, targets []cluster.Member) (cluster.MemberID, bool) {
	if !w.limits.MoveLeader {
		return 0, false
	}
	var best cluster.Member
	for _, m := range w.view.Voters() {
		if m.ID == leader.ID || !CaughtUp(w.view, m.ID) {
			continue
		}
		better := cmp.Or(compareBool(among(targets, best), among(targets, m)), cmp.Compare(m.AppliedIndex, best.AppliedIndex))
		if best.ID == 0 || better > 0 {
			best = m
		}
	}
	return best.ID, best.ID != 0
}

func among(members []cluster.Member, m cluster.Member) bool {
	return slices.ContainsFunc(members, func(o cluster.Member) bool { return o.ID == m.ID })
}

// compareBool orders false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}
