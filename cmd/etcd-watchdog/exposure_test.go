package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
)

func TestExposedFilesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		config, folder, key, password os.FileMode
		want                          []string
	}{
		"all closed":              {0o644, 0o755, 0o600, 0o600, nil},
		"a group may read":        {0o640, 0o750, 0o640, 0o440, nil},
		"a shared, sticky folder": {0o644, 0o777 | os.ModeSticky, 0o600, 0o600, nil},
		"configuration":           {0o646, 0o755, 0o600, 0o600, []string{"the configuration: every user of this host can change it (mode 0646): chmod o-w "}},
		"folder":                  {0o644, 0o777, 0o600, 0o600, []string{"the directory of the configuration"}},
		"key":                     {0o644, 0o755, 0o604, 0o600, []string{"etcd.key: every user of this host can read or change it (mode 0604): chmod o-rwx "}},
		"both":                    {0o644, 0o755, 0o644, 0o602, []string{"etcd.key", "etcd.password-file"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "etc")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			c := config.Default()
			path := filepath.Join(dir, "c.yaml")
			c.Etcd.Key, c.Etcd.PasswordFile = filepath.Join(dir, "key"), filepath.Join(dir, "password")
			for file, mode := range map[string]os.FileMode{path: tc.config, c.Etcd.Key: tc.key, c.Etcd.PasswordFile: tc.password} {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(file, mode); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, tc.folder); err != nil {
				t.Fatal(err)
			}
			err := refuseExposed(path, c)
			if (err == nil) != (tc.want == nil) || err != nil && strings.Count(err.Error(), "\n") != len(tc.want)-1 {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if n := len(exposures(path, c)); n != len(tc.want) {
				t.Errorf("doctor is told of %d, want %d", n, len(tc.want))
			}
		})
	}
}
