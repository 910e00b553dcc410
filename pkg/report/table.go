package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Style is how a table is written.
type Style struct {
	Color  bool                // colours, and a bar of the usage
	Escape func(string) string // makes text of servers fit for where it goes
}

// barWidth is the length of the bar, in characters.
const barWidth = 10

// colours of the severities, as terminals know them.
var colours = map[Severity]string{Fine: "32", Warning: "33", Critical: "31", Unknown: "35"}

func (s Style) paint(severity Severity, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + colours[severity] + "m" + text + "\x1b[0m"
}

// page collects lines; an error of the writer is kept until the end.
type page struct {
	Style
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// table writes rows in columns; the first is the head. Nothing in a cell may have
// colour: it would count as width.
func (p *page) table(rows [][]string) {
	if p.err != nil {
		return
	}
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(r, "\t"))
	}
	_ = t.Flush() // into a string
	for l := range strings.Lines(b.String()) {
		p.line("%s", strings.TrimRight(l, " \n"))
	}
}

// WriteTable writes the report for people.
func (s Status) WriteTable(w io.Writer, style Style) error {
	p := &page{Style: style, w: w}
	p.head(s.Common)
	if len(s.Members) > 0 {
		rows := [][]string{{"MEMBER", "ROLE", "VERSION", "FILE", "IN USE", "QUOTA", "USAGE", "RECLAIMABLE", "GROWTH", "FULL IN", "WATCHED BY"}}
		for _, m := range s.Members {
			rows = append(rows, p.cells(m))
		}
		p.table(rows)
		p.line("")
	}
	p.line("alarms: %s", p.alarms(s))
	p.foot(s.Common)
	for _, m := range s.Members {
		p.past(m)
	}
	p.findings(s.Common)
	return p.err
}

// WriteTable writes the report for people.
func (r Plan) WriteTable(w io.Writer, style Style) error {
	p := &page{Style: style, w: w}
	p.head(r.Common)
	if len(r.Members) > 0 {
		rows := [][]string{{"MEMBER", "WHAT", "WHY", "AT THE EARLIEST"}}
		for _, m := range r.Members {
			rows = append(rows, []string{p.called(m.Name, m.MemberID), what(m), m.Reason, when(m)})
		}
		p.table(rows)
		p.line("")
		for _, m := range r.Members {
			if m.Detail != "" {
				p.line("%s: %s", p.called(m.Name, m.MemberID), p.Escape(m.Detail))
			}
		}
	}
	p.line("this host now: %s", p.now(r.Decision))
	if r.Decision.Risk != "" {
		p.line("risk: %s", p.Escape(r.Decision.Risk))
	}
	p.foot(r.Common)
	p.findings(r.Common)
	return p.err
}

func (p *page) head(c Common) {
	p.line("cluster %s: %s", orDash(c.ClusterID), p.paint(c.Status, string(c.Status)))
	p.line("")
}

func (p *page) cells(m Member) []string {
	if m.SizeBytes == nil {
		return []string{p.called(m.Name, m.MemberID), "-", "-", "-", "-", "-", "-", "-", "-", "-", p.watched(m)}
	}
	quota, usage, growth, left := "none", "-", "-", "-"
	if m.QuotaBytes != nil {
		quota, usage = cluster.FormatBytes(*m.QuotaBytes)+" "+m.QuotaSource, p.bar(*m.Usage)
	}
	if m.Growth != nil {
		growth = cluster.FormatBytes(int64(*m.Growth*3600)) + "/h"
	}
	if m.TimeToQuota != nil {
		left = ago(time.Duration(*m.TimeToQuota * float64(time.Second)))
	}
	return []string{
		p.called(m.Name, m.MemberID), m.Role, p.Escape(m.Version), cluster.FormatBytes(*m.SizeBytes), cluster.FormatBytes(*m.InUseBytes),
		quota, usage, cluster.FormatBytes(*m.Reclaimable), growth, left, p.watched(m),
	}
}

// bar shows a share; the block characters only where colours are welcome too.
func (p *page) bar(share float64) string {
	text := percent(share)
	if !p.Color {
		return text
	}
	full := min(barWidth, max(0, int(math.Round(barWidth*share))))
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full) + " " + text
}

func (p *page) watched(m Member) string {
	if len(m.WatchedBy) == 0 {
		return "-"
	}
	by := p.Escape(strings.Join(m.WatchedBy, ", "))
	if m.HoldsClaim {
		by += " (holds the claim)"
	}
	return by
}

func (p *page) alarms(s Status) string {
	var all []string
	for _, a := range s.Alarms {
		all = append(all, a.Alarm+" of member "+a.MemberID)
	}
	switch {
	case s.Problem != "":
		return "not known"
	case len(all) == 0:
		return "none"
	}
	return p.paint(Critical, strings.Join(all, ", "))
}

// foot tells the claim and the daemon of this host.
func (p *page) foot(c Common) {
	switch {
	case !c.Claim.Known:
		p.line("claim: not known")
	case c.Claim.Holder != "":
		p.line("claim: held by %s", p.Escape(c.Claim.Holder))
	default:
		p.line("claim: free")
	}
	p.line("daemon: %s", p.daemon(c.Daemon))
	if d := c.Daemon.LastDecision; d != nil {
		p.line("its last decision, %s: %s", stamp(d.At), p.reason(d.Reason, d.Detail))
	}
	if c.Pause != nil {
		why := ""
		if c.Pause.Reason != "" {
			why = " (" + p.Escape(c.Pause.Reason) + ")"
		}
		p.line("paused until %s%s", stamp(c.Pause.Until), why)
	}
}

func (p *page) daemon(d Daemon) string {
	running := map[bool]string{true: "running", false: "not running"}[d.Running]
	switch {
	case d.Problem != "":
		return running + "; " + p.Escape(d.Problem)
	case d.LastPoll == nil && !d.Running:
		return "none known here; nothing is kept in " + p.Escape(d.StateDir)
	case d.LastPoll == nil:
		return running + "; nothing is kept in " + p.Escape(d.StateDir) + " yet"
	default:
		return fmt.Sprintf("%s; last kept poll %s ago", running, ago(time.Duration(*d.SincePoll*float64(time.Second))))
	}
}

// past tells what the daemon has done to a member.
func (p *page) past(m Member) {
	if m.LastWork == nil {
		return
	}
	cooling := ""
	if m.CooldownEnds != nil {
		cooling = ", cools down for another " + ago(time.Duration(*m.CooldownEnds*float64(time.Second)))
	}
	p.line("last work on %s: %s, won %s%s", p.called(m.Name, m.MemberID), stamp(m.LastWork.At), cluster.FormatBytes(m.LastWork.WonBytes), cooling)
}

func (p *page) findings(c Common) {
	if len(c.Findings) == 0 {
		return
	}
	p.line("")
	for _, f := range c.Findings {
		of := ""
		if f.MemberID != "" {
			of = " " + p.called(f.MemberName, f.MemberID)
		}
		p.line("%s: %s%s: %s", p.paint(f.Severity, string(f.Severity)), f.Code, of, p.Escape(f.Detail))
	}
}
