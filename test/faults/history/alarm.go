package history

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// DisarmedInTime checks that at each disarm the file of every voter was below
// the share of its quota that the configuration names, by what the member
// itself said last: in a status, or in its log at the end of a defragmentation.
// While NOSPACE is listed nothing makes a file larger.
func DisarmedInTime(r Run) []Violation {
	limit := int64(r.Disarm * float64(r.QuotaBytes))
	var bad []Violation
	for _, e := range r.of("alarm_disarmed") {
		files := r.filesAt(e.At)
		for _, member := range slices.Sorted(maps.Keys(files)) {
			if bytes := files[member]; bytes >= limit {
				bad = append(bad, violated("%s disarmed at %s with %s at %d bytes, the share is %d", e.Watchdog, e.At.Format(clock), member, bytes, limit))
			}
		}
	}
	return bad
}

// fresh is for how long what a member has said of its file counts. One that says
// nothing for longer may have been down, and may have come back with the database
// of another.
const fresh = 2 * time.Second

// filesAt are the voters' files at that time, as far as they are known.
func (r Run) filesAt(at time.Time) map[string]int64 {
	files, since := map[string]int64{}, map[string]time.Time{}
	for _, s := range r.Samples {
		switch {
		case s.At.After(at):
		case s.Learner:
			delete(files, s.Member)
		default:
			files[s.Member], since[s.Member] = s.FileBytes, s.At
		}
	}
	for _, d := range r.Defragmentations {
		_, voter := files[d.Member]
		if voter && d.AfterBytes > 0 && !d.End.After(at) && d.End.After(since[d.Member]) {
			files[d.Member], since[d.Member] = d.AfterBytes, d.End
		}
	}
	for _, gone := range r.Removed {
		if !gone.At.After(at) {
			delete(files, gone.Member)
		}
	}
	maps.DeleteFunc(files, func(member string, _ int64) bool { return at.Sub(since[member]) > fresh })
	return files
}

// corruptGrace is how long a step may still begin that was decided before the
// alarm could be seen: a look, its deadline and the way of the request.
const corruptGrace = 3 * time.Second

// CorruptUntouched checks that CORRUPT stayed listed until the test cleared it,
// and that no member was worked on meanwhile.
func CorruptUntouched(r Run) []Violation {
	if r.Corrupt.Begin.IsZero() {
		return nil
	}
	var bad []Violation
	settled := Period{Begin: r.Corrupt.Begin.Add(corruptGrace), End: r.Corrupt.End}
	if !settled.End.IsZero() && settled.End.Before(settled.Begin) {
		settled.Begin = settled.End
	}
	for _, s := range r.Samples {
		// A member that applied the alarm has it until the test clears it.
		if settled.Contains(s.At) && s.At.Before(settled.End.Add(-corruptGrace/10)) && !strings.Contains(s.Alarms, "CORRUPT") {
			bad = append(bad, violated("at %s %s does not list CORRUPT, which nobody has cleared: %q", s.At.Format(clock), s.Member, s.Alarms))
			break
		}
	}
	for _, d := range r.Defragmentations {
		if settled.Contains(d.Begin) && !d.ByHand {
			bad = append(bad, violated("%s was defragmented at %s under CORRUPT, listed since %s", d.Member, d.Begin.Format(clock), r.Corrupt.Begin.Format(clock)))
		}
	}
	for _, e := range r.of("alarm_disarmed") {
		if settled.Contains(e.At) {
			bad = append(bad, violated("%s disarmed at %s under CORRUPT", e.Watchdog, e.At.Format(clock)))
		}
	}
	return bad
}
