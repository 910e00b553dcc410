package event

import (
	"cmp"
	"regexp"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// How often a condition that lasts is reported again.
const (
	firstRepeat = time.Hour     // after it began
	nextRepeat  = 6 * time.Hour // after each repetition
)

// A cause that takes the place of another one is told when this many polls have
// found it, and no more than this many causes of one condition are.
const (
	causeLasts = 3
	causesTold = 8
)

// Conditions turns "this stands now", as every poll says it, into entries that
// are worth reading: one when a condition begins, again after an hour and then
// every six hours while it lasts, and one when it has ended. A condition whose
// row is Graded is reported again when it is worse than it ever was since it
// began, and else not.
//
// A condition whose row has a Patience comes and goes with every piece of work:
// it is reported when it has lasted for that long, and not at all before.
//
// A condition is known by its Kind and its Member alone. A changed figure,
// detail or reason is no new condition; the next repetition tells it. But where
// the row is Caused, a cause that lasts for some polls is told, once: a connection
// that was refused at first may long be one with a bad certificate.
//
// The zero value stands for "nothing stands". Not safe for concurrent use.
type Conditions struct {
	standing map[conditionKey]standing
}

type conditionKey struct {
	kind   Kind
	member cluster.MemberID
}

type standing struct {
	name  string // the member's, as last seen
	began time.Time
	due   time.Time // when it is reported, or reported again
	told  bool      // it was reported; so its end will be
	grade int       // the highest that was reported

	cause string   // as last seen, without its figures
	seen  int      // polls in a row
	known []string // the causes that were reported
}

// because notes the cause of this poll, and reports whether it is to be told.
func (s *standing) because(e Event) bool {
	if !e.Kind.Row().Caused {
		return false
	}
	cause := figures.ReplaceAllString(e.Detail, "0")
	if cause != s.cause {
		s.cause, s.seen = cause, 0
	}
	s.seen++
	return s.told && s.seen == causeLasts && len(s.known) < causesTold && !slices.Contains(s.known, cause)
}

// figures are what changes in a cause from poll to poll.
var figures = regexp.MustCompile(`[0-9]+`)

// Update takes all the conditions that stand at now, one Event each, and
// returns what is to be recorded: first what has ended, by kind and member,
// then what has begun or is due again, in the order given.
func (c *Conditions) Update(now time.Time, events []Event) []Event {
	next := make(map[conditionKey]standing, len(events))
	var report []Event
	for _, e := range events {
		key := conditionKey{e.Kind, e.Member}
		if _, twice := next[key]; twice {
			continue
		}
		s, known := c.standing[key]
		if !known {
			s = standing{began: now, due: now.Add(e.Kind.Row().Patience)}
		}
		another := s.because(e)
		due := !now.Before(s.due)
		if s.told && e.Kind.Row().Graded {
			due = e.Grade > s.grade
		}
		switch {
		case due && !s.told:
			s.told, s.due = true, now.Add(firstRepeat)
			e.Took = 0
			report = append(report, e)
		case due:
			s.due = now.Add(nextRepeat)
			e.Took = now.Sub(s.began)
			report = append(report, e)
		case another:
			e.Took = now.Sub(s.began)
			report = append(report, e)
		}
		if due {
			s.grade = e.Grade
		}
		if (due || another) && e.Kind.Row().Caused && !slices.Contains(s.known, s.cause) {
			s.known = append(slices.Clip(s.known), s.cause)
		}
		s.name = e.MemberName
		next[key] = s
	}
	ended := c.ended(now, next)
	c.standing = next
	return append(ended, report...)
}

// ended reports what stood before and is not among next.
func (c *Conditions) ended(now time.Time, next map[conditionKey]standing) []Event {
	var gone []conditionKey
	for key := range c.standing {
		if _, still := next[key]; !still && c.standing[key].told {
			gone = append(gone, key)
		}
	}
	slices.SortFunc(gone, func(a, b conditionKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.member, b.member))
	})
	var report []Event
	for _, key := range gone {
		s := c.standing[key]
		report = append(report, Event{
			Kind: ConditionEnded, Condition: key.kind.String(),
			Member: key.member, MemberName: s.name, Took: now.Sub(s.began),
		})
	}
	return report
}
