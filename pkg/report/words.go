package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// called names a member for people; the id where it has no name yet.
func (p *page) called(name, id string) string {
	if name == "" {
		return id
	}
	return p.Escape(name)
}

// now says what this host's watchdog would do.
func (p *page) now(d Decision) string {
	if !d.Acts {
		return p.reason(d.Reason, d.Detail)
	}
	return "would " + joined(d.Steps) + " (" + d.Reason + ")"
}

func (p *page) reason(reason, detail string) string {
	if detail == "" {
		return reason
	}
	return reason + ": " + p.Escape(detail)
}

func joined(steps []Step) string {
	var words []string
	for _, s := range steps {
		words = append(words, s.Words)
	}
	return strings.Join(words, ", ")
}

// what says in a word or two what is done to a member.
func what(m Prospect) string {
	var kinds []string
	for _, s := range m.Steps {
		kinds = append(kinds, s.Step)
	}
	if len(kinds) == 0 {
		return "nothing"
	}
	return strings.Join(kinds, ", ")
}

func when(m Prospect) string {
	switch {
	case m.Due:
		return "now"
	case m.Earliest != nil:
		return stamp(*m.Earliest)
	default:
		return "-"
	}
}

func stamp(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// ago writes a length of time as roughly as people tell it.
func ago(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return d.Round(time.Second).String()
	case d < 2*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	case d < 72*time.Hour:
		return strings.TrimSuffix(d.Round(time.Hour).String(), "0m0s")
	default:
		return strconv.FormatFloat(math.Round(d.Hours()/24), 'f', 0, 64) + "d"
	}
}

// percent rounds down, so that only what is full reads as 100 %.
func percent(share float64) string {
	return strconv.FormatFloat(math.Floor(100*share), 'f', 0, 64) + " %"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
