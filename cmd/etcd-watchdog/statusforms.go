package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/report"
)

// statusForms writes a status in the forms that status alone has.
type statusForms struct {
	report.Status
	form string
}

// WriteTable writes the form that was asked for.
func (s statusForms) WriteTable(w io.Writer, style report.Style) error {
	switch s.form {
	case formSimple:
		return s.writeSimple(w)
	case formWide:
		if err := s.Status.WriteTable(w, style); err != nil {
			return err
		}
		return s.writeMore(w)
	default:
		return s.Status.WriteTable(w, style)
	}
}

// writeSimple writes a line for each member, with commas, as etcdctl does: name,
// id, role, version, file, in use, quota, usage, alarms, hosts that watch it. What
// is not known is empty.
func (s statusForms) writeSimple(w io.Writer) error {
	for _, m := range s.Members {
		usage := ""
		if m.Usage != nil {
			usage = fmt.Sprintf("%.0f%%", 100**m.Usage)
		}
		cells := []string{
			event.Escape(m.Name), m.MemberID, m.Role, event.Escape(m.Version), bytesOf(m.SizeBytes), bytesOf(m.InUseBytes), bytesOf(m.QuotaBytes),
			usage, strings.Join(m.Alarms, " "), event.Escape(strings.Join(m.WatchedBy, " ")),
		}
		if _, err := fmt.Fprintln(w, strings.Join(cells, ", ")); err != nil {
			return err
		}
	}
	return nil
}

// writeMore writes what the table has no room for.
func (s statusForms) writeMore(w io.Writer) error {
	if len(s.Members) == 0 {
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nMEMBER\tID\tGROWTH IS\tHOLDS CLAIM\tLAST WORK\tFREED\tCOOLDOWN ENDS IN\tPROBLEM")
	for _, m := range s.Members {
		worked, won := "-", "-"
		if m.LastWork != nil {
			worked, won = m.LastWork.At.Local().Format("2006-01-02 15:04:05"), cluster.FormatBytes(m.LastWork.WonBytes)
		}
		cooldown := "-"
		if m.CooldownEnds != nil {
			cooldown = time.Duration(*m.CooldownEnds * float64(time.Second)).Round(time.Second).String()
		}
		certainty := "unknown"
		switch m.Confidence {
		case "low":
			certainty = "uncertain"
		case "high":
			certainty = "certain"
		}
		holds := "no"
		if m.HoldsClaim {
			holds = "yes"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", event.Escape(cmp.Or(m.Name, "-")), m.MemberID, certainty, holds, worked, won, cooldown, event.Escape(cmp.Or(m.Problem, "-")))
	}
	return t.Flush()
}

func bytesOf(n *int64) string {
	if n == nil {
		return ""
	}
	return cluster.FormatBytes(*n)
}
