//go:build linux

package hosts

import (
	"context"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// Versions of the packages that the tests make: the second is the upgrade.
const (
	firstVersion  = "0.0.1"
	secondVersion = "0.0.2"
)

var packages struct {
	sync.Mutex
	made map[string]string
}

// debianPackage returns the path of the package, made of this source.
func debianPackage(tb testing.TB, version string) string {
	tb.Helper()
	packages.Lock()
	defer packages.Unlock()
	if path := packages.made[version]; path != "" {
		return path
	}
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	defer cancel()
	make := exec.CommandContext(ctx, "make", "-C", "../..", "--no-print-directory", "package",
		"VERSION=v"+version, "PACKAGE_VERSION="+version, "PACKAGES=build/packages-"+version)
	if out, err := make.CombinedOutput(); err != nil {
		tb.Fatalf("make package: %v\n%s", err, out)
	}
	found, err := filepath.Glob("../../build/packages-" + version + "/*.deb")
	if err != nil || len(found) != 1 {
		tb.Fatalf("the packages of version %s: %q, %v", version, found, err)
	}
	if packages.made == nil {
		packages.made = map[string]string{}
	}
	packages.made[version] = found[0]
	return found[0]
}

// Install installs the package, or upgrades to it, and returns how long that took
// until the service was up and had looked at the cluster.
func (h *Host) Install(version string) time.Duration {
	h.lab.tb.Helper()
	h.Put(debianPackage(h.lab.tb, version), "/root/etcd-watchdog.deb")
	begin := time.Now()
	h.Run("dpkg", "--install", "/root/etcd-watchdog.deb")
	h.lab.Await(h.Name+" to watch", func() (bool, string) {
		state, status := h.Property(unit, "ActiveState"), h.Property(unit, "StatusText")
		return state == "active" && status != "", state + ", " + status
	})
	return time.Since(begin)
}

// configure puts further sections under the shipped configuration's defaults and
// has the service read them.
func (h *Host) configure(text string) {
	h.lab.tb.Helper()
	h.Write("/etc/etcd-watchdog/etcd-watchdog.yaml", text)
	h.Run("systemctl", "reload", unit)
}

// line returns the server to run on the hosts; "" is that of the distribution.
func line(tb testing.TB, name string) string {
	tb.Helper()
	if name == "3.4" {
		return ""
	}
	found, err := realetcd.FindLine(name)
	if err != nil {
		tb.Fatal(err)
	}
	return found.Binary
}
