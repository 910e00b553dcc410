package history

import (
	"slices"
	"strings"
	"testing"
	"time"
)

var midnight = time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)

// at is a moment so many seconds after midnight.
func at(seconds float64) time.Time {
	return midnight.Add(time.Duration(seconds * float64(time.Second)))
}

func during(begin, end float64) Period { return Period{at(begin), at(end)} }

const (
	mebibyte = 1 << 20
	quota    = 64 * mebibyte
)

// healed is the history of a heal in which nothing is wrong: a heals its member
// and then b its own, and disarms.
func healed() Run {
	entry := func(seconds float64, watchdog, event, member, job string) Entry {
		return Entry{At: at(seconds), Watchdog: watchdog, Event: event, Member: member, Job: job, Reason: "nospace_armed", Line: event + " of " + watchdog}
	}
	return Run{
		Begin: at(0), End: at(20), QuotaBytes: quota, Disarm: 0.9, Keep: 10,
		Entries: []Entry{
			entry(1, "a", "claim_taken", "a1", "a-1"),
			entry(1.1, "a", "compaction_started", "a1", "a-1"),
			entry(1.2, "a", "compaction_completed", "a1", "a-1"),
			entry(2, "a", "defragmentation_started", "a1", "a-1"),
			entry(3, "a", "defragmentation_completed", "a1", "a-1"),
			entry(3.1, "a", "claim_given_back", "", "a-1"),
			entry(4, "b", "claim_taken", "b2", "b-1"),
			entry(4.1, "b", "compaction_started", "b2", "b-1"),
			entry(4.2, "b", "compaction_completed", "b2", "b-1"),
			entry(5, "b", "defragmentation_started", "b2", "b-1"),
			entry(6, "b", "defragmentation_completed", "b2", "b-1"),
			entry(7, "b", "alarm_disarmed", "a1", "b-1"),
			entry(7.1, "b", "claim_given_back", "", "b-1"),
		},
		Defragmentations: []Defragmentation{
			{Period: during(2.1, 2.9), Member: "a1", AfterBytes: 20 * mebibyte},
			{Period: during(5.1, 5.9), Member: "b2", AfterBytes: 20 * mebibyte},
		},
		Samples: []Sample{
			{At: at(0.5), Member: "a1", FileBytes: 70 * mebibyte, Alarms: "NOSPACE", Revision: 90},
			{At: at(0.5), Member: "b2", FileBytes: 70 * mebibyte, Alarms: "NOSPACE", Revision: 90},
			{At: at(6.5), Member: "a1", FileBytes: 20 * mebibyte, Alarms: "NOSPACE", Revision: 90},
			{At: at(8), Member: "a1", FileBytes: 20 * mebibyte, Revision: 100},
			{At: at(8), Member: "b2", FileBytes: 20 * mebibyte, Revision: 100},
		},
		Writes: Writes{
			Acknowledged: map[string]int64{"x": 5}, Sent: map[string]int64{"x": 6, "y": 1},
			Stored: map[string]map[string]int64{"m0": {"x": 5}, "m1": {"x": 6, "y": 1}},
		},
		Kept:  Kept{LatestRevision: 100, FloorRevision: 95, OldestReadable: map[string]int64{"a1": 95, "b2": 95}},
		Final: Final{Healed: true},
	}
}

// without takes the entries of that event of one watchdog out.
func without(r *Run, watchdog, event string) {
	r.Entries = slices.DeleteFunc(r.Entries, func(e Entry) bool { return e.Watchdog == watchdog && e.Event == event })
}

func TestCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(*Run)
		want []string // parts of the violations, in their order
	}{
		{"nothing is wrong", func(*Run) {}, nil},
		{"not healed", func(r *Run) { r.Final = Final{Found: "a1: NOSPACE"} }, []string{"ended: not healed by 00:00:20.000: a1: NOSPACE"}},
		{"a watchdog ended by itself", func(r *Run) { r.Fell = []Death{{at(3), "a"}} }, []string{"ended: a ended by itself at 00:00:03.000"}},
		{"a report is owed", func(r *Run) { r.Unsaid = []string{"a did not report"} }, []string{"ended: a did not report"}},

		{"an acknowledged write is lost", func(r *Run) { r.Writes.Stored["m1"]["x"] = 4 }, []string{"writes: x on m1 is write 4, but 5 was acknowledged"}},
		{"an acknowledged key is gone", func(r *Run) { delete(r.Writes.Stored["m0"], "x") }, []string{"writes: x on m0 is write 0"}},
		{"a write that nobody sent", func(r *Run) { r.Writes.Stored["m0"]["y"] = 2 }, []string{"writes: y on m0 is write 2, but only 1 were sent"}},
		{"nobody to read from", func(r *Run) { r.Writes.Stored = nil }, []string{"writes: no member could be read"}},

		{"one ticket is busy", func(r *Run) { r.Claims = []Claims{{at(2), []string{"a/00"}}, {at(5), []string{"b/00"}}} }, nil},
		{"two tickets are busy", func(r *Run) { r.Claims = []Claims{{at(2), []string{"a/00", "b/00"}}} }, []string{"claim: at 00:00:02.000 two tickets are busy: a/00 b/00"}},

		{"two at once", func(r *Run) { r.Defragmentations[0].End = at(5.2) }, []string{"overlap: b2 began at 00:00:05.100 while a1 was blocked"}},
		{"one that never ended", func(r *Run) { r.Defragmentations[0].End = time.Time{} }, []string{"overlap: b2 began"}},
		{"the later one by hand", func(r *Run) { r.Defragmentations[0].End, r.Defragmentations[1].ByHand = at(5.2), true }, nil},
		{"the earlier one by hand, long before", func(r *Run) {
			r.Defragmentations[0].ByHand, r.Defragmentations[0].End = true, at(5.2)
		}, []string{"overlap: b2 began"}},
		{"the earlier one by hand, just before", func(r *Run) {
			r.Defragmentations[0] = Defragmentation{Period: during(5, 5.5), Member: "a1", ByHand: true, AfterBytes: 20 * mebibyte}
		}, []string{"not to be closed overlap: b2 began"}},
		{"the same member twice", func(r *Run) {
			r.Defragmentations[1].Member, r.Defragmentations[0].End = "a1", at(5.2)
			r.Samples[2].Member, r.Samples[2].FileBytes = "b2", 70*mebibyte
		}, []string{
			"disarm: b disarmed at 00:00:07.000 with b2",
		}},
		{"stopped for longer than the margin before the request", func(r *Run) {
			r.Defragmentations[0].End = at(9)
			r.Defragmentations[1].Period = during(8.1, 8.9)
			r.Standstills = []Standstill{{during(-8, 8), "b"}}
			r.Samples = append(r.Samples, Sample{At: at(6.9), Member: "b2", FileBytes: 20 * mebibyte})
		}, []string{"not to be closed overlap: b2 began"}},
		{"stopped for less than the margin", func(r *Run) {
			r.Defragmentations[0].End = at(5.2)
			r.Standstills = []Standstill{{during(4.8, 5.05), "b"}}
		}, []string{"overlap: b2 began"}},
		{"another one was stopped", func(r *Run) {
			r.Defragmentations[0].End = at(5.2)
			r.Standstills = []Standstill{{during(1, 5.05), "a"}}
		}, []string{"overlap: b2 began"}},

		{"disarmed while a voter was full", func(r *Run) { r.Defragmentations[1].AfterBytes = 60 * mebibyte }, []string{"disarm: b disarmed at 00:00:07.000 with b2 at 62914560 bytes"}},
		{"disarmed while a voter was full, by its own word", func(r *Run) { r.Samples[2].FileBytes = 60 * mebibyte }, []string{"disarm: b disarmed at 00:00:07.000 with a1 at 62914560 bytes"}},
		{"a voter had said so long before", func(r *Run) { r.Samples[2].At, r.Samples[2].FileBytes = at(4.5), 60*mebibyte }, nil},
		{"a learner was full", func(r *Run) {
			r.Samples = append([]Sample{{At: at(0.6), Member: "c3", Learner: true, FileBytes: 70 * mebibyte}}, r.Samples...)
		}, nil},
		{"a member that has left was full", func(r *Run) {
			r.Samples = append([]Sample{{At: at(0.6), Member: "c3", FileBytes: 70 * mebibyte}}, r.Samples...)
			r.Removed = []Removal{{at(3), "c3"}}
		}, nil},

		{"CORRUPT stands until it is cleared", func(r *Run) {
			r.Corrupt = during(10, 18)
			r.Samples = append(r.Samples, Sample{At: at(15), Member: "a1", Alarms: "CORRUPT"})
		}, nil},
		{"CORRUPT was disarmed", func(r *Run) {
			r.Corrupt = during(10, 18)
			r.Samples = append(r.Samples, Sample{At: at(15), Member: "a1"})
		}, []string{"corrupt: at 00:00:15.000 a1 does not list CORRUPT"}},
		{"work under CORRUPT", func(r *Run) { r.Corrupt = during(1, 18); r.Samples = nil }, []string{
			"corrupt: b2 was defragmented at 00:00:05.100", "corrupt: b disarmed at 00:00:07.000",
		}},

		{"history is given up", func(r *Run) { r.Kept.OldestReadable["b2"] = 96 }, []string{"history: on b2 revision 96 is the oldest"}},
		{"history beyond keep-revisions is given up", func(r *Run) {
			r.Kept.FloorRevision = 0
			r.Kept.OldestReadable = map[string]int64{"a1": 91}
		}, nil},

		{"a beginning without an end", func(r *Run) { without(r, "a", "defragmentation_completed") }, []string{"journal: a beginning without an end: defragmentation_started of a"}},
		{"a beginning without an end, of one that was killed", func(r *Run) {
			without(r, "a", "defragmentation_completed")
			without(r, "a", "claim_given_back")
			r.Deaths = []Death{{at(2.5), "a"}}
		}, nil},
		{"a claim that is not given back", func(r *Run) { without(r, "b", "claim_given_back") }, []string{"journal: a beginning without an end: claim_taken of b"}},
		{"a defragmentation without a compaction", func(r *Run) {
			without(r, "a", "compaction_started")
			without(r, "a", "compaction_completed")
		}, []string{"journal: a defragmentation without a compaction before it"}},
		{"a step after the claim was given back", func(r *Run) {
			r.Entries = append(r.Entries, Entry{At: at(8), Watchdog: "b", Event: "alarm_disarmed", Job: "b-1"})
		}, []string{"journal: alarm_disarmed after its job has ended"}},
		{"a defragmentation after the disarm", func(r *Run) {
			r.Entries[11], r.Entries[9] = r.Entries[9], r.Entries[11]
			r.Entries[9].At, r.Entries[11].At = at(6), at(7)
			r.Entries = slices.Insert(r.Entries, 12, Entry{At: at(7), Watchdog: "b", Event: "defragmentation_completed", Job: "b-1"})
		}, []string{"journal: a defragmentation after the disarm", "journal: nobody told"}},
		{"no reason", func(r *Run) { r.Entries[0].Reason = "" }, []string{"journal: no reason or no job: claim_taken of a"}},
		{"a line that is no entry", func(r *Run) {
			r.Entries = append(r.Entries, Entry{At: at(8), Watchdog: "a", Line: "panic: x"})
		}, []string{"journal: a wrote a line that is no entry: panic: x"}},
		{"the stacks of one that ended itself", func(r *Run) {
			r.Entries = append(r.Entries, Entry{At: at(8), Watchdog: "a", Line: "goroutine 1"})
			r.Deaths = []Death{{at(9), "a"}}
		}, nil},
		{"a defragmentation that nobody told", func(r *Run) {
			r.Defragmentations = append(r.Defragmentations, Defragmentation{Period: during(12, 13), Member: "c3"})
		}, []string{"journal: nobody told that c3 was defragmented"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := healed()
			test.edit(&r)
			got := Check(r)
			if len(got) != len(test.want) {
				t.Fatalf("violations %q, want %q", got, test.want)
			}
			for i, v := range got {
				text := v.String()
				if v.Unclosable {
					text = "not to be closed " + text
				}
				if !strings.Contains(text, test.want[i]) {
					t.Errorf("violation %q, want %q", text, test.want[i])
				}
			}
		})
	}
}

// The alarm ends between two looks, and what happens in between belongs to it.
func TestFloor(t *testing.T) {
	look := func(member string, revision int64, alarms string) Sample {
		return Sample{Member: member, Revision: revision, Alarms: alarms}
	}
	for _, tt := range []struct {
		name    string
		samples []Sample
		want    int64
	}{
		{"no alarm", []Sample{look("a1", 10, ""), look("a1", 20, "")}, 0},
		{"the next look of the same member", []Sample{look("a1", 10, "NOSPACE"), look("b2", 11, ""), look("a1", 12, ""), look("a1", 13, "")}, 12},
		{"no next look", []Sample{look("a1", 10, "NOSPACE"), look("b2", 11, "")}, 10},
		{"the alarm came back", []Sample{look("a1", 10, "NOSPACE"), look("a1", 12, ""), look("a1", 30, "NOSPACE"), look("a1", 31, "")}, 31},
	} {
		if got := Floor(tt.samples); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
