package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const mebibyte = 1 << 20

// plan is one run: everything about it that is chosen, and all of it follows
// from the seed.
type plan struct {
	seed    uint64
	fault   *fault
	line    string
	members int
	phase   phase
	delay   time.Duration // from the phase to the fault
	length  time.Duration // from the fault to its undoing
	pick    int           // chooses among members, watchdogs and ways
}

// phase is a moment of a heal: the nth time that any watchdog reports the
// event.
type phase struct {
	event string
	nth   int
}

func (p phase) String() string { return fmt.Sprintf("%s#%d", p.event, p.nth) }

func (p plan) String() string {
	return fmt.Sprintf("%s on %d of %s, %v after %s, for %v", p.fault.name, p.members, p.line, p.delay, p.phase, p.length)
}

// world is what the run needs; runs with equal ones can share it.
func (p plan) world() worldKey { return worldKey{p.line, p.members, p.fault.kind} }

// planOf returns the run of that seed. Seeds in a row go round the faults, and
// then round the lines, so that each is met as often as the others.
func planOf(seed uint64, lines []string) plan {
	n := uint64(len(faults))
	p := plan{seed: seed, fault: &faults[seed%n], line: lines[seed/n%uint64(len(lines))]}
	source := rand.New(rand.NewPCG(seed, 1))
	p.members = 3
	if sizes := p.fault.sizes; len(sizes) > 0 {
		p.members = sizes[source.IntN(len(sizes))]
	} else if other := source.IntN(10); other == 0 {
		p.members = 1
	} else if other == 1 {
		p.members = 5
	}
	// Alone there is nothing to claim, and nobody to lead instead.
	phases := slices.DeleteFunc(slices.Clone(p.fault.phases), func(event string) bool {
		if p.members == 1 {
			return !slices.Contains(alone, event)
		}
		return event == "without_claim"
	})
	if len(phases) > 0 {
		p.phase = phase{phases[source.IntN(len(phases))], 1}
		if slices.Contains(eachMember, p.phase.event) {
			times := p.members
			if p.phase.event == "claim_given_back" && times > 1 {
				times-- // with the last one the heal is over
			}
			p.phase.nth += source.IntN(times)
		}
	}
	p.delay = time.Duration(source.IntN(150)) * time.Millisecond
	if p.phase.event == "alarm_disarmed" {
		p.delay = 0 // little of the heal is left
	}
	p.length = p.fault.least
	if p.fault.most > p.fault.least {
		p.length += time.Duration(source.Int64N(int64(p.fault.most - p.fault.least))).Round(time.Millisecond)
	}
	p.pick = source.IntN(1 << 20)
	return p
}

// eachMember are the events that are reported for each member of a heal.
var eachMember = []string{"nospace_armed", "claim_taken", "defragmentation_started", "defragmentation_completed", "claim_given_back"}

// alone are the events of the heal of a single member.
var alone = []string{"nospace_armed", "without_claim", "compaction_started", "compaction_completed", "defragmentation_started", "defragmentation_completed", "alarm_disarmed"}
