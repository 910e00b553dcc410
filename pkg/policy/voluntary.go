package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// firstGuess is how fast a defragmentation is taken to be, in bytes left
	// behind per second, until the member's own speed is known. Spinning disks
	// reach it; most others are faster.
	firstGuess = 50 << 20
)

// voluntary is rules 7 to 9: nothing is refused yet, so there is a choice.
func (w world) voluntary() Decision {
	var targets []cluster.Member
	rest := Decision{Reason: BelowThreshold}
	for _, m := range w.view.Voters() {
		if m.Contact != cluster.Answered || !m.Quota.Trusted() {
			continue
		}
		if atLeast(m.SizeBytes, m.Quota, w.limits.WarnAt) {
			rest = Decision{Reason: NearQuota, Member: m.ID}
		}
		if w.asked(m) && atLeast(m.SizeBytes, m.Quota, w.limits.DefragmentAt) {
			targets = append(targets, m)
		}
	}
	if len(targets) == 0 {
		return rest
	}
	w.order(targets)
	return w.firstWilling(targets)
}

// firstWilling returns the work on the first member in the order that nothing
// speaks against, or why there is none.
func (w world) firstWilling(targets []cluster.Member) Decision {
	var first *obstacle
	var willing []cluster.Member
	for _, m := range targets {
		if o := w.unwilling(m); o == nil {
			willing = append(willing, m)
		} else if first == nil || m.ID == w.view.Local {
			first = o // of several reasons that of this host's own member
		}
	}
	if len(willing) == 0 {
		return wait(*first)
	}
	return w.work(willing)
}

// unwilling returns why a member is better left alone for now.
func (w world) unwilling(m cluster.Member) *obstacle {
	if o := w.guarded(m); o != nil {
		return o
	}
	if o := w.noRoom(m); o != nil {
		return o
	}
	if o := w.failedLately(m.ID); o != nil {
		return o
	}
	if !w.worth(m) {
		if w.liveTooLarge(m) {
			return &obstacle{LiveDataTooLarge, m.ID, w.futile(m)}
		}
		return &obstacle{NothingToReclaim, m.ID, fmt.Sprintf("a defragmentation of member %s would win %s, less than it is worth",
			name(m), cluster.FormatBytes(m.ReclaimableBytes()))}
	}
	if _, _, due := w.historyGivesWay(); due && !w.urgent(m) && atLeast(m.InUseBytes, m.Quota, w.limits.CompactAt) {
		return &obstacle{AnotherMembersTurn, m.ID, fmt.Sprintf(
			"what is in use of member %s is compacted first, and that is begun by the watchdog of another member", name(m))}
	}
	if m.ID == w.view.Leader() && !w.inWindow() {
		if _, ok := w.successor(m, []cluster.Member{m}); !ok && len(w.view.Voters()) > 1 {
			return &obstacle{OutsideWindow, m.ID, fmt.Sprintf("member %s leads and the leadership cannot be moved away; that is left to a maintenance window", name(m))}
		}
	}
	if w.urgent(m) || w.limits.Immediate {
		return nil
	}
	return w.badTime(m)
}

// badTime returns why work that can wait should wait: cooldown, window, stall
// budget.
func (w world) badTime(m cluster.Member) *obstacle {
	mm := w.memory.Of(m.ID)
	if ready := mm.CooldownUntil(); w.now.Before(ready) {
		return &obstacle{CoolingDown, m.ID, fmt.Sprintf("member %s was defragmented not long ago and is left alone until %s",
			name(m), ready.UTC().Format(time.RFC3339))}
	}
	if w.inWindow() {
		return nil
	}
	if len(w.limits.Windows) > 0 || len(w.view.Voters()) < 3 {
		return &obstacle{OutsideWindow, m.ID, fmt.Sprintf("member %s waits for a maintenance window", name(m))}
	}
	if stall := w.predict(m); stall > w.limits.StallBudget {
		return &obstacle{StallBudget, m.ID, fmt.Sprintf("member %s would be blocked for about %s, longer than maintenance.stall-budget; it waits for a window, or until it is urgent",
			name(m), stall.Round(time.Second))}
	}
	return nil
}

// worth reports that a defragmentation wins enough of the quota.
func (w world) worth(m cluster.Member) bool {
	least := w.limits.MinReclaim
	if w.urgent(m) {
		least /= 2
	}
	return atLeast(m.ReclaimableBytes(), m.Quota, least)
}

func (w world) inWindow() bool {
	return slices.ContainsFunc(w.limits.Windows, func(win Window) bool { return win.Open(w.now) })
}

// asked reports that a member is among those to be worked on at all.
func (w world) asked(m cluster.Member) bool {
	return w.limits.Only == 0 || w.limits.Only == m.ID
}

func (w world) askedOf(members []cluster.Member) []cluster.Member {
	return slices.DeleteFunc(slices.Clone(members), func(m cluster.Member) bool { return !w.asked(m) })
}

// urgent reports that work on a member does not wait for a better time.
func (w world) urgent(m cluster.Member) bool {
	return w.view.Alarmed(cluster.AlarmNoSpace) || m.Quota.Trusted() && atLeast(m.SizeBytes, m.Quota, w.limits.UrgentAt)
}

// urgency is the reason of work on a member.
func (w world) urgency(m cluster.Member) Reason {
	if w.view.Alarmed(cluster.AlarmNoSpace) {
		return NospaceArmed
	}
	return NearQuota
}

// keptFrom is the revision to compact at: under NOSPACE no history is kept
// back, else keep-revisions of it (I4).
func (w world) keptFrom() int64 {
	if w.view.Alarmed(cluster.AlarmNoSpace) {
		return w.view.Revision()
	}
	return max(0, w.view.Revision()-w.limits.KeepRevisions)
}

// predict is how long a defragmentation will block a member.
func (w world) predict(m cluster.Member) time.Duration {
	speed := w.memory.Of(m.ID).BytesPerSecond
	if speed <= 0 {
		speed = firstGuess
	}
	return time.Duration(float64(m.InUseBytes) / speed * float64(time.Second))
}
