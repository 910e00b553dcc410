package history

import (
	"fmt"
	"strings"
	"time"
)

const (
	// margin is how long a watchdog of these runs may be stopped between its
	// last check and its request, so that the claim still is its own: the
	// program's, for the shortest ttl.
	margin = 15 * time.Second
	// byHandGrace is how long after a second tool has begun a watchdog can be
	// past its last look at the members and not know it: the two looks, each
	// with its deadline, and the pause between them.
	byHandGrace = 1500 * time.Millisecond
)

// OneAtATime checks, by the members' own logs, that no watchdog began to
// defragment a member while another one was blocked by one. What a second tool
// begins is no fault of a watchdog, but blocks a member like any other.
//
// Two overlaps cannot be closed by a client: the watchdog's request was sent
// before a second tool's could be noticed; and the watchdog was stopped for
// longer than the margin between its check and its request.
func OneAtATime(r Run) []Violation {
	var bad []Violation
	for i, later := range r.Defragmentations {
		if later.ByHand {
			continue
		}
		for _, earlier := range r.Defragmentations[:i] {
			if earlier.Member == later.Member || !blockedAt(earlier, later.Begin) {
				continue
			}
			v := violated("%s began at %s while %s was blocked since %s", later.Member, later.Begin.Format(clock), earlier.Member, earlier.Begin.Format(clock))
			if why := r.unclosable(earlier, later); why != "" {
				v.Unclosable = true
				v.What += ": " + why
			}
			bad = append(bad, v)
		}
	}
	return bad
}

// ClaimedByOne checks that no two tickets were busy at the same revision.
func ClaimedByOne(r Run) []Violation {
	for _, c := range r.Claims {
		if len(c.Busy) > 1 {
			return []Violation{violated("at %s two tickets are busy: %s", c.At.Format(clock), strings.Join(c.Busy, " "))}
		}
	}
	return nil
}

// blockedAt reports that the defragmentation lasted at that time, and longer
// than until just then.
func blockedAt(d Defragmentation, at time.Time) bool {
	return !at.Before(d.Begin) && (d.End.IsZero() || at.Before(d.End))
}

// unclosable says why no client could have kept the later one from beginning;
// empty if one could.
func (r Run) unclosable(earlier, later Defragmentation) string {
	if earlier.ByHand && later.Begin.Sub(earlier.Begin) < byHandGrace {
		return "the second tool began too late to be noticed"
	}
	started, known := r.startedBefore(later)
	if !known {
		return ""
	}
	for _, s := range r.Standstills {
		if s.Watchdog != started.Watchdog || s.End.IsZero() || s.End.Sub(s.Begin) < margin {
			continue
		}
		if !s.End.Before(started.At.Add(-checkLength)) && !s.Begin.After(later.Begin) {
			return fmt.Sprintf("%s was stopped from %s to %s, between its check and its request", s.Watchdog, s.Begin.Format(clock), s.End.Format(clock))
		}
	}
	return ""
}

// checkLength is how long before the entry the last check can have been.
const checkLength = 100 * time.Millisecond

// startedBefore is the entry with which a watchdog told this defragmentation.
func (r Run) startedBefore(d Defragmentation) (last Entry, known bool) {
	for _, e := range r.of("defragmentation_started") {
		if e.Member == d.Member && !e.At.After(d.Begin.Add(time.Second)) {
			last, known = e, true
		}
	}
	return last, known
}
