package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// rules are those of docs/ARCHITECTURE.md, by number. The first that applies
// decides.
var rules = []struct {
	number int
	when   string
	decide func(world) (d Decision, applies bool)
}{
	{1, "CORRUPT is listed", world.corrupt},
	{2, "An answer came from another member or cluster than asked", world.cannotAct},
	{3, "A defragmentation is in doubt", world.inDoubt},
	{4, "No NOSPACE is listed, and pages in use are at compact-at", world.compactAlone},
	{5, "NOSPACE is listed, and every file is below disarm-below", world.disarmSmall},
	{6, "NOSPACE is listed", world.nospace},
	{7, "A file is at urgent-at", world.urgentWork},
	{8, "A file is at defragment-at", world.voluntaryWork},
	{9, "Work is due and cannot or should not be done", world.nothing},
}

// Rules returns when each rule applies, in their order.
func Rules() []string {
	var when []string
	for _, rule := range rules {
		when = append(when, rule.when)
	}
	return when
}

// Decide returns what is to be done next. Equal inputs give equal decisions,
// and no input is modified (I9).
func Decide(l Limits, now time.Time, v cluster.View, mem Memory) Decision {
	w := world{limits: l, now: now, view: v, memory: mem}
	d := w.decide()
	switch {
	case !d.Acts():
	case l.Observe:
		d = withheld(d, Observing, "maintenance.mode is observe", time.Time{})
	case v.Pause.Holds(now):
		d = withheld(d, Paused, w.paused(), v.Pause.Until)
	}
	d.Revision = v.Revision()
	d.Standing = w.standing(d)
	d.Next = w.next(d)
	return d
}

// world is the inputs of one decision, gathered.
type world struct {
	limits Limits
	now    time.Time
	view   cluster.View
	memory Memory
}

func (w world) decide() Decision {
	for _, rule := range rules {
		if d, applies := rule.decide(w); applies {
			d.Rule = rule.number
			return d
		}
	}
	return Decision{Reason: BelowThreshold}
}

// withheld turns a decision to act into the word that it would be done.
func withheld(d Decision, reason Reason, why string, until time.Time) Decision {
	var steps []string
	for _, s := range d.Steps {
		steps = append(steps, s.String())
	}
	return Decision{
		Rule: d.Rule, Reason: reason, Member: d.Member, Until: until,
		Detail: fmt.Sprintf("%s; would %s (%s)", why, strings.Join(steps, ", "), d.Reason),
	}
}

func wait(o obstacle) Decision {
	return Decision{Reason: o.reason, Member: o.member, Detail: o.detail, Until: o.until}
}
