package main

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
)

func TestSettingsOfEtcd(t *testing.T) {
	got := settingsOf(
		[]string{"--name=a", "-data-dir", "/d", "--client-cert-auth", "--auto-compaction-retention", "1h", "--experimental-stop-grpc-service-on-defrag"},
		[]string{"ETCD_DATA_DIR=/other", "ETCD_AUTO_COMPACTION_MODE=revision", "PATH=/bin", ""})
	want := map[string]string{"name": "a", "data-dir": "/d", "client-cert-auth": "true", "auto-compaction-retention": "1h",
		"experimental-stop-grpc-service-on-defrag": "true", "auto-compaction-mode": "revision"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	file := "# data-dir: /no\nname: 'a'\ndata-dir: \"/d\" # here\nclient-transport-security:\n  cert-file: x\nauto-compaction-retention: 1h\n"
	if got, want := settingsOfFile(file), (map[string]string{"name": "a", "data-dir": "/d", "auto-compaction-retention": "1h"}); !maps.Equal(got, want) {
		t.Errorf("of a file: got %v, want %v", got, want)
	}
}

func TestListeningSocketsAndLocks(t *testing.T) {
	sockets := map[string]bool{}
	listening(`  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:094B 0100007F:9000 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
   2: 00000000:094C 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0
`, 2379, sockets)
	if !maps.Equal(sockets, map[string]bool{"socket:[111]": true}) {
		t.Errorf("sockets: %v", sockets)
	}
	locks := "1: POSIX  ADVISORY  WRITE 5 00:1f:131 0 EOF\n2: FLOCK  ADVISORY  WRITE 77 00:1f:131 0 EOF\n3: FLOCK  ADVISORY  WRITE 9 00:1f:13 0 EOF\n"
	if got := lockHolder(locks, "00:1f:131"); got != 77 {
		t.Errorf("holder: %d", got)
	}
	if got := lockHolder(locks, "00:1f:1"); got != 0 {
		t.Errorf("holder of a free lock: %d", got)
	}
}

func TestTimeSpan(t *testing.T) {
	for span, want := range map[string]time.Duration{"1min 30s": 90 * time.Second, "infinity": 0, "0": 0, "": 0, "500ms": 500 * time.Millisecond, "1h 2min": 62 * time.Minute, "1d": 24 * time.Hour, "4.5s": 4500 * time.Millisecond} {
		if got := timeSpan(span); got != want {
			t.Errorf("%q: %s, want %s", span, got, want)
		}
	}
}

func TestCrontab(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 30, 0, time.UTC) // a Wednesday
	jobs := crontab("/etc/cron.d/x", `# etcd backup
SHELL=/bin/sh
30 2 * * * root etcdctl --password secret snapshot save
*/20 1-2 * * 6,7 root /bin/b
bad
`, true, now)
	if len(jobs) != 2 || jobs[0].Name != "/etc/cron.d/x, line 3" || !strings.Contains(jobs[0].Text, "snapshot save") {
		t.Fatalf("%+v", jobs)
	}
	if n := len(jobs[0].Starts); n != 7 || !jobs[0].Starts[0].Equal(time.Date(2026, 3, 5, 2, 30, 0, 0, time.UTC)) {
		t.Errorf("every night: %v", jobs[0].Starts)
	}
	if n := len(jobs[1].Starts); n != 12 || !jobs[1].Starts[11].Equal(time.Date(2026, 3, 8, 2, 40, 0, 0, time.UTC)) {
		t.Errorf("at the weekend: %v", jobs[1].Starts)
	}
	for field, want := range map[string]bool{"*": true, "7": true, "8": false, "5-9": true, "1-5": false, "*/7": true, "*/4": false, "1,7": true, "1-9/3": true, "1-9/4": false} {
		if cronHas(field, 7) != want {
			t.Errorf("%s has 7: %v", field, !want)
		}
	}
}

func TestTimersRepeatDaily(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	next := now.Add(14 * time.Hour)
	if got := repeated(next, next.Add(-24*time.Hour), now); len(got) != 7 || got[6] != next.Add(6*24*time.Hour) {
		t.Errorf("daily: %v", got)
	}
	for _, last := range []time.Time{{}, next.Add(-7 * 24 * time.Hour), next.Add(-time.Minute)} {
		if got := repeated(next, last, now); len(got) != 1 {
			t.Errorf("last %s: %v", last, got)
		}
	}
}

// The table has no control character where there is no terminal, whatever the
// servers say, and tells once what several findings share.
func TestExaminationTable(t *testing.T) {
	findings := []doctor.Finding{
		{Check: "a", Severity: doctor.OK, Finding: "good"},
		{Check: "long", Severity: doctor.Warning, Finding: "name \x1b[2J", Meaning: "m", Remedy: "r"},
		{Check: "long", Severity: doctor.Critical, Finding: "again", Meaning: "m", Remedy: "r"},
	}
	want := `ok       a     good
warning  long  name \x1b[2J
               meaning: m
               remedy:  r
critical       again

1 ok, 1 warning, 1 critical, 0 unknown
`
	if got := examinationTable(findings, terminal{}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := examinationTable(findings, terminal{color: true}); !strings.Contains(got, "\x1b[33mwarning ") || strings.Contains(got, "\x1b[2J") {
		t.Errorf("in colour: %q", got)
	}
}

// The template's daemons have directories of their own.
func TestStateDirectoryIsThatOfTheUnit(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	for unit, want := range map[string]string{
		"etcd-watchdog.service":   "/var/lib/etcd-watchdog",
		"etcd-watchdog@a.service": "/var/lib/etcd-watchdog@a",
		"etcd-watchdog@a":         "/var/lib/etcd-watchdog@a",
	} {
		d := doctorCommand{unit: unit}
		if got := d.kept(); got != want {
			t.Errorf("%s: got %s, want %s", unit, got, want)
		}
		if d.path = "/named"; d.kept() != "/named" {
			t.Errorf("%s: got %s in place of the directory that was named", unit, d.kept())
		}
	}
}
