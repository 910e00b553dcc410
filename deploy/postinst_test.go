package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A first installation starts the service only where etcd answers as it is
// configured, so that no plain text goes to an etcd that speaks TLS; an upgrade
// restarts it whatever etcd does.
func TestPackageStartsWhereEtcdAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		status, old string
		does        string
		says        string
	}{
		"etcd is fine":             {"0", "", "start etcd-watchdog.service", ""},
		"etcd needs somebody":      {"2", "", "start etcd-watchdog.service", ""},
		"etcd does not answer":     {"3", "", "", "enabled and not started"},
		"the configuration is bad": {"78", "", "", "enabled and not started"},
		"an upgrade":               {"3", "1.0-1", "restart etcd-watchdog.service", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			done := filepath.Join(dir, "done")
			for command, does := range map[string]string{
				"etcd-watchdog":      "exit " + c.status,
				"deb-systemd-invoke": "echo \"$*\" >>" + done,
				"deb-systemd-helper": "exit 0",
				"systemctl":          "exit 0",
				"systemd-sysusers":   "exit 0",
				"journalctl":         "exit 0",
			} {
				if err := os.WriteFile(filepath.Join(dir, command), []byte("#!/bin/sh\n"+does+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			script := strings.ReplaceAll(read(t, "deb/postinst.sh"), "/run/systemd/system", dir)
			cmd := exec.Command("sh", "-c", script, "postinst", "configure", c.old)
			cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.says) || c.says == "" && len(out) > 0 {
				t.Errorf("ended with %v and said %q, want %q", err, out, c.says)
			}
			got, _ := os.ReadFile(done) // there is none where nothing was started
			if strings.TrimSpace(string(got)) != c.does {
				t.Errorf("did %q, want %q", got, c.does)
			}
		})
	}
}
