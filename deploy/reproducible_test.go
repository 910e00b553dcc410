package deploy_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is committed gives the same program and packages, byte for byte, whatever the
// folder is called and whoever builds there, when and in which time zone.
func TestPackageIsReproducible(t *testing.T) {
	built(t, "deb") // or there is no time for this
	var folders []string
	for i, zone := range []string{"UTC", "Pacific/Auckland"} {
		folder := filepath.Join(t.TempDir(), strings.Repeat("deep/", i), "source")
		run(t, "", "git", "clone", "--quiet", "--no-hardlinks", "..", folder)
		build := exec.Command("sh", "-c", "umask "+[]string{"022", "027"}[i]+" && make --no-print-directory package")
		build.Dir = folder
		build.Env = append(build.Environ(), "TZ="+zone, "MAKEFLAGS=", "PACKAGES=build/packages", "LC_ALL=C")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		folders = append(folders, folder)
	}
	for _, pattern := range []string{"build/etcd-watchdog", "build/packages/*.deb", "build/packages/*.rpm"} {
		var files [][]byte
		for _, folder := range folders {
			found, err := filepath.Glob(filepath.Join(folder, pattern))
			if err != nil || len(found) != 1 {
				t.Fatalf("%s: %q, %v", pattern, found, err)
			}
			data, err := os.ReadFile(found[0])
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, data)
		}
		if !bytes.Equal(files[0], files[1]) {
			t.Errorf("%s: two builds of the same commit differ", pattern)
		}
	}
}
