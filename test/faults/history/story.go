package history

import (
	"slices"
	"time"
)

// ends are the events that end a piece of work, by the one that begins it. One
// without an answer ends as settled, at a time of its own.
var ends = map[string][]string{
	"compaction_started":      {"compaction_completed", "compaction_failed", "work_ended"},
	"defragmentation_started": {"defragmentation_completed", "defragmentation_failed", "defragmentation_unknown", "defragmentation_settled", "work_ended"},
	"claim_taken":             {"claim_given_back", "claim_lost"},
}

// reasoned are the events that tell the reason of the decision.
var reasoned = []string{"claim_taken", "compaction_started", "defragmentation_started"}

// StoryTold checks that the journal tells the run: each line is an entry, each
// beginning has an end with the same job, each job's steps come in order, and
// each decision has its reason.
func StoryTold(r Run) []Violation {
	bad := append(r.unended(), r.disordered()...)
	for _, e := range r.Entries {
		if e.Event == "" && !r.diedNear(e) {
			bad = append(bad, violated("%s wrote a line that is no entry: %.300s", e.Watchdog, e.Line))
		}
		if slices.Contains(reasoned, e.Event) && (e.Reason == "" || e.Job == "") {
			bad = append(bad, violated("no reason or no job: %s", e.Line))
		}
	}
	return append(bad, r.unreported()...)
}

// unended are the beginnings without an end, but for those whose process ended
// before it could tell.
func (r Run) unended() []Violation {
	var bad []Violation
	for i, e := range r.Entries {
		want, begins := ends[e.Event]
		if !begins {
			continue
		}
		ended := slices.ContainsFunc(r.Entries[i+1:], func(f Entry) bool {
			return f.Job == e.Job && f.Watchdog == e.Watchdog && slices.Contains(want, f.Event)
		})
		died := slices.ContainsFunc(r.Deaths, func(d Death) bool { return d.Watchdog == e.Watchdog && !d.At.Before(e.At) })
		if !ended && !died {
			bad = append(bad, violated("a beginning without an end: %s", e.Line))
		}
	}
	return bad
}

// work are the steps of a job.
var work = []string{"compaction_started", "leader_moved", "defragmentation_started", "alarm_disarmed"}

// urgent are the reasons of work under NOSPACE.
var urgent = []string{"nospace_armed", "adopted"}

// disordered are the steps that come in another order than theirs. A job begins
// with its permit and ends with giving it back; each time before a member is
// defragmented this watchdog has compacted through it; and nothing is defragmented after the
// disarm. A job may do several members one after the other.
func (r Run) disordered() []Violation {
	var bad []Violation
	over, disarmed, compacted := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, e := range r.Entries {
		job := e.Watchdog + " " + e.Job
		switch {
		case e.Job == "":
		case slices.Contains(work, e.Event) && over[job]:
			bad = append(bad, violated("%s after its job has ended: %s", e.Event, e.Line))
		case e.Event == "defragmentation_started" && disarmed[job]:
			bad = append(bad, violated("a defragmentation after the disarm: %s", e.Line))
		case e.Event == "defragmentation_started" && slices.Contains(urgent, e.Reason) && !compacted[e.Watchdog+" "+e.Member]:
			bad = append(bad, violated("a defragmentation without a compaction before it: %s", e.Line))
		}
		over[job] = over[job] || e.Event == "claim_given_back"
		disarmed[job] = disarmed[job] || e.Event == "alarm_disarmed"
		switch e.Event {
		case "compaction_completed":
			compacted[e.Watchdog+" "+e.Member] = true
		case "defragmentation_started":
			delete(compacted, e.Watchdog+" "+e.Member)
		}
	}
	return bad
}

// crashTraceLength is how long before its end a process may write what is no
// entry: the stacks of a loop that stood still.
const crashTraceLength = 5 * time.Second

// diedNear reports that the watchdog ended soon after it had written that line.
// What is no entry has the time of the entry before it.
func (r Run) diedNear(e Entry) bool {
	return slices.ContainsFunc(r.Deaths, func(d Death) bool {
		return d.Watchdog == e.Watchdog && !d.At.Before(e.At) && d.At.Sub(e.At) < crashTraceLength
	})
}

// unreported are the defragmentations that no watchdog has announced.
func (r Run) unreported() []Violation {
	var bad []Violation
	for _, d := range r.Defragmentations {
		if d.ByHand {
			continue
		}
		if _, told := r.startedBefore(d); !told {
			bad = append(bad, violated("nobody told that %s was defragmented at %s", d.Member, d.Begin.Format(clock)))
		}
	}
	return bad
}
