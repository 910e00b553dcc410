package history

import (
	"maps"
	"slices"
)

// WritesKept checks that each key has on every member the last write that was
// acknowledged, or a later one that was sent.
func WritesKept(r Run) []Violation {
	var bad []Violation
	for _, member := range slices.Sorted(maps.Keys(r.Writes.Stored)) {
		stored := r.Writes.Stored[member]
		for _, key := range slices.Sorted(maps.Keys(r.Writes.Sent)) {
			at, acknowledged := stored[key], r.Writes.Acknowledged[key]
			if at < acknowledged {
				bad = append(bad, violated("%s on %s is write %d, but %d was acknowledged", key, member, at, acknowledged))
			}
			if sent := r.Writes.Sent[key]; at > sent {
				bad = append(bad, violated("%s on %s is write %d, but only %d were sent", key, member, at, sent))
			}
		}
	}
	if len(r.Writes.Acknowledged) > 0 && len(r.Writes.Stored) == 0 {
		bad = append(bad, violated("no member could be read"))
	}
	return bad
}

// Floor is the latest revision at which all history might be given up, because an
// alarm was listed. When it ended is known from looks only: somewhere between the
// last that saw it and the next, whose revision counts. The samples are in order.
func Floor(samples []Sample) int64 {
	var floor int64
	alarmed := map[string]bool{}
	for _, s := range samples {
		if s.Alarms != "" || alarmed[s.Member] {
			floor = max(floor, s.Revision)
		}
		alarmed[s.Member] = s.Alarms != ""
	}
	return floor
}

// HistoryKept checks that the newest keep-revisions revisions can be read on
// every member, as far as they are younger than the end of the last alarm.
func HistoryKept(r Run) []Violation {
	wanted := max(r.Kept.LatestRevision-r.Keep+1, r.Kept.FloorRevision)
	var bad []Violation
	for _, member := range slices.Sorted(maps.Keys(r.Kept.OldestReadable)) {
		if oldest := r.Kept.OldestReadable[member]; oldest > wanted {
			bad = append(bad, violated("on %s revision %d is the oldest that can be read, wanted is %d: the latest is %d, an alarm was listed until %d at the latest",
				member, oldest, wanted, r.Kept.LatestRevision, r.Kept.FloorRevision))
		}
	}
	return bad
}
