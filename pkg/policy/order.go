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
const usageStep = 0.01

// work returns the decision about members that need a defragmentation, under
// whatever permit this watchdog can have.
func (w world) work(targets []cluster.Member) Decision {
	permit := w.permit()
	if permit == NoPermit {
		return wait(w.noPermit())
	}
	if asked := w.askedOf(targets); len(asked) > 0 {
		targets = asked
	} else {
		return wait(obstacle{reason: AnotherMembersTurn, member: targets[0].ID, detail: fmt.Sprintf("member %s comes first, and work on it was not asked for", name(targets[0]))})
	}
	if o := w.held(); o != nil {
		return wait(*o)
	}
	switch permit {
	case Claim:
		return w.underClaim(targets)
	case Term:
		return w.underTerm(targets)
	default:
		w.order(targets)
		return w.firstOf(targets, targets).under(permit)
	}
}

// held returns that the claim is taken, if it is.
func (w world) held() *obstacle {
	claims := w.view.Claims
	if claims.Holder == "" {
		return nil
	}
	return &obstacle{reason: WaitingForClaim, member: claims.HolderMember, detail: "the claim is held by " + claims.Holder}
}

// permit is what this watchdog may work under.
func (w world) permit() Permit {
	claims, armed := w.view.Claims, w.armed()
	unclaimed := len(claims.Watched) == 0
	switch {
	case w.learns():
		return NoPermit
	case len(w.view.Voters()) == 1:
		return SingleVoter
	case !claims.Known:
		return NoPermit
	case w.limits.Alone && armed && unclaimed:
		return Alone
	case armed && unclaimed:
		return Term
	case claims.Enrolled && !w.now.Before(claims.UsableAt) && !(armed && RefusesDeletes(w.view)):
		return Claim
	default:
		return NoPermit
	}
}

// noPermit says why this watchdog waits.
func (w world) noPermit() obstacle {
	o := obstacle{reason: WaitingForClaim}
	switch claims := w.view.Claims; {
	case w.learns():
		o.detail = "the member of this host is a learner, which takes no such requests; the watchdogs of the voters heal the cluster"
	case !claims.Known:
		o.detail = "the claim could not be read from etcd"
	case w.armed() && RefusesDeletes(w.view):
		o.detail = "a full member of this version refuses the transaction that takes a ticket, so every watchdog gives its tickets up first"
	case claims.Enrolled:
		o.detail, o.until = "the tickets of this host were put a moment ago, and work under an older permit may still be on its way", claims.UsableAt
	case w.armed():
		o.detail = "this host has no ticket and can get none while writes are refused; the hosts that have one heal the cluster"
	default:
		o.detail = "this host has no ticket yet"
	}
	return o
}

// learns reports that the local member is a learner: requests of ours can't go
// through it (I5).
func (w world) learns() bool {
	local, _ := w.view.Member(w.view.Local)
	return local.Learner
}

// order sorts the members that need work: the leader last, the fullest first.
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

// underClaim is the order of those who have tickets. The claim itself is the
// order: each watchdog takes it for its own member, the leader's last, and for
// members that their own watchdogs do not do.
func (w world) underClaim(targets []cluster.Member) Decision {
	w.order(targets)
	leads := w.view.Leader() == w.view.Local
	var mine []cluster.Member
	for _, m := range targets {
		switch {
		case m.ID == w.view.Local && !leads:
			mine = slices.Insert(mine, 0, m)
		case m.ID == w.view.Local && w.othersAreAtIt(targets):
			if len(mine) == 0 {
				return wait(obstacle{reason: AnotherMembersTurn, member: targets[0].ID, detail: fmt.Sprintf("member %s leads and is worked on last", name(m))})
			}
		case m.ID == w.view.Local, w.adoptable(m):
			mine = append(mine, m)
		}
	}
	if len(mine) == 0 {
		first := targets[0]
		return wait(obstacle{
			reason: AnotherMembersTurn, member: first.ID, until: w.adoptAt(first),
			detail: fmt.Sprintf("member %s is worked on by its own watchdog; it is adopted if that makes no progress", name(first)),
		})
	}
	return w.firstOf(mine, targets).under(Claim)
}

