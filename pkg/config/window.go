package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

const allThree = `days, times and a time zone, such as "Mon-Fri 01:00-05:00 Europe/Amsterdam"`

// window is days, times and a time zone. The zone is never left out: the hosts
// of one cluster need not agree on a local time.
var window = form[policy.Window]{
	expected: allThree,
	read: func(n *yaml.Node) (policy.Window, bool) {
		w, expected := readWindow(n)
		return w, expected == ""
	},
	explain: func(n *yaml.Node) string {
		_, expected := readWindow(n)
		return expected
	},
}

// readWindow returns the window, or what was expected of the part that is wrong.
func readWindow(n *yaml.Node) (policy.Window, string) {
	words := strings.Fields(n.Value)
	if !isText(n) || len(words) != 3 {
		return policy.Window{}, allThree
	}
	days, ok := readDays(words[0])
	if !ok {
		return policy.Window{}, "it to begin with days, such as Mon, Mon-Fri, Sat,Sun or daily"
	}
	from, to, ok := readTimes(words[1])
	if !ok {
		return policy.Window{}, "two different times from 00:00 to 24:00 after the days, such as 22:00-04:00"
	}
	location, err := time.LoadLocation(words[2])
	if err != nil {
		return policy.Window{}, "a time zone at the end, such as Europe/Amsterdam, UTC, or Local for that of this host"
	}
	return policy.Window{Days: days, From: from, To: to, Location: location}, ""
}

// dayNames is by time.Weekday.
var dayNames = []string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// readDays takes "daily", or days and ranges of days with commas between. A
// range may run over the end of the week.
func readDays(s string) (days [7]bool, ok bool) {
	if s == "daily" {
		s = "Sun-Sat"
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, ranged := strings.Cut(part, "-")
		if !ranged {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < 0 {
			return days, false
		}
		days[to] = true
		for day := from; day != to; day = (day + 1) % len(days) {
			days[day] = true
		}
	}
	return days, true
}

var timesPattern = regexp.MustCompile(`^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$`)

// readTimes returns minutes after midnight. Two equal times are refused: they
// could mean a whole day, or nothing at all.
func readTimes(s string) (from, to int, ok bool) {
	groups := timesPattern.FindStringSubmatch(s)
	if groups == nil {
		return 0, 0, false
	}
	var n [4]int
	for i := range n {
		n[i], _ = strconv.Atoi(groups[i+1]) // two digits, says the pattern
	}
	from, to = n[0]*60+n[1], n[2]*60+n[3]
	const day = 24 * 60
	return from, to, n[1] < 60 && n[3] < 60 && from < day && to <= day && from != to
}
