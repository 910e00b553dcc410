//go:build linux

package hosts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestAnsibleRole applies the role to three fresh hosts: the first run installs
// and ends with a doctor that has nothing critical to say, the second changes
// nothing. Then the unit of the notification is tried there: a cluster gets full
// and is healed, and its command hears of both.
func TestAnsibleRole(t *testing.T) {
	ansible, err := exec.LookPath("ansible-playbook")
	if err != nil {
		t.Skip("there is no ansible-playbook here (package ansible-core)")
	}
	lab := Boot(t, Plan{Hosts: 3, Etcd: line(t, "3.6"), QuotaBytes: quota, Python: true})
	deb, err := filepath.Abs(debianPackage(t, firstVersion))
	if err != nil {
		t.Fatal(err)
	}
	play := func() string {
		cmd := exec.CommandContext(t.Context(), ansible, "--connection=lab", "--inventory=h1,h2,h3", "../../deploy/ansible/playbook.yml", "--extra-vars",
			`{"etcd_watchdog_package": "`+deb+`", "ansible_become": false, "etcd_watchdog_config": {"metrics": {"listen": "127.0.0.1:9979"}},
			"etcd_watchdog_credentials": [{"name": "password", "content": "secret"}], "etcd_watchdog_dropins": {"memory": "[Service]\nMemoryMax=64M\n"}}`)
		cmd.Env = append(lab.env, "ANSIBLE_CONNECTION_PLUGINS=ansible/connection_plugins", "ANSIBLE_NOCOLOR=1", "ANSIBLE_HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ansible-playbook: %v\n%s", err, out)
		}
		return string(out)
	}
	begin := time.Now()
	first := play()
	t.Logf("from three bare hosts to three that watch: %s", time.Since(begin).Round(time.Second))
	second := play()
	recap := regexp.MustCompile(`(?m)^(h\d) +: ok=\d+ +changed=(\d+) +unreachable=0 +failed=0`)
	if hosts := recap.FindAllStringSubmatch(second, -1); len(hosts) != 3 || hosts[0][2]+hosts[1][2]+hosts[2][2] != "000" {
		t.Errorf("the second run changed something:\n%s\nafter\n%s", second, first)
	}
	lab.Each(func(h *Host) {
		if got := h.Property(unit, "ActiveState") + " " + h.Property(unit, "UnitFileState") + " " + h.Property(unit, "MemoryMax"); got != "active enabled 67108864" {
			t.Errorf("%s: the service is %s", h.Name, got)
		}
		if got := strings.TrimSpace(h.Run("stat", "--format=%a %U", "/etc/etcd-watchdog/credentials/password")); got != "600 root" {
			t.Errorf("%s: the credential is %s", h.Name, got)
		}
	})
	notified(t, lab)
}

// notified tries the unit of the notification.
func notified(t *testing.T, lab *Lab) {
	h := lab.Hosts[0]
	const examples = "../../deploy/systemd/examples/"
	service, err := os.ReadFile(examples + "etcd-watchdog-notify.service")
	if err != nil {
		t.Fatal(err)
	}
	h.Put(examples+"etcd-watchdog-notify", "/usr/local/lib/etcd-watchdog-notify")
	h.Write("/usr/local/bin/page-the-operator", "#!/bin/sh\necho \"[$WATCHDOG_EVENT $WATCHDOG_CONDITION]\"\n")
	h.Run("chmod", "0755", "/usr/local/bin/page-the-operator")
	h.Write("/etc/systemd/system/etcd-watchdog-notify.service", string(service))
	h.Run("systemctl", "daemon-reload")
	h.Run("systemctl", "enable", "--now", "etcd-watchdog-notify")

	n := &night{Lab: lab, t: t, cluster: lab.Cluster(quota)}
	n.awaitEnrolled()
	writers := n.fill("notified")
	n.Each(func(h *Host) { h.Run("systemctl", "kill", "--signal=CONT", "--kill-who=main", unit) })
	n.awaitHealed()
	writers.Stop()
	lab.Await("the command to hear of beginning and end", func() (bool, string) {
		out, _ := h.Try("journalctl", "--no-pager", "--output=cat", "--unit=etcd-watchdog-notify")
		return strings.Contains(out, "[nospace_armed ]") && strings.Contains(out, "[condition_ended nospace_armed]"), out
	})
}
