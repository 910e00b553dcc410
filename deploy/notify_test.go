package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

const notifier = "systemd/examples/etcd-watchdog-notify"

// journal is what journalctl -o export writes: an entry ends with an empty line.
const journal = `__CURSOR=s=1
_SYSTEMD_UNIT=etcd-watchdog.service
MESSAGE=etcd refuses writes; $(touch pwned) "quoted" 'text'
PRIORITY=4
LD_PRELOAD=/tmp/evil.so
WATCHDOG_EVENT=nospace_armed

WATCHDOG_EVENT=condition_ended
WATCHDOG_CONDITION=near_quota

WATCHDOG_EVENT=corrupt_armed
ETCD_ALARM=CORRUPT
MESSAGE=fail

WATCHDOG_EVENT=condition_ended
WATCHDOG_CONDITION=nospace_armed
MESSAGE=over
`

// notified runs the script with a journal of that text, and returns what its
// command saw, an entry a line, and what journalctl was asked for.
func notified(t *testing.T, text string) (seen, asked, stderr string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range map[string]string{
		"journalctl": "#!/bin/sh\necho \"$@\" > asked\ncat journal\n",
		"command": "#!/bin/sh\necho \"$1|$WATCHDOG_EVENT|${WATCHDOG_CONDITION-unset}|${ETCD_ALARM-unset}|$MESSAGE|${LD_PRELOAD-unset}\" >> seen\n" +
			"read -r line && echo 'the command eats the journal' >> seen\ntest \"$MESSAGE\" != fail\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "journal"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	script, err := filepath.Abs(notifier)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", script, filepath.Join(dir, "command"), "an argument")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, said.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Error("a text of the journal was executed")
	}
	return read(t, filepath.Join(dir, "seen")), read(t, filepath.Join(dir, "asked")), said.String()
}

func TestNotification(t *testing.T) {
	seen, asked, stderr := notified(t, journal)
	want := strings.Join([]string{
		`an argument|nospace_armed|unset|unset|etcd refuses writes; $(touch pwned) "quoted" 'text'|unset`,
		`an argument|corrupt_armed|unset|CORRUPT|fail|unset`,
		`an argument|condition_ended|nospace_armed|unset|over|unset`,
	}, "\n") + "\n"
	if seen != want {
		t.Errorf("the command saw\n%s\nwant\n%s", seen, want)
	}
	if !strings.Contains(asked, "_SYSTEMD_UNIT=etcd-watchdog.service") || !strings.Contains(asked, "MESSAGE_ID=dd316d6810f24e238b0e6d0653ad50db") {
		t.Errorf("journalctl was asked for %s", asked)
	}
	if !strings.Contains(stderr, "the command for corrupt_armed ended with status 1") {
		t.Errorf("of the command that failed nothing is said: %q", stderr)
	}
}

// The ids are those of the events, and each event that needs a person is told.
func TestNotificationKnowsTheEvents(t *testing.T) {
	listed := map[string]string{}
	for _, row := range regexp.MustCompile(`(?m)^\t([0-9a-f]{32}) (\w+)$`).FindAllStringSubmatch(read(t, notifier), -1) {
		listed[row[2]] = row[1]
	}
	for _, row := range event.Table() {
		id, known := listed[row.Name]
		delete(listed, row.Name)
		if known && id != row.ID {
			t.Errorf("%s has the id %s, not %s", row.Name, row.ID, id)
		}
		if row.Level == event.Err && !known {
			t.Errorf("%s needs a person, and is not told", row.Name)
		}
	}
	if len(listed) > 0 {
		t.Errorf("there are no such events: %v", listed)
	}
}

func TestNotificationUnitIsAcceptedBySystemd(t *testing.T) {
	unit := "systemd/examples/etcd-watchdog-notify.service"
	text := regexp.MustCompile(`(?m)^ExecStart=.*$`).ReplaceAllString(read(t, unit), "ExecStart=/bin/true")
	file := filepath.Join(t.TempDir(), filepath.Base(unit))
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := analyze(t, "verify", "--man=no", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze says: %v\n%s", err, out)
	}
	if info, err := os.Stat(notifier); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the script cannot be executed: %v", err)
	}
	if !slices.Contains(strings.Split(read(t, unit), "\n"), "SupplementaryGroups=systemd-journal") {
		t.Error("the unit cannot read the journal")
	}
}
