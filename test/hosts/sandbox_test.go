//go:build linux

package hosts

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSandbox puts a program that tries what it should not into the place of the
// real one, under the unit as packaged.
func TestSandbox(t *testing.T) {
	lab := Boot(t, Plan{Hosts: 2, QuotaBytes: quota})
	host, other := lab.Hosts[0], lab.Hosts[1]
	host.Install(firstVersion)
	host.Run("systemctl", "stop", unit)
	probe := filepath.Join(t.TempDir(), "probe")
	build := exec.Command("go", "build", "-o", probe, "./probe")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	host.Put(probe, "/usr/bin/etcd-watchdog")
	const dropIn = "/etc/systemd/system/etcd-watchdog.service.d/probe.conf"
	environment := "[Service]\nEnvironment=PROBE_OTHER_ADDRESS=" + other.Address + ":2379\n"

	host.Write(dropIn, environment)
	said := host.probe(t)
	judge(t, said, "reach another address") // the other members are at other addresses

	host.Write(dropIn, environment+"IPAddressDeny=any\nIPAddressAllow=localhost\n")
	said = host.probe(t)
	judge(t, said)
}

// probe starts the unit and returns what the probe in it says.
func (h *Host) probe(t *testing.T) map[string]bool {
	t.Helper()
	h.Run("systemctl", "daemon-reload")
	h.Try("systemctl", "reset-failed", unit)
	h.Try("systemctl", "start", unit) // it never gets ready
	h.lab.Await("the probe to end", func() (bool, string) {
		state := h.Property(unit, "ActiveState")
		return state == "failed", state
	})
	invocation := h.Property(unit, "InvocationID")
	h.Run("journalctl", "--sync")
	possible := map[string]bool{}
	for line := range strings.Lines(h.Run("journalctl", "--output=cat", "--no-pager", "_SYSTEMD_INVOCATION_ID="+invocation)) {
		verdict, what, found := strings.Cut(strings.TrimSpace(line), ": ")
		if !found || verdict != "possible" && verdict != "refused" {
			continue
		}
		t.Log(strings.TrimSpace(line))
		what, _, _ = strings.Cut(what, ": ")
		possible[what] = verdict == "possible"
	}
	return possible
}

// needed is what the program cannot do without.
var needed = []string{"keep state", "keep the lease", "read the configuration", "read the boot id", "reach the member on this host"}

// judge demands that what is needed is possible, and nothing else but what is
// named.
func judge(t *testing.T, said map[string]bool, but ...string) {
	t.Helper()
	wanted := map[string]bool{}
	for _, what := range append(but, needed...) {
		wanted[what] = true
	}
	if len(said) < 20 {
		t.Fatalf("the probe has tried %d things only: %v", len(said), said)
	}
	for what, possible := range said {
		if possible != wanted[what] {
			t.Errorf("%s: possible %t, wanted %t", what, possible, wanted[what])
		}
	}
}
