package history

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Report is what the command history answers with.
type Report struct {
	At         time.Time   `json:"at"`
	Since      time.Time   `json:"since,omitzero"` // zero: all that is kept
	StateDir   string      `json:"state_directory"`
	Work       []Work      `json:"work"`
	Conditions []Condition `json:"conditions"`
}

// NewReport selects what happened from that time on; the zero time: everything.
func NewReport(l Log, at, since time.Time, dir string) Report {
	if !since.IsZero() {
		l = l.Since(since)
	}
	r := Report{At: at.UTC(), Since: since.UTC(), StateDir: dir, Work: l.Work, Conditions: l.Conditions}
	if since.IsZero() {
		r.Since = time.Time{}
	}
	if r.Work == nil {
		r.Work = []Work{}
	}
	if r.Conditions == nil {
		r.Conditions = []Condition{}
	}
	return r
}

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	if len(r.Work) == 0 && len(r.Conditions) == 0 {
		b.WriteString("nothing is recorded in " + r.StateDir + "\n")
	}
	if len(r.Work) > 0 {
		rows := [][]string{{"ENDED", "MEMBER", "STEP", "REASON", "BEFORE", "AFTER", "FREED", "TOOK", "OUTCOME"}}
		for _, one := range r.Work {
			rows = append(rows, one.cells())
		}
		table(&b, rows)
	}
	if len(r.Conditions) > 0 {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		rows := [][]string{{"BEGAN", "ENDED", "LASTED", "LEVEL", "CONDITION", "MEMBER"}}
		for _, one := range r.Conditions {
			rows = append(rows, one.cells(r.At))
		}
		table(&b, rows)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func table(b *strings.Builder, rows [][]string) {
	var aligned strings.Builder
	t := tabwriter.NewWriter(&aligned, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	_ = t.Flush() // into a string
	for l := range strings.Lines(aligned.String()) {
		b.WriteString(strings.TrimRight(l, " \n") + "\n")
	}
}

func (w Work) cells() []string {
	step := w.Kind
	if w.Count > 1 {
		step = fmt.Sprintf("%s x%d", step, w.Count)
	}
	outcome := w.Outcome
	if w.Error != "" {
		outcome += ": " + w.Error
	}
	took := time.Duration(w.Seconds * float64(time.Second)).Round(time.Millisecond).String()
	return []string{stamp(w.EndedAt), cmp.Or(w.MemberName, w.MemberID, "-"), step, cmp.Or(w.Reason, "-"), size(w.BeforeBytes), size(w.AfterBytes), size(w.FreedBytes), took, outcome}
}

func (c Condition) cells(now time.Time) []string {
	ended, until := "stands", now
	if !c.stands() {
		ended, until = stamp(c.EndedAt), c.EndedAt
	}
	if c.EndUnseen {
		ended = "before " + ended
	}
	return []string{stamp(c.BeganAt), ended, until.Sub(c.BeganAt).Round(time.Second).String(), c.Level, c.Condition, cmp.Or(c.MemberName, c.MemberID, "-")}
}

func size(bytes int64) string {
	if bytes <= 0 {
		return "-"
	}
	return cluster.FormatBytes(bytes)
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
