package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const role = "ansible/roles/etcd_watchdog/"

// That the role does what it should is tried on real hosts, by test/hosts.
func TestAnsibleRoleIsAcceptedByAnsible(t *testing.T) {
	if _, err := exec.LookPath("ansible-playbook"); err != nil {
		t.Skip("there is no ansible-playbook here (package ansible-core): the role is not parsed")
	}
	cmd := exec.Command("ansible-playbook", "--syntax-check", "--inventory=localhost,", "ansible/playbook.yml")
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "ANSIBLE_HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Every variable of the role has a default, and every default is used.
func TestAnsibleVariables(t *testing.T) {
	variable := regexp.MustCompile(`\betcd_watchdog_\w+`)
	defaults := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^(etcd_watchdog_\w+):`).FindAllStringSubmatch(read(t, role+"defaults/main.yml"), -1) {
		defaults[line[1]] = false
	}
	registered := map[string]bool{}
	var files []string
	for _, pattern := range []string{"tasks/*.yml", "templates/*", "handlers/*.yml"} {
		found, err := filepath.Glob(role + pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		for _, r := range regexp.MustCompile(`register: (\w+)`).FindAllStringSubmatch(read(t, file), -1) {
			registered[r[1]] = true
		}
	}
	for _, file := range files {
		for _, name := range variable.FindAllString(read(t, file), -1) {
			if _, known := defaults[name]; !known && !registered[name] {
				t.Errorf("%s: %s has no default", file, name)
			}
			defaults[name] = true
		}
	}
	for name, used := range defaults {
		if !used {
			t.Errorf("%s has a default and is not used", name)
		}
	}
}

// The files that the role installs with the binary are there.
func TestAnsibleInstallsWhatIsThere(t *testing.T) {
	for _, src := range regexp.MustCompile(`src: ([\w@.-]+), dest`).FindAllStringSubmatch(read(t, role+"tasks/binary.yml"), -1) {
		if _, err := os.Stat(filepath.Join("systemd", src[1])); err != nil {
			t.Error(err)
		}
	}
}

// The container runs the program as the unit does: the same exit statuses end it
// for good, and what it keeps is kept.
func TestContainerKeepsToTheUnit(t *testing.T) {
	quadlet, container := read(t, "container/etcd-watchdog.container"), read(t, "container/Containerfile")
	for _, line := range []string{"RestartPreventExitStatus=64 78", "StartLimitIntervalSec=0", "Restart=always", "RestartSec=5s"} {
		if !strings.Contains(quadlet, "\n"+line+"\n") || !strings.Contains(read(t, plainUnit), "\n"+line+"\n") {
			t.Errorf("the quadlet or the unit has no line %s", line)
		}
	}
	for _, dir := range []string{"/var/lib/etcd-watchdog", "/run/etcd-watchdog"} {
		if !strings.Contains(quadlet, ":"+dir+":rw") || !strings.Contains(container, "="+dir) {
			t.Errorf("%s is not kept", dir)
		}
	}
}
