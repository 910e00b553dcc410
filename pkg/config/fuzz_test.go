package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/etcd-watchdog/etcd-watchdog/configs"
)

// Whatever the bytes, Parse returns; what it takes satisfies every relation,
// here written once more and by hand; what it refuses, it places in the file.
func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.yaml")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(configs.Sample)
	f.Add([]byte(everythingElse))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data)
		if err == nil {
			checkRelations(t, c)
			return
		}
		for _, fault := range err.(Faults) {
			line := fault.String()
			if fault.Line < 1 || fault.Column < 1 || fault.Found == "" || fault.Expected == "" ||
				strings.ContainsAny(line, "\n\r") || !utf8.ValidString(line) {
				t.Errorf("%q", line)
			}
		}
	})
}

func checkRelations(t *testing.T, c Config) {
	t.Helper()
	l, e := c.Limits, c.Etcd
	for what, holds := range map[string]bool{
		"shares are shares":        l.WarnAt >= 0.01 && l.DisarmBelow >= 0.01 && l.UrgentAt <= 1,
		"compact < defragment":     l.CompactAt < l.DefragmentAt,
		"defragment < urgent":      l.DefragmentAt < l.UrgentAt,
		"disarm < urgent":          l.DisarmBelow < l.UrgentAt,
		"warn < urgent":            l.WarnAt < l.UrgentAt,
		"min-reclaim < defragment": l.MinReclaim >= 0.01 && l.MinReclaim < l.DefragmentAt,
		"polls":                    l.MinPollInterval >= 50*time.Millisecond && l.MinPollInterval <= l.PollInterval,
		"ttl":                      c.Claim.TTL >= 3*e.RequestTimeout && c.Claim.TTL%time.Second == 0,
		"request-timeout":          e.RequestTimeout >= 100*time.Millisecond,
		"tickets":                  c.Claim.Tickets >= 1 && c.Claim.Tickets <= 60,
		"cert and key":             (e.Cert == "") == (e.Key == ""),
		"user and password-file":   (e.User == "") == (e.PasswordFile == ""),
		"user without password":    !strings.Contains(e.User, ":"),
		"one endpoint":             e.Endpoint != "" && !strings.ContainsAny(e.Endpoint, ",@ "),
		"quota":                    e.QuotaBackendBytes == 0 || e.QuotaBackendBytes >= 1<<20 && e.QuotaBackendBytes <= 1<<40,
		"prefix":                   strings.HasPrefix(c.Claim.Prefix, "/") && !strings.HasSuffix(c.Claim.Prefix, "/"),
	} {
		if !holds {
			t.Errorf("%s: taken, though it does not hold: %+v", what, c)
		}
	}
	for _, w := range l.Windows {
		if w.Location == nil || w.From == w.To || w.From < 0 || w.From >= 24*60 || w.To < 0 || w.To > 24*60 || w.Days == [7]bool{} {
			t.Errorf("a window that makes no sense: %+v", w)
		}
	}
}
