package realetcd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"
)

// Period is a stretch of time. A zero End means that it lasts still.
type Period struct {
	Begin, End time.Time
}

// Overlaps reports that the two share more than an instant.
func (p Period) Overlaps(q Period) bool {
	return (q.End.IsZero() || p.Begin.Before(q.End)) && (p.End.IsZero() || q.Begin.Before(p.End))
}

// Length is how long the period lasted; of one that lasts still, until now.
func (p Period) Length() time.Duration {
	if p.End.IsZero() {
		return time.Since(p.Begin)
	}
	return p.End.Sub(p.Begin)
}

// Defragmentation is one run of it, as the member itself logged it. The period
// is the one in which the member did the work; Took, which etcd measured, also
// counts the wait for the locks before it, and is zero unless Completed.
type Defragmentation struct {
	Period
	Member      string // its name
	Completed   bool   // false: it lasts still, failed, or ended with the process
	Took        time.Duration
	BeforeBytes int64 // the database file
	AfterBytes  int64 // 0 unless Completed
	BeforeInUse int64 // bytes
	AfterInUse  int64 // bytes; 0 unless Completed
}

// String names the member, the times and the sizes.
func (d Defragmentation) String() string {
	const clock = "15:04:05.000"
	end := "…"
	if !d.End.IsZero() {
		end = d.End.Format(clock)
	}
	return fmt.Sprintf("%s %s–%s %d → %d bytes", d.Member, d.Begin.Format(clock), end, d.BeforeBytes, d.AfterBytes)
}

// Compaction is the end of one on one member: its garbage is deleted there.
type Compaction struct {
	At       time.Time
	Revision int64
	Took     time.Duration
}

// Defragmentations returns those of all members, also of removed ones, in the
// order in which they began.
func (c *Cluster) Defragmentations() ([]Defragmentation, error) {
	var all []Defragmentation
	for _, m := range c.everyMember() {
		of, err := m.Defragmentations()
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	slices.SortStableFunc(all, func(a, b Defragmentation) int { return a.Begin.Compare(b.Begin) })
	return all, nil
}

// Overlaps returns every pair that ran at the same time on different members.
func Overlaps(all []Defragmentation) [][2]Defragmentation {
	var pairs [][2]Defragmentation
	for i, a := range all {
		for _, b := range all[i+1:] {
			if a.Member != b.Member && a.Overlaps(b.Period) {
				pairs = append(pairs, [2]Defragmentation{a, b})
			}
		}
	}
	return pairs
}

// Defragmentations returns the member's own, in their order.
func (m *Member) Defragmentations() ([]Defragmentation, error) {
	entries, err := m.readLog()
	if err != nil {
		return nil, err
	}
	var all []Defragmentation
	var open *Defragmentation // the one that has begun and not ended yet
	for _, e := range entries {
		switch e.Message {
		case "defragmenting":
			all = append(all, Defragmentation{
				Period: Period{Begin: e.at, End: m.processEnd(e.at)},
				Member: m.Name, BeforeBytes: e.SizeBytes, BeforeInUse: e.InUseBytes,
			})
			open = &all[len(all)-1]
		case "defragmented", "finished defragmenting directory": // 3.4; later
			if open == nil {
				return nil, fmt.Errorf("%s: the end of a defragmentation without a beginning at %v", m.LogPath, e.at)
			}
			open.Completed, open.End, open.Took = true, e.at, e.took
			open.AfterBytes, open.AfterInUse = e.SizeBytes, e.InUseBytes
			open = nil
		case "failed to defragment":
			if open != nil {
				open.End = e.at
			}
			open = nil
		}
	}
	return all, nil
}

// Compactions returns those that ended on this member, in their order.
func (m *Member) Compactions() ([]Compaction, error) {
	entries, err := m.readLog()
	var all []Compaction
	for _, e := range entries {
		if e.Message == "finished scheduled compaction" {
			all = append(all, Compaction{At: e.at, Revision: e.Revision, Took: e.took})
		}
	}
	return all, err
}

// processEnd is when the run of the process ended that was alive at that time;
// zero if it runs still.
func (m *Member) processEnd(at time.Time) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.processes {
		if p.running() {
			break
		}
		if !p.ended.Before(at) {
			return p.ended
		}
	}
	return time.Time{}
}

// entry is a line of a member's log, with the fields of the messages that
// matter here.
type entry struct {
	Time       string `json:"ts"`
	Message    string `json:"msg"`
	SizeBytes  int64  `json:"current-db-size-bytes"`
	InUseBytes int64  `json:"current-db-size-in-use-bytes"`
	Revision   int64  `json:"compact-revision"`
	Took       string `json:"took"`

	at   time.Time
	took time.Duration
}

var messages = []string{
	"defragmenting", "defragmented", "finished defragmenting directory", "failed to defragment",
	"finished scheduled compaction",
}

// readLog returns the entries of those messages, in order.
func (m *Member) readLog() ([]entry, error) {
	data, err := os.ReadFile(m.LogPath)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", m.Name, err)
	}
	var entries []entry
	for line := range bytes.Lines(data) {
		var head struct {
			Message string `json:"msg"`
		}
		// What is no JSON is a panic's trace, or a line that is being written.
		if json.Unmarshal(line, &head) != nil || !slices.Contains(messages, head.Message) {
			continue
		}
		e, err := parseEntry(line)
		if err != nil {
			return nil, fmt.Errorf("log of %s: %q: %w", m.Name, bytes.TrimSpace(line), err)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(line []byte) (entry, error) {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	var err error
	// 3.4 writes milliseconds, later ones microseconds; Go reads either. The
	// zone is Z in UTC, else an offset without a colon.
	layout := "2006-01-02T15:04:05Z0700"
	if e.at, err = time.Parse(layout, e.Time); err != nil {
		return e, err
	}
	if e.Took != "" {
		e.took, err = time.ParseDuration(e.Took)
	}
	return e, err
}
