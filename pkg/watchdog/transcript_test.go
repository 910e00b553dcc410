package watchdog_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

var update = flag.Bool("update", false, "write the transcripts anew")

const header = `# %s
#
# What the journals of all hosts show (dogN is the watchdog beside member N), and
# what happens in etcd, in order of time. Polls are left out.
#
# Made by: go test ./pkg/watchdog -run TestTranscripts -update
# Commit a difference only if every changed line is what an operator should read
# from now on; a line that moved by a few milliseconds is one too.
`

// journal is what all watchdogs record.
type journal struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	at time.Time
	by cluster.MemberID
	event.Event
}

func (j *journal) record(by cluster.MemberID, e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, entry{time.Now(), by, e})
}

// of returns what was recorded of those kinds.
func (j *journal) of(kinds ...event.Kind) []entry {
	return j.without(func(e entry) bool { return !slices.Contains(kinds, e.Kind) })
}

// but returns what was recorded of all kinds but those.
func (j *journal) but(kinds ...event.Kind) []entry {
	return j.without(func(e entry) bool { return slices.Contains(kinds, e.Kind) })
}

func (j *journal) without(drop func(entry) bool) []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(j.entries), drop)
}

type line struct {
	at   time.Time
	by   cluster.MemberID // 0: etcd
	text string
}

// transcript is one line for each thing that happened.
func (s *stage) transcript() string {
	var lines []line
	for _, e := range s.etcd.History() {
		lines = append(lines, line{e.At, 0, "etcd  " + e.String()})
	}
	for _, e := range s.journal.but(event.Polled) {
		lines = append(lines, line{e.at, e.by, fmt.Sprintf("dog%s  %s", e.by, words(e.Event))})
	}
	slices.SortStableFunc(lines, inOrder)
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "t+%.3fs %s\n", l.at.Sub(s.began).Seconds(), l.text)
	}
	return b.String()
}

// inOrder sorts by time. What members do at the same instant has no order of its
// own.
func inOrder(a, b line) int {
	if order := cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)); order != 0 || a.by != 0 {
		return order
	}
	return strings.Compare(a.text, b.text)
}

// jobsEnd checks that no piece of work goes by the id of one whose claim has been
// given back.
func (s *stage) jobsEnd(t *testing.T) {
	t.Helper()
	over := map[string]bool{}
	for _, e := range s.journal.but(event.Polled) {
		switch {
		case e.Job == "":
		case e.Kind == event.ClaimGivenBack:
			over[e.Job] = true
		case over[e.Job] && (e.Kind == event.CompactionStarted || e.Kind == event.DefragmentationStarted || e.Kind == event.AlarmDisarmed):
			t.Errorf("%s of member %s goes by the id of a job that has ended: %s", e.Kind.Row().Name, e.Member, e.Job)
		}
	}
}

// words writes an event as its name and those of its facts that say something.
func words(e event.Event) string {
	row := e.Kind.Row()
	states := map[string]bool{}
	for _, f := range row.Facts {
		states[f.Key()] = true
	}
	var b strings.Builder
	b.WriteString(row.Name)
	add := func(key, name, value string, has bool) {
		if has && states[key] {
			fmt.Fprintf(&b, " %s=%s", name, value)
		}
	}
	add("member_id", "member", e.Member.String(), e.Member != 0)
	add("new_leader_id", "to", e.To.String(), e.To != 0)
	add("alarm", "alarm", e.Alarm, e.Alarm != "")
	add("condition", "condition", e.Condition, e.Condition != "")
	add("reason", "reason", e.Reason, e.Reason != "" && e.Reason != row.Name)
	add("revision", "revision", fmt.Sprint(e.Revision), e.Revision != 0)
	add("db_size_before_bytes", "before", size(e.BeforeBytes), e.BeforeBytes != 0)
	add("db_size_bytes", "file", size(e.SizeBytes), e.SizeBytes != 0)
	add("db_size_in_use_bytes", "in_use", size(e.InUseBytes), e.InUseBytes != 0)
	add("quota_bytes", "quota", size(e.QuotaBytes)+","+e.QuotaFrom, e.QuotaBytes != 0)
	add("tickets", "tickets", fmt.Sprint(e.Tickets), e.Tickets != 0)
	add("took_seconds", "took", e.Took.Round(time.Millisecond).String(), e.Took != 0)
	add("lasted_seconds", "lasted", e.Took.Round(time.Millisecond).String(), e.Took != 0)
	add("expected_seconds", "expected", e.Expected.Round(time.Millisecond).String(), e.Expected != 0)
	add("claim_holder", "holder", fmt.Sprintf("%q", e.Holder), e.Holder != "")
	add("step", "step", fmt.Sprintf("%q", e.Step), e.Step != "")
	add("detail", "detail", fmt.Sprintf("%q", e.Detail), e.Detail != "")
	add("error", "error", fmt.Sprintf("%q", e.Error), e.Error != "")
	return b.String()
}

func size(n int64) string { return strings.ReplaceAll(cluster.FormatBytes(n), " ", "") }

// golden compares a transcript with the one that is kept.
func golden(t *testing.T, name, story, got string) {
	t.Helper()
	compare(t, name, fmt.Sprintf(header, story)+"\n"+got)
}

// compare compares a text with the golden file of that name.
func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	t.Errorf("this is not what %s says; see its head for how to write it anew. %s", path, firstDifference(string(want), got))
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("Line %d:\n want %s\n got  %s", i+1, a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines, want %d", len(b), len(a))
}
