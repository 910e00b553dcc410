package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const unitFile = "../../deploy/systemd/etcd-watchdog.service"

// systemd-analyze ends with 0 also where it has complaints, so its silence is
// what counts. It wants the program that the unit starts to exist.
func TestUnitIsAcceptedBySystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	verify := func(unit string) string {
		file := filepath.Join(t.TempDir(), "etcd-watchdog.service")
		if err := os.WriteFile(file, []byte(unit), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(analyze, "verify", "--man=no", file).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	unit := strings.Replace(read(t, unitFile), "/usr/bin/etcd-watchdog", self, 1)
	if out := verify(unit); out != "" {
		t.Errorf("systemd-analyze says:\n%s", out)
	}
	if out := verify(unit + "\n[Service]\nWatchdogSecs=60\n"); out == "" {
		t.Error("systemd-analyze is silent about an unknown key, so its silence proves nothing")
	}
}

// What the program relies on.
func TestUnitSaysWhatTheProgramReliesOn(t *testing.T) {
	lines := map[string]bool{}
	for line := range strings.Lines(read(t, unitFile)) {
		lines[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		"Type=notify", "NotifyAccess=main", "ExecStart=/usr/bin/etcd-watchdog run", "After=etcd.service network-online.target",
		"Restart=always", "RestartPreventExitStatus=64 78", "StartLimitIntervalSec=0", "WatchdogSec=60s",
		"StateDirectory=etcd-watchdog", "RuntimeDirectory=etcd-watchdog", "RuntimeDirectoryPreserve=restart",
	} {
		if !lines[want] {
			t.Errorf("the unit has no line %s", want)
		}
	}
	user := "User=etcd-watchdog"
	if !lines[user] || !strings.Contains(read(t, "../../deploy/systemd/etcd-watchdog.sysusers"), "\nu etcd-watchdog ") {
		t.Error("the unit's user is not the one that sysusers makes")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
