package watchdog

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// readClaims reads the claim. It needs a quorum, so it is not tried without.
func (w *Watchdog) readClaims(ctx context.Context, v cluster.View) cluster.Claims {
	if v.Leader() == 0 {
		return cluster.Claims{}
	}
	claims, err := w.Book.Read(ctx, v.VoterIDs(), v.Local)
	if err != nil {
		w.failed(v, "claim", fmt.Errorf("reading the claim from etcd: %w", err))
		return cluster.Claims{}
	}
	w.claimsAt = v.At
	delete(w.errors, "claim")
	if w.Passive {
		return asIfEnrolled(claims, v.Local)
	}
	if claims.Enrolled && !w.enrolled {
		w.enrolled = true
		w.Recorder.Record(event.Event{Kind: event.Resumed, Member: v.Local, MemberName: nameOf(v, v.Local), Tickets: w.Tickets})
	}
	if !claims.Enrolled {
		w.enrolled = false
	}
	if w.tickets > 0 && claims.Tickets == 0 && v.Alarmed(cluster.AlarmNoSpace) {
		w.Recorder.Record(event.Event{Kind: event.LastTicket, Member: v.Local, MemberName: nameOf(v, v.Local)})
	}
	w.tickets = claims.Tickets
	return claims
}

// asIfEnrolled is what the claim would show if this process held tickets: what
// a watchdog that writes nothing decides by.
func asIfEnrolled(claims cluster.Claims, local cluster.MemberID) cluster.Claims {
	claims.Enrolled, claims.InDoubt, claims.UsableAt = true, false, time.Time{}
	if !slices.Contains(claims.Watched, local) {
		claims.Watched = append(slices.Clone(claims.Watched), local)
		slices.Sort(claims.Watched)
	}
	return claims
}

// enrol puts the tickets that are missing from the book as soon as etcd accepts
// writes, and reports whether the claim has to be read anew.
func (w *Watchdog) enrol(ctx context.Context, v cluster.View) bool {
	local, _ := v.Member(v.Local)
	writable := len(v.Alarms) == 0 && v.Leader() != 0 && local.Contact == cluster.Answered && !local.Learner
	able := w.memory.Of(v.Local).AwaySince.IsZero() && !v.Pause.Holds(v.At)
	if w.Passive || !writable || !able || !v.Claims.Known || v.Claims.InDoubt || v.Claims.Enrolled && w.full {
		return false
	}
	err := w.Book.Enrol(ctx, v.Local)
	e := event.Event{Kind: event.Enrolled, Member: v.Local, MemberName: local.Name, Tickets: w.Tickets}
	if err != nil {
		if w.news("enrol", err) {
			e.Kind, e.Error = event.EnrolFailed, err.Error()
			w.Recorder.Record(e)
		}
		return false
	}
	if !w.enrolled {
		w.Recorder.Record(e)
	}
	delete(w.errors, "enrol")
	w.enrolled, w.full = true, true
	return true
}

// leave gives the tickets up of a watchdog that cannot work: as long as they are
// there, hosts that have none wait for them under NOSPACE. Nothing is given up
// while work may be going on under a ticket. It reports whether the claim has to
// be read again.
func (w *Watchdog) leave(ctx context.Context, v cluster.View) bool {
	why := w.unable(v)
	if w.Passive || why == "" || len(v.Claims.Own) == 0 || v.Claims.InDoubt || w.held != nil || w.resumed || len(w.memory.Doubts) > 0 {
		return false
	}
	if err := w.Book.Leave(ctx); err != nil {
		w.failed(v, "leave", fmt.Errorf("giving the tickets up, because %s: %w", why, err))
		return false
	}
	w.Recorder.Record(event.Event{Kind: event.TicketsGivenUp, Member: v.Local, MemberName: nameOf(v, v.Local), Detail: why})
	delete(w.errors, "leave")
	w.enrolled, w.full, w.tickets = false, false, 0
	return true
}

// unable says why this watchdog cannot work, or "".
func (w *Watchdog) unable(v cluster.View) string {
	local, listed := v.Member(v.Local)
	away := w.memory.Of(v.Local).AwaySince
	armed := v.Alarmed(cluster.AlarmNoSpace)
	switch {
	case v.Problem != "" || v.Local == 0:
		return ""
	case v.Leader() != 0 && (!listed || local.Learner):
		return "its member is not among the voters"
	case !away.IsZero() && v.At.Sub(away) >= w.Limits.AdoptAfter:
		return "its member has not answered for " + w.Limits.AdoptAfter.String()
	case another(v):
		return "they are for another member than the one on this host"
	case v.Pause.Holds(v.At):
		return "this host's watchdog is paused"
	case armed && w.refusesTakes(v):
		return "full members of this version of etcd refuse to let a ticket be taken"
	case armed && w.idle(v):
		return "work is due and has got nowhere for " + (idleShares * w.Limits.AdoptAfter).String()
	default:
		return ""
	}
}

// refusesTakes reports that some voter runs a version whose full members refuse
// the transaction that takes a ticket.
func (w *Watchdog) refusesTakes(v cluster.View) bool { return policy.RefusesDeletes(v) }

// idleShares times adopt-after is how long due work may get nowhere.
const idleShares = 3

// idle reports that work is due under NOSPACE, that nothing speaks against it which
// ends by itself, and that no watchdog has got anywhere for long.
func (w *Watchdog) idle(v cluster.View) bool {
	switch w.last.Reason {
	case policy.CoolingDown, policy.IdentityMismatch, policy.DiskTooSmall, policy.AnotherMembersTurn, policy.WaitingForCompaction:
	case policy.MemberUnreachable, policy.MemberCatchingUp:
		if !w.last.Until.IsZero() {
			return false
		}
	default:
		w.idleSince = time.Time{}
		return false
	}
	if w.idleSince.IsZero() || w.memory.ProgressAt.After(w.idleSince) || v.Claims.Holder != "" {
		w.idleSince = v.At
	}
	return v.At.Sub(w.idleSince) >= idleShares*w.Limits.AdoptAfter
}

// another reports that the member of this host is not the one that its tickets
// are for: it was replaced, or the endpoint changed.
func another(v cluster.View) bool {
	local, listed := v.Member(v.Local)
	return listed && local.Contact == cluster.Answered && slices.ContainsFunc(v.Claims.Own, func(id cluster.MemberID) bool { return id != v.Local })
}
