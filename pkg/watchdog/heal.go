package watchdog

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Heal ticks, under the rules of Run, until the cluster is healthy, or until
// waiting would not help, or until ctx is done; a dry run until the first steps
// are reported. It reports whether the cluster
// is healthy, and the last decision.
func (w *Watchdog) Heal(ctx context.Context) (bool, policy.Decision) {
	w.begin()
	defer w.abandon()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var d policy.Decision
	for {
		select {
		case <-ctx.Done():
			return false, d
		case <-w.woken:
		case <-timer.C:
		}
		d = w.Tick(ctx)
		if w.Decided != nil {
			w.Decided(d)
		}
		switch {
		case healthy(w.previous, d):
			return true, d
		case !d.Acts() && !passes(w.previous, d), d.Acts() && w.Passive:
			return false, d
		}
		timer.Reset(d.Next)
	}
}

// healthy reports that there is nothing to heal.
func healthy(v cluster.View, d policy.Decision) bool {
	return len(v.Alarms) == 0 && !d.Acts() && (d.Reason == policy.BelowThreshold || d.Reason == policy.NearQuota)
}

// passes reports that a reason to wait goes away by itself, or by what other
// watchdogs do, within a pass.
func passes(v cluster.View, d policy.Decision) bool {
	armed := v.Alarmed(cluster.AlarmNoSpace)
	switch d.Reason {
	case policy.WaitingForClaim:
		// Without tickets only a process next to a member can have a permit.
		return !armed || len(v.Claims.Watched) > 0 || v.Beside || v.Followed || !v.Claims.Known
	case policy.MemberUnreachable:
		// Under NOSPACE the others are healed without it, once it has been absent
		// for unreachable-grace.
		local, _ := v.Member(v.Local)
		return armed && v.Leader() != 0 && local.Contact == cluster.Answered
	case policy.CoolingDown:
		return armed
	case policy.AnotherMembersTurn, policy.WaitingForCompaction, policy.MemberCatchingUp,
		policy.DefragmentationUnknown, policy.NospaceArmed:
		return true
	default:
		return false
	}
}
