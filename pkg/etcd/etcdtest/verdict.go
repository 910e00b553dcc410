package etcdtest

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// MaxConcurrentDefragmentations is the highest number of members that were
// being defragmented at one moment. More than one can cost the quorum.
func (h History) MaxConcurrentDefragmentations() int {
	now, most := 0, 0
	for _, e := range h {
		switch e.Kind {
		case DefragmentBegin:
			now++
		case DefragmentEnd, DefragmentAborted:
			now--
		}
		most = max(most, now)
	}
	return most
}

// asked reports that a watchdog asked for the entry, whether it got it or not.
func (e Entry) asked() bool {
	switch e.Kind {
	case CompactBegin, DefragmentBegin, LeaderMoved, Disarmed, Refused:
		return e.By != 0
	default:
		return false
	}
}

// NothingTouchedWhileCorrupt returns an error that names the first step that a
// watchdog asked for while a CORRUPT alarm was listed.
func (h History) NothingTouchedWhileCorrupt() error {
	corrupt := map[cluster.MemberID]bool{}
	for _, e := range h {
		if e.asked() && len(corrupt) > 0 {
			return fmt.Errorf("under CORRUPT: %s", e)
		}
		switch {
		case e.Kind == AlarmRaised && e.Alarm == cluster.AlarmCorrupt:
			corrupt[e.Member] = true
		case e.Kind == Disarmed && e.Alarm == cluster.AlarmCorrupt:
			delete(corrupt, e.Member)
		}
	}
	return nil
}

// OnlyNoSpaceDisarmed returns an error that names the first other alarm that a
// watchdog disarmed, or tried to.
func (h History) OnlyNoSpaceDisarmed() error {
	for _, e := range h {
		disarm := e.Kind == Disarmed || e.Step == cluster.StepDisarm
		if disarm && e.asked() && e.Alarm != cluster.AlarmNoSpace {
			return fmt.Errorf("not NOSPACE: %s", e)
		}
	}
	return nil
}

// NeverAskedOf returns an error that names the first request that a watchdog
// sent to that member. Disarming the member's alarm is not one of them: it
// goes to whoever serves it.
func (h History) NeverAskedOf(id cluster.MemberID) error {
	for _, e := range h {
		disarm := e.Kind == Disarmed || e.Step == cluster.StepDisarm
		if e.asked() && !disarm && e.Member == id {
			return fmt.Errorf("member %s was to be left alone: %s", id, e)
		}
	}
	return nil
}

// NothingRefused returns an error that names the first step that a watchdog
// asked for in vain.
func (h History) NothingRefused() error {
	for _, e := range h.Of(Refused) {
		return fmt.Errorf("asked in vain: %s", e)
	}
	return nil
}

// Defragmentations counts the ended ones of each member.
func (h History) Defragmentations() map[cluster.MemberID]int {
	n := map[cluster.MemberID]int{}
	for _, e := range h.Of(DefragmentEnd) {
		n[e.Member]++
	}
	return n
}

// LeaseStall is for how long, altogether, no lease could be renewed because
// the leader was being defragmented.
func (h History) LeaseStall() time.Duration {
	var stall time.Duration
	began := map[cluster.MemberID]time.Time{}
	for _, e := range h {
		switch e.Kind {
		case DefragmentBegin:
			delete(began, e.Member)
			if e.Leads {
				began[e.Member] = e.At
			}
		case DefragmentEnd, DefragmentAborted:
			if at, ok := began[e.Member]; ok {
				stall += e.At.Sub(at)
				delete(began, e.Member)
			}
		}
	}
	return stall
}
