// Package history is what is known of one fault run afterwards, and the rules
// that it is held against: what clients were told, what the members' own logs
// tell, what the watchdogs reported, and what was done to them.
//
// It reads nothing and runs nothing: each rule is a function from a Run to the
// violations in it, so that a history made by hand shows what the rule catches.
//
// What it keeps to:
//
//  1. The members' own logs and answers judge the watchdogs; the journal is
//     judged, never believed, but for what only it can tell: which decision a
//     step belonged to.
//  2. What is not known is not a violation: a write without an answer, a member
//     that did not answer, an entry that a killed process could not write.
//  3. Equal histories give equal violations, in the same order.
package history

import (
	"fmt"
	"slices"
	"time"
)

// Run is the history of one run. Times are those of one machine's clock.
type Run struct {
	Begin, End time.Time // from when the watchdogs were let go until the judgement
	QuotaBytes int64     // of each member
	Disarm     float64   // the share of the quota that disarm-below names
	Keep       int64     // keep-revisions

	Entries          []Entry           // of all watchdogs, in the order of their times
	Defragmentations []Defragmentation // of all members, by their beginning
	Samples          []Sample          // of all members, in the order of their times
	Claims           []Claims          // what was busy, in the order of the times
	Standstills      []Standstill      // of watchdogs
	Deaths           []Death           // of watchdogs
	Fell             []Death           // those of them that nothing done to them explains
	Removed          []Removal         // of members
	Corrupt          Period            // in which a CORRUPT alarm was listed, by the test alone
	Unsaid           []string          // reports that a watchdog owed at a time and had not made
	Writes           Writes
	Kept             Kept
	Final            Final
}

// Period is a stretch of time. A zero End means that it lasts still; a zero
// Begin, that it never was.
type Period struct{ Begin, End time.Time }

// Contains reports that the moment is in the period, its ends included.
func (p Period) Contains(at time.Time) bool {
	return !p.Begin.IsZero() && !at.Before(p.Begin) && (p.End.IsZero() || !at.After(p.End))
}

// Entry is one entry of a watchdog's journal. A line that is no entry has no
// Event.
type Entry struct {
	At       time.Time
	Watchdog string
	Event    string
	Reason   string
	Detail   string
	Job      string
	Member   string // id in hexadecimal
	Revision int64
	Line     string
}

// Defragmentation is one, as the member's own log tells it.
type Defragmentation struct {
	Period
	Member     string // id in hexadecimal
	ByHand     bool   // begun by the test
	AfterBytes int64  // the file; 0 unless it was completed
}

// Sample is what a member said of itself at a time.
type Sample struct {
	At        time.Time
	Member    string // id in hexadecimal
	Learner   bool
	FileBytes int64
	Revision  int64
	Alarms    string // the errors of its status, joined
}

// Claims is which tickets were busy at one revision.
type Claims struct {
	At   time.Time
	Busy []string // names of the keys, without their ends
}

// Standstill is a period in which a watchdog's process was stopped.
type Standstill struct {
	Period
	Watchdog string
}

// Death is the end of a watchdog's process.
type Death struct {
	At       time.Time
	Watchdog string
}

// Removal is a member's leaving the cluster: no later than then.
type Removal struct {
	At     time.Time
	Member string // id in hexadecimal
}

// Writes is what clients were told about each key, and what each member has.
type Writes struct {
	Acknowledged map[string]int64            // the last sequence number
	Sent         map[string]int64            // the last one that was tried
	Stored       map[string]map[string]int64 // by member
}

// Kept is how far back each member could be read in the end. No revision is
// asked for that is older than FloorRevision.
type Kept struct {
	LatestRevision int64
	FloorRevision  int64
	OldestReadable map[string]int64 // by member; no entry: not asked
}

// Final is the state in which a run ended.
type Final struct {
	Healed bool
	Found  string // of a run that was not healed: what was found instead
}

// Violation is one breach of a rule.
type Violation struct {
	Rule       string
	What       string
	Unclosable bool // an overlap that no client can close
}

// String tells the violation in one line.
func (v Violation) String() string { return v.Rule + ": " + v.What }

// rules are all of them, in the order in which they are told.
var rules = []struct {
	name  string
	check func(Run) []Violation
}{
	{"ended", Ended},
	{"writes", WritesKept},
	{"claim", ClaimedByOne},
	{"overlap", OneAtATime},
	{"disarm", DisarmedInTime},
	{"corrupt", CorruptUntouched},
	{"history", HistoryKept},
	{"journal", StoryTold},
}

// Check holds a run against every rule.
func Check(r Run) []Violation {
	var all []Violation
	for _, rule := range rules {
		for _, v := range rule.check(r) {
			v.Rule = rule.name
			all = append(all, v)
		}
	}
	return all
}

func violated(format string, args ...any) Violation {
	return Violation{What: fmt.Sprintf(format, args...)}
}

// clock is how times are told in violations.
const clock = "15:04:05.000"

// of returns the entries of that event.
func (r Run) of(event string) []Entry {
	return slices.DeleteFunc(slices.Clone(r.Entries), func(e Entry) bool { return e.Event != event })
}

// Ended checks that the run ended healed, and that the watchdogs had reported
// what kept them from it while it did.
func Ended(r Run) []Violation {
	var bad []Violation
	if !r.Final.Healed {
		bad = append(bad, violated("not healed by %s: %s", r.End.Format(clock), r.Final.Found))
	}
	for _, d := range r.Fell {
		bad = append(bad, violated("%s ended by itself at %s", d.Watchdog, d.At.Format(clock)))
	}
	for _, what := range r.Unsaid {
		bad = append(bad, violated("%s", what))
	}
	return bad
}
