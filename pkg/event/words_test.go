package event

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestLength(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "0 ms",
		350 * time.Millisecond:           "350 ms",
		time.Second:                      "1 s",
		7149 * time.Millisecond:          "7.1 s",
		59999 * time.Millisecond:         "59 s",
		time.Minute:                      "1 min",
		4*time.Minute + 5*time.Second:    "4 min 5 s",
		time.Hour:                        "1 h",
		3*time.Hour + 12*time.Minute:     "3 h 12 min",
		50*time.Hour + 30*time.Minute:    "2 d 2 h",
		24 * time.Hour:                   "1 d",
		9999 * time.Millisecond:          "9.9 s",
		59*time.Minute + 59*time.Second:  "59 min 59 s",
		-5 * time.Second:                 "-5000 ms",
		time.Duration(math.MaxInt64) / 2: "53375 d 23 h",
	} {
		if got := length(d); got != want {
			t.Errorf("length(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for s, want := range map[string]string{
		"":                          "",
		"plain, with ümlaut and 語":  "plain, with ümlaut and 語",
		"two\nlines\r":              `two\nlines\r`,
		"\x1b[31mred":               `\x1b[31mred`,
		"bad \xff utf-8":            `bad \xff utf-8`,
		"turned \u202e round":       `turned \u202e round`,
		"it's \"quoted\" \\ really": "it's \"quoted\" \\ really",
	} {
		if got := printable(s); got != want {
			t.Errorf("printable(%q) = %q, want %q", s, got, want)
		}
	}
	long := printable(strings.Repeat("ä", 1<<20))
	if len(long) > 4096 || !strings.HasSuffix(long, "ä…") {
		t.Errorf("a long text is cut to %d bytes, ends in %q", len(long), long[len(long)-8:])
	}
}

func TestEscapeShowsWhatATerminalWouldDo(t *testing.T) {
	for in, want := range map[string]string{
		"/registry/pods/ä": "/registry/pods/ä",
		"a\x1b[2Jb":        `a\x1b[2Jb`,
		"a\nb\tc":          `a\nb\tc`,
		"\xff\u202e":       `\xff\u202e`,
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}