// othersAreAtIt reports that a watched voter besides the leader needs work, and
// that there has been progress not long ago.
func (w world) othersAreAtIt(targets []cluster.Member) bool {
	return slices.ContainsFunc(targets, func(m cluster.Member) bool {
		return m.ID != w.view.Local && w.watched(m.ID) && w.now.Sub(w.idleSince(m)) < w.limits.AdoptAfter
	})
}

func (w world) watched(id cluster.MemberID) bool {
	return slices.Contains(w.view.Claims.Watched, id)
}

// idleSince is since when a member has needed work while no work on any member
// got anywhere: who waits for another's work is not neglected.
func (w world) idleSince(m cluster.Member) time.Time {
	since := w.memory.Of(m.ID).LargeSince
	if since.IsZero() {
		return w.now
	}
	if w.memory.ProgressAt.After(since) {
		return w.memory.ProgressAt
	}
	return since
}

// adoptAt is when this watchdog may work on a member of another one. Under
// NOSPACE a member without tickets can get none, so there is nothing to wait
// for. Else each enrolled watchdog gets its share of the time, by rank, so that
// none is the only candidate. A watched member is adopted under NOSPACE, or from
// urgent-at on; else its own watchdog knows why it waits, and the time is zero.
func (w world) adoptAt(m cluster.Member) time.Time {
	if w.armed() && !w.watched(m.ID) {
		return w.now
	}
	share := w.limits.AdoptAfter * time.Duration(1+w.rank(w.view.Claims.Watched, m.ID))
	if !w.watched(m.ID) {
		since := w.memory.Of(m.ID).LargeSince
		if since.IsZero() {
			since = w.now
		}
		return since.Add(share)
	}
	if !w.urgent(m) {
		return time.Time{}
	}
	return w.idleSince(m).Add(share)
}

// adoptable reports that this watchdog may work on a member of another one now.
func (w world) adoptable(m cluster.Member) bool {
	at := w.adoptAt(m)
	return !at.IsZero() && !w.now.Before(at)
}

// rank is how many of these members, sorted by id, come before the local one,
// without the one that the work is on.
func (w world) rank(ids []cluster.MemberID, on cluster.MemberID) int {
	rank := 0
	for _, id := range ids {
		if id == w.view.Local {
			break
		}
		if id != on {
			rank++
		}
	}
	return rank
}

// moveTries is how often in a row work on the leader may fail before it is worked
// on in place: whoever may not move the leadership can still defragment.
const moveTries = 2

// defragment returns the decision to work on one member, or why it must wait.
// The caller sets the permit.
func (w world) defragment(m cluster.Member, targets []cluster.Member, adopted bool) Decision {
	if o := unfit(w.limits, w.now, w.view, w.memory, m.ID); o != nil {
		return wait(*o)
	}
	if o := w.noRoom(m); o != nil {
		return wait(*o)
	}
	if o := w.failedLately(m.ID); o != nil {
		return wait(*o)
	}
	mm := w.memory.Of(m.ID)
	if !mm.CompactingSince.IsZero() {
		return wait(obstacle{reason: WaitingForCompaction, member: m.ID, detail: fmt.Sprintf("a compaction through member %s has run for %s", name(m), w.now.Sub(mm.CompactingSince).Round(time.Second))})
	}
	d := Decision{Reason: w.urgency(), Member: m.ID, Urgent: w.urgent(m), Expected: w.predict(m)}
	if adopted {
		d.Reason = Adopted
	}
	// Under NOSPACE every member has been compacted through before.
	if revision := w.view.Revision() - w.limits.KeepRevisions; revision > 0 && !w.armed() {
		d.Steps = append(d.Steps, cluster.Step{Kind: cluster.StepCompact, Member: m.ID, Revision: revision})
	}
	inPlace := m.ID == w.view.Leader()
	if to, ok := w.successor(m, targets); ok && inPlace && mm.Failures < moveTries {
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
		risks = append(risks, "the leader is worked on in place: no lease can be renewed during that time, and short ones may expire")
	}
	if f, known := faultOf(m); known {
		risks = append(risks, fmt.Sprintf("etcd %s has a known fault: %s", m.Version, f.what))
	}
	if pauses(w.view, m.ID) {
		risks = append(risks, "the cluster pauses during that time, because too few other voters answer")
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
		if m.ID == leader.ID || !CaughtUp(w.view, m.ID) || excused(w.limits, w.now, w.view, w.memory, m) {
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
