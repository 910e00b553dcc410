//go:build linux

package hosts

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/netns"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const (
	script  = "lab.sh"
	network = "10.98.0" // inside of the lab's own namespaces
	// patience bounds every wait for a state of a host. A host that has lost its
	// tickets in a full cluster is adopted: that takes a time to live and
	// adopt-after, three minutes in all.
	patience = 8 * time.Minute
)

// basePackages are those that the lab installs by itself, see LAB_PKGS there.
const basePackages = "systemd,systemd-sysv,dbus,iproute2,procps,nftables,ca-certificates"

// name is of the lab's namespaces and control groups; another one, of twelve
// characters at most, lets two labs of two checkouts run side by side.
var name = cmp.Or(os.Getenv("ETCD_WATCHDOG_LAB"), "ewlab")

// Lab is a number of hosts on a network of their own.
type Lab struct {
	Hosts []*Host

	tb  testing.TB
	env []string
}

// Host is one machine with a systemd of its own.
type Host struct {
	Name    string
	Address string

	lab *Lab
}

// Plan says which hosts to boot.
type Plan struct {
	Hosts      int
	Etcd       string // path of the server to run; "": that of the distribution
	QuotaBytes int64
	Python     bool // which Ansible needs; the hosts have an image of their own then
}

// Boot boots hosts with new disks, and ends the test's lab with the test. A test
// is skipped where it cannot be done.
func Boot(tb testing.TB, plan Plan) *Lab {
	tb.Helper()
	if os.Getenv("ETCD_WATCHDOG_HOSTS") == "" {
		tb.Skip("real hosts are booted by `make hosts` only")
	}
	if os.Geteuid() != 0 {
		tb.Skip("only root can boot hosts")
	}
	dir, err := filepath.Abs("../../build/.lab")
	if err != nil {
		tb.Fatal(err)
	}
	l := &Lab{tb: tb, env: append(os.Environ(),
		"LAB_DIR="+dir, "LAB_NAME="+name, "LAB_NET="+network, "LAB_N="+strconv.Itoa(plan.Hosts), "LAB_SEED="+plan.seed(tb))}
	if plan.Python {
		l.env = append(l.env, "LAB_DIR="+dir+"-python", "LAB_PKGS="+basePackages+",python3,python3-apt,acl")
	}
	for i := range plan.Hosts {
		l.Hosts = append(l.Hosts, &Host{Name: fmt.Sprintf("h%d", i+1), Address: fmt.Sprintf("%s.1%d", network, i+1), lab: l})
	}
	l.do("clean")
	tb.Cleanup(func() { l.do("clean") })
	l.do("up")
	return l
}

// seed makes the tree that is laid over each host's disk before its first boot.
func (p Plan) seed(tb testing.TB) string {
	root := tb.TempDir()
	write := func(path, text string) {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			tb.Fatal(err)
		}
	}
	write("etc/systemd/system/etcd.service.d/lab.conf", fmt.Sprintf("[Service]\nEnvironment=ETCD_QUOTA_BACKEND_BYTES=%d\nRestart=always\n", p.QuotaBytes))
	if p.Etcd != "" {
		server, err := os.ReadFile(p.Etcd)
		if err != nil {
			tb.Fatal(err)
		}
		write("usr/bin/etcd", string(server))
		if err := os.Chmod(filepath.Join(root, "usr/bin/etcd"), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	return root
}

// do runs one of the lab's commands, which must succeed.
func (l *Lab) do(args ...string) string {
	l.tb.Helper()
	out, err := l.try(args...)
	if err != nil {
		l.tb.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func (l *Lab) try(args ...string) (string, error) {
	// Without the test's context: a lab is also taken down when that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", append([]string{script}, args...)...)
	cmd.Env = l.env
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Cluster connects to the hosts' etcd.
func (l *Lab) Cluster(quotaBytes int64) *realetcd.Cluster {
	l.tb.Helper()
	servers := realetcd.Servers{QuotaBytes: quotaBytes, Dial: netns.DialIn("/run/netns/" + name)}
	for _, h := range l.Hosts {
		servers.ClientURLs = append(servers.ClientURLs, "http://"+h.Address+":2379")
	}
	cluster, err := realetcd.Attach(l.tb.Context(), servers)
	if err != nil {
		l.tb.Fatal(err)
	}
	l.tb.Cleanup(func() { _ = cluster.Close() }) // only connections, whose servers may be gone
	return cluster
}

// Each does the same on every host.
func (l *Lab) Each(do func(*Host)) {
	for _, h := range l.Hosts {
		do(h)
	}
}

// Run runs a command as root on the host and returns what it prints. It must
// succeed.
func (h *Host) Run(command ...string) string {
	h.lab.tb.Helper()
	return h.lab.do(append([]string{"exec", h.Name}, command...)...)
}

// Try runs a command that may fail.
func (h *Host) Try(command ...string) (string, error) {
	return h.lab.try(append([]string{"exec", h.Name}, command...)...)
}

// Put copies a file onto the host.
func (h *Host) Put(file, destination string) {
	h.lab.tb.Helper()
	h.lab.do("put", h.Name, file, destination)
}

// Write writes a file on the host.
func (h *Host) Write(destination, text string) {
	h.lab.tb.Helper()
	file := filepath.Join(h.lab.tb.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		h.lab.tb.Fatal(err)
	}
	h.Run("mkdir", "-p", filepath.Dir(destination))
	h.Put(file, destination)
}

// PowerCut ends everything on the host at once; its disk stays.
func (h *Host) PowerCut() { h.lab.do("crash", h.Name) }

// Boot boots the host again.
func (h *Host) Boot() { h.lab.do("boot", h.Name) }

// Property returns a property of a unit, as systemctl shows it.
func (h *Host) Property(unit, property string) string {
	out, _ := h.Try("systemctl", "show", "--property="+property, "--value", unit) // while it boots, nothing
	return strings.TrimSpace(out)
}

// Await waits until the condition holds.
func (l *Lab) Await(what string, condition realetcd.Condition) {
	l.tb.Helper()
	realetcd.Eventually(l.tb, patience, what, condition)
}
