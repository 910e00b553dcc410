// Package deploy_test keeps what is installed true: the units are accepted and
// as closed as they claim to be, the template is the plain unit, and packages
// hold what they should.
package deploy_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the template unit from the plain one")

const (
	plainUnit    = "systemd/etcd-watchdog.service"
	templateUnit = "systemd/etcd-watchdog@.service"
)

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// instance is all in which the template differs from the plain unit: whom it is
// about, after what it starts, and which configuration it takes.
var instance = [][2]string{
	{"# Runs with systemd 247", "# Written from etcd-watchdog.service by \"go test ./deploy -update\"; do not edit.\n#\n# Runs with systemd 247"},
	{"`systemctl edit etcd-watchdog`", "`systemctl edit etcd-watchdog@NAME`"},
	{"the etcd member on this host below", "the etcd member %i on this host below"},
	{"After=etcd.service ", "After=etcd@%i.service "},
	{"/usr/bin/etcd-watchdog run\n", "/usr/bin/etcd-watchdog run --config /etc/etcd-watchdog/%i.yaml\n"},
}

func TestTemplateIsThePlainUnit(t *testing.T) {
	want := read(t, plainUnit)
	for _, change := range instance {
		if strings.Count(want, change[0]) != 1 {
			t.Fatalf("the plain unit has %q %d times, want it once", change[0], strings.Count(want, change[0]))
		}
		want = strings.Replace(want, change[0], change[1], 1)
	}
	if *update {
		if err := os.WriteFile(templateUnit, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, templateUnit) != want {
		t.Errorf("%s is not what the plain unit gives; go test ./deploy -update writes it, and the difference belongs into the commit", templateUnit)
	}
}

// settings returns the assignments of a unit, without comments.
func settings(t *testing.T, unit string) []string {
	var all []string
	for line := range strings.Lines(read(t, unit)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// What the program relies on, and what would break one of the systemd versions
// that the unit is for.
func TestUnitsSayWhatTheProgramReliesOn(t *testing.T) {
	for _, unit := range []string{plainUnit, templateUnit} {
		lines := settings(t, unit)
		for _, want := range []string{
			"Type=notify", "NotifyAccess=main", "ExecReload=+/bin/kill -HUP $MAINPID",
			"Restart=always", "RestartPreventExitStatus=64 78", "StartLimitIntervalSec=0", "WatchdogSec=60s", "User=etcd-watchdog",
			"StateDirectory=%N", "StateDirectoryMode=0755", "RuntimeDirectory=%N", "RuntimeDirectoryPreserve=restart",
			"SystemCallErrorNumber=EPERM", "LimitCORE=0", "PrivateIPC=yes", "SocketBindDeny=any", "SocketBindAllow=tcp:9979",
		} {
			if !slices.Contains(lines, want) {
				t.Errorf("%s has no line %s", unit, want)
			}
		}
		for _, line := range lines {
			key, value, _ := strings.Cut(line, "=")
			switch {
			case key == "DynamicUser", key == "ConfigurationDirectory", key == "LoadCredential", key == "LogNamespace", key == "RestartMode":
				t.Errorf("%s: %s= is not for all hosts that this unit is for", unit, key)
			case key == "Environment", key == "SetCredential", key == "PassEnvironment":
				t.Errorf("%s: everybody can read %s= of a unit, which is where passwords end up", unit, key)
			case key == "ProcSubset" && value != "all":
				t.Errorf("%s: %s hides the boot id, so that no lease is resumed", unit, line)
			case (key == "Requires" || key == "BindsTo" || key == "PartOf" || key == "Requisite") && strings.Contains(value, "etcd"):
				t.Errorf("%s: %s stops the watchdog with etcd", unit, line)
			}
		}
	}
	if !strings.Contains(read(t, "systemd/etcd-watchdog.sysusers"), "\nu etcd-watchdog ") {
		t.Error("the unit's user is not the one that sysusers makes")
	}
}

// analyze returns a command of systemd-analyze.
func analyze(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here (package systemd): the units are not checked")
	}
	return exec.Command(path, args...)
}

// installed writes a unit as it will be called, with its drop-ins, starting a
// program that exists here.
func installed(t *testing.T, unit string, dropIns ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := strings.Replace(filepath.Base(unit), "@.", "@m1.", 1)
	file := filepath.Join(t.TempDir(), name)
	text := strings.ReplaceAll(read(t, unit), "/usr/bin/etcd-watchdog", self)
	for _, d := range dropIns {
		text += "\n" + d
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// systemd-analyze ends with 0 also where it has complaints, so its silence is
// what counts.
func TestUnitsAreAcceptedBySystemd(t *testing.T) {
	verify := func(file string) string {
		out, err := analyze(t, "verify", "--man=no", file).CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	for _, unit := range []string{plainUnit, templateUnit} {
		examples := []string{read(t, "systemd/examples/addresses.conf"), read(t, "systemd/examples/credentials.conf")}
		if out := verify(installed(t, unit, examples...)); out != "" {
			t.Errorf("systemd-analyze says about %s:\n%s", unit, out)
		}
	}
	if out := verify(installed(t, plainUnit, "[Service]\nWatchdogSecs=60\n")); out == "" {
		t.Error("systemd-analyze is silent about an unknown key, so its silence proves nothing")
	}
}

// The exposure that systemd counts, in tenths: what is left is the network.
func TestUnitsAreClosed(t *testing.T) {
	addresses := read(t, "systemd/examples/addresses.conf")
	exposed := func(threshold, file string) (string, bool) {
		out, err := analyze(t, "security", "--offline=true", "--no-pager", "--threshold="+threshold, file).CombinedOutput()
		return string(out), err != nil
	}
	for _, unit := range []string{plainUnit, templateUnit} {
		if out, above := exposed("11", installed(t, unit)); above {
			t.Errorf("%s is more exposed than 1.1:\n%s", unit, out)
		}
		if out, above := exposed("10", installed(t, unit, addresses)); above {
			t.Errorf("%s with a list of addresses is more exposed than 1.0:\n%s", unit, out)
		}
	}
	if _, above := exposed("11", installed(t, plainUnit, "[Service]\nNoNewPrivileges=no\n")); !above {
		t.Error("systemd-analyze is content with less, so its contentment proves nothing")
	}
}

// The examples are settings and nothing else, none of them unknown to systemd.
func TestExamplesAreAcceptedBySystemd(t *testing.T) {
	examples, err := filepath.Glob("systemd/examples/*.conf")
	if err != nil || len(examples) < 4 {
		t.Fatal("the examples are missing", examples, err)
	}
	for _, example := range examples {
		// Every example is checked with its optional lines in force.
		text := strings.NewReplacer("\n#Environment=", "\nEnvironment=", "\n#BindReadOnlyPaths=", "\nBindReadOnlyPaths=", "/usr/bin/setfacl", "/bin/true").Replace(read(t, example))
		out, err := analyze(t, "verify", "--man=no", installed(t, plainUnit, text)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze says about %s: %v\n%s", example, err, out)
		}
	}
}
