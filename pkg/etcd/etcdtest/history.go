package etcdtest

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// EntryKind is what happened.
type EntryKind int

// What may happen.
const (
	CompactBegin EntryKind = iota + 1 // accepted: the history up to Revision is gone
	CompactEnd                        // deleted from the file of one member
	DefragmentBegin
	DefragmentEnd
	DefragmentAborted // the member's process ended meanwhile
	LeaderMoved       // because somebody asked for it
	Disarmed
	Refused // somebody asked for a step, and it came to nothing

	AlarmRaised
	Elected
	Killed
	Started
)

var entryWords = map[EntryKind]string{
	CompactBegin:      "compact-begin",
	CompactEnd:        "compact-end",
	DefragmentBegin:   "defragment-begin",
	DefragmentEnd:     "defragment-end",
	DefragmentAborted: "defragment-aborted",
	LeaderMoved:       "leader-moved",
	Disarmed:          "disarmed",
	Refused:           "refused",
	AlarmRaised:       "alarm-raised",
	Elected:           "elected",
	Killed:            "killed",
	Started:           "started",
}

// String returns the word that transcripts use.
func (k EntryKind) String() string { return entryWords[k] }

// Entry is one thing that happened to the cluster.
type Entry struct {
	At         time.Time
	Kind       EntryKind
	By         cluster.MemberID // the watchdog beside that member; 0: the cluster itself, or a person
	Member     cluster.MemberID
	To         cluster.MemberID  // LeaderMoved
	Revision   int64             // compactions
	Alarm      cluster.AlarmKind // AlarmRaised, Disarmed
	Step       cluster.StepKind  // Refused: what was asked for; To, Revision and Alarm are the step's
	SizeBytes  int64             // defragmentations: the file at this moment
	InUseBytes int64
	Leads      bool // defragmentations: the member leads the cluster, so no lease is renewed
}

// String is the entry without its time, for transcripts.
func (e Entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s member=%s", e.Kind, e.Member)
	add := func(show bool, format string, value any) {
		if show {
			fmt.Fprintf(&b, format, value)
		}
	}
	add(e.Step != 0, " step=%s", e.Step)
	add(e.By != 0, " by=%s", e.By)
	add(e.To != 0, " to=%s", e.To)
	add(e.Revision != 0, " revision=%d", e.Revision)
	add(e.Alarm != 0, " alarm=%s", e.Alarm)
	add(e.SizeBytes != 0, " size_bytes=%d", e.SizeBytes)
	add(e.InUseBytes != 0, " in_use_bytes=%d", e.InUseBytes)
	add(e.Leads, " leads=%t", e.Leads)
	return b.String()
}

func (c *Cluster) record(e Entry) {
	e.At = time.Now()
	c.history = append(c.history, e)
}

// History is everything that happened to a cluster, in order.
type History []Entry

// History returns what has happened so far.
func (c *Cluster) History() History {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(History(nil), c.history...)
}

// Of returns the entries of those kinds.
func (h History) Of(kinds ...EntryKind) History {
	var of History
	for _, e := range h {
		for _, k := range kinds {
			if e.Kind == k {
				of = append(of, e)
			}
		}
	}
	return of
}

// String is one line an entry, with the seconds since the first one.
func (h History) String() string {
	var b strings.Builder
	for _, e := range h {
		fmt.Fprintf(&b, "%9.3fs %s\n", e.At.Sub(h[0].At).Seconds(), e)
	}
	return b.String()
}
