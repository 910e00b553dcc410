package event

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// length writes a duration for a person: two units at most.
func length(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Truncate(100*time.Millisecond).Seconds(), 'f', -1, 64) + " s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return units(int64(d/time.Minute), "min", int64(d%time.Minute/time.Second), "s")
	case d < 24*time.Hour:
		return units(int64(d/time.Hour), "h", int64(d%time.Hour/time.Minute), "min")
	default:
		return units(int64(d/(24*time.Hour)), "d", int64(d%(24*time.Hour)/time.Hour), "h")
	}
}

func units(n int64, unit string, rest int64, restUnit string) string {
	if rest == 0 {
		return fmt.Sprintf("%d %s", n, unit)
	}
	return fmt.Sprintf("%d %s %d %s", n, unit, rest, restUnit)
}

// maxText is the length in bytes from which a text is cut. It keeps an entry
// far below what one datagram can hold, and a field within what journalctl
// shows unasked.
const maxText = 4000

// printable escapes a text and cuts what is too long: names, errors and problems
// come from servers and from their certificates.
func printable(s string) string {
	text, rest := escape(s, maxText)
	if rest != "" {
		text += "…"
	}
	return text
}

// Escape makes text that comes from elsewhere fit for a terminal or a line: what
// does not print, line breaks among it, is shown and not done.
func Escape(s string) string {
	text, _ := escape(s, math.MaxInt)
	return text
}

// escape does so until the text has that many bytes, and returns what is left.
func escape(s string, most int) (text, rest string) {
	var b strings.Builder
	for len(s) > 0 && b.Len() < most {
		r, width := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && width == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
		s = s[width:]
	}
	return b.String(), s
}

// who names the member for a sentence.
func who(e Event) string {
	switch {
	case e.Member == 0:
		return "an unknown member"
	case e.MemberName == "":
		return "member " + e.Member.String()
	default:
		return "member " + e.MemberName + " (" + e.Member.String() + ")"
	}
}

// capital begins a sentence with s, which is not empty and begins in ASCII.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// usage tells the file, what of it is in use, and the quota.
func usage(e Event) string {
	s := fmt.Sprintf("file %s, in use %s", cluster.FormatBytes(e.SizeBytes), cluster.FormatBytes(e.InUseBytes))
	switch {
	case e.QuotaBytes < 0:
		return s + ", no quota"
	case e.QuotaBytes == 0:
		return s
	}
	quota := fmt.Sprintf(", quota %s", cluster.FormatBytes(e.QuotaBytes))
	if e.QuotaFrom != "" && e.QuotaFrom != "learnt" {
		quota += " (" + e.QuotaFrom + ")"
	}
	return s + quota + fmt.Sprintf(", %.0f %% full", 100*float64(e.SizeBytes)/float64(e.QuotaBytes))
}

// because tells the reason of a decision behind a sentence.
func because(e Event) string {
	if e.Reason == "" {
		return ""
	}
	return ", because of " + e.Reason
}
