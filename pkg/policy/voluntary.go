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

// urgentWork is rule 7.
func (w world) urgentWork() (Decision, bool) {
	return w.willingWork(w.limits.UrgentAt)
}

// voluntaryWork is rule 8.
func (w world) voluntaryWork() (Decision, bool) {
	return w.willingWork(w.limits.DefragmentAt)
}

// willingWork is the work on the members whose files are so large, as far as
// nothing speaks against it.
func (w world) willingWork(from Share) (Decision, bool) {
	var willing []cluster.Member
	for _, m := range w.filesFrom(from) {
		if w.unwilling(m) == nil {
			willing = append(willing, m)
		}
	}
	if len(willing) == 0 {
		return Decision{}, false
	}
	return w.work(willing), true
}

// voluntary is rules 7 to 9.
func (w world) voluntary() Decision {
	for _, decide := range []func(world) (Decision, bool){world.urgentWork, world.voluntaryWork} {
		if d, applies := decide(w); applies {
			return d
		}
	}
	d, _ := w.nothing()
	return d
}

// nothing is rule 9: why nothing is done about the files that are large, this
// host's own member first; or that there is nothing to do.
func (w world) nothing() (Decision, bool) {
	rest := Decision{Reason: BelowThreshold}
	for _, m := range w.view.Voters() {
		if w.fullness(m) == NearQuota && m.Contact == cluster.Answered {
			rest = Decision{Reason: NearQuota, Member: m.ID}
		}
	}
	var first *obstacle
	large := w.filesFrom(w.limits.DefragmentAt)
	w.order(large)
	for _, m := range large {
		if o := w.unwilling(m); first == nil || m.ID == w.view.Local {
			first = o
		}
	}
	if first != nil {
		return wait(*first), true
	}
	return rest, true
}

// filesFrom returns the voters to be worked on whose file takes that share of a
// known quota.
func (w world) filesFrom(share Share) []cluster.Member {
	return slices.DeleteFunc(w.view.Voters(), func(m cluster.Member) bool {
		return m.Contact != cluster.Answered || !m.Quota.Trusted() || !w.asked(m) || !atLeast(m.SizeBytes, m.Quota, share)
	})
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
			return &obstacle{reason: LiveDataTooLarge, member: m.ID, detail: w.futile(m)}
		}
		return &obstacle{reason: NothingToReclaim, member: m.ID, detail: fmt.Sprintf("a defragmentation of member %s would free %s, less than maintenance.min-reclaim",
			name(m), cluster.FormatBytes(m.ReclaimableBytes()))}
	}
	if _, _, due := w.historyGivesWay(); due && !w.urgent(m) && atLeast(m.InUseBytes, m.Quota, w.limits.CompactAt) {
		return &obstacle{reason: AnotherMembersTurn, member: m.ID, detail: fmt.Sprintf(
			"what is in use of member %s is compacted first, which the watchdog of another member begins", name(m))}
	}
	if m.ID == w.view.Leader() && !w.inWindow() {
		if _, ok := w.successor(m, []cluster.Member{m}); !ok && len(w.view.Voters()) > 1 {
			return w.toWindow(m, fmt.Sprintf("member %s leads and the leadership cannot be moved away, so it is worked on in a maintenance window only", name(m)))
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
		return &obstacle{reason: CoolingDown, member: m.ID, until: w.opening(ready), detail: fmt.Sprintf("member %s was defragmented recently and is left alone until %s",
			name(m), ready.UTC().Format(time.RFC3339))}
	}
	if w.inWindow() {
		return nil
	}
	if len(w.limits.Windows) > 0 || len(w.view.Voters()) < 3 {
		return w.toWindow(m, fmt.Sprintf("work on member %s waits for a maintenance window", name(m)))
	}
	if stall := w.predict(m); stall > w.limits.StallBudget {
		return &obstacle{reason: StallBudget, member: m.ID, detail: fmt.Sprintf("member %s would be blocked for about %s, longer than maintenance.stall-budget; the work waits for a window, or until it is urgent",
			name(m), stall.Round(time.Second))}
	}
	return nil
}

// toWindow waits for the next maintenance window.
func (w world) toWindow(m cluster.Member, why string) *obstacle {
	o := &obstacle{reason: OutsideWindow, member: m.ID, detail: why}
	if len(w.limits.Windows) > 0 {
		o.until = w.opening(w.now)
	} else {
		o.detail += ", and none is configured: set maintenance.windows"
	}
	return o
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
	return w.armed() || m.Quota.Trusted() && atLeast(m.SizeBytes, m.Quota, w.limits.UrgentAt)
}

// urgency is the reason of work on a member.
func (w world) urgency() Reason {
	if w.armed() {
		return NospaceArmed
	}
	return NearQuota
}

// predict is how long a defragmentation will block a member.
func (w world) predict(m cluster.Member) time.Duration {
	speed := w.memory.Of(m.ID).BytesPerSecond
	if speed <= 0 {
		speed = firstGuess
	}
	return time.Duration(float64(m.InUseBytes) / speed * float64(time.Second))
}
