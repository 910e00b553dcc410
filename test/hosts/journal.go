//go:build linux

package hosts

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const unit = "etcd-watchdog.service"

// Entry is one of a watchdog's entries as `journalctl -o json` shows it.
type Entry struct {
	Host    string
	At      time.Time
	Event   string
	Message string
	Member  string
	Job     string
	ID      string // MESSAGE_ID
	Level   int    // PRIORITY
	Fields  map[string]string
}

// Journal reads what the watchdog of this host has written.
func (h *Host) Journal() []Entry {
	h.lab.tb.Helper()
	var entries []Entry
	for line := range strings.Lines(h.Run("journalctl", "--unit="+unit, "--output=json", "--all", "--no-pager")) {
		raw := map[string]any{}
		if err := json.Unmarshal([]byte(line), &raw); err != nil {
			h.lab.tb.Fatalf("%s: journalctl: %v in %q", h.Name, err, line)
		}
		fields := map[string]string{}
		for key, value := range raw {
			fields[key] = fmt.Sprint(value)
		}
		if fields["WATCHDOG_EVENT"] == "" {
			continue // systemd's own, or a stack trace
		}
		micros, _ := strconv.ParseInt(fields["__REALTIME_TIMESTAMP"], 10, 64)
		level, _ := strconv.Atoi(fields["PRIORITY"])
		entries = append(entries, Entry{
			Host: h.Name, At: time.UnixMicro(micros), Event: fields["WATCHDOG_EVENT"], Message: fields["MESSAGE"],
			Member: fields["ETCD_MEMBER_ID"], Job: fields["WATCHDOG_JOB"], ID: fields["MESSAGE_ID"], Level: level, Fields: fields,
		})
	}
	return entries
}

// Journals reads those of all hosts, in the order of their times: the hosts
// share a clock.
func (l *Lab) Journals() []Entry {
	var all []Entry
	l.Each(func(h *Host) { all = append(all, h.Journal()...) })
	slices.SortStableFunc(all, func(a, b Entry) int { return a.At.Compare(b.At) })
	return all
}

// Of returns the entries of these events.
func Of(entries []Entry, events ...string) []Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !slices.Contains(events, e.Event) })
}

// Overlaps returns a sentence for every two pieces of work that went on at the
// same time: a claim was taken while another host held one. Nothing: the
// journals tell of one at a time.
func Overlaps(entries []Entry) []string {
	var faults []string
	holder := ""
	for _, e := range Of(entries, "claim_taken", "claim_given_back", "claim_lost") {
		switch {
		case e.Event != "claim_taken":
			holder = ""
		case holder != "" && holder != e.Host:
			faults = append(faults, fmt.Sprintf("%s: %s took the claim while %s held it", e.At.Format(time.StampMicro), e.Host, holder))
		default:
			holder = e.Host
		}
	}
	return faults
}

// Unfinished returns a sentence for every piece of work that was begun and of
// which no entry of the same job and member says how it ended.
func Unfinished(entries []Entry) []string {
	ends := map[string][]string{
		"compaction_started":      {"compaction_completed", "compaction_failed"},
		"defragmentation_started": {"defragmentation_completed", "defragmentation_failed", "defragmentation_settled"},
	}
	var faults []string
	for i, begin := range entries {
		wanted, ok := ends[begin.Event]
		if ok && !slices.ContainsFunc(entries[i:], func(e Entry) bool {
			return slices.Contains(wanted, e.Event) && e.Job == begin.Job && e.Member == begin.Member
		}) {
			faults = append(faults, fmt.Sprintf("%s on %s: nothing says how it ended", begin.Event, begin.Host))
		}
	}
	return faults
}
