//go:build linux

package hosts

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// trouble is what happens to a host while the cluster is being healed.
type trouble struct {
	name string
	// when says by its entries that it is time.
	when string
	// happen is what happens to the host whose entry it was.
	happen func(n *night, h *Host)
}

var troubles = []trouble{
	{"power cut in the middle of a defragmentation", "defragmentation_started", func(n *night, h *Host) {
		h.PowerCut()
		h.Boot()
	}},
	{"etcd stopped and started", "claim_taken", func(_ *night, h *Host) {
		h.Run("systemctl", "stop", "etcd.service")
		h.Run("systemctl", "start", "etcd.service")
	}},
	{"the journal stands still", "claim_taken", func(n *night, h *Host) {
		h.Run("systemctl", "kill", "--signal=STOP", "--kill-who=main", "systemd-journald.service")
		n.t.Cleanup(func() { h.Try("systemctl", "kill", "--signal=CONT", "--kill-who=main", "systemd-journald.service") })
		n.awaitHealedOn(n.cluster)
		<-time.After(time.Minute) // that long it is to stand still; nothing is waited for
		h.Run("systemctl", "kill", "--signal=CONT", "--kill-who=main", "systemd-journald.service")
	}},
	{"the watchdog is frozen until systemd kills it", "claim_taken", restartedAfter("STOP")},
	{"the watchdog crashes", "claim_taken", restartedAfter("QUIT")}, // Go ends as by a panic: all stacks, status 2
	{"reloaded with a bad file", "claim_taken", func(n *night, h *Host) {
		h.configure("watch:\n  poll-interval: soon\n")
		n.Await("the status to name the key and the line", func() (bool, string) {
			status := h.Property(unit, "StatusText")
			return strings.Contains(status, "watch.poll-interval") && strings.Contains(status, ":2:"), status
		})
		h.configure("")
	}},
	{"upgraded under way", "claim_taken", func(_ *night, h *Host) { h.Install(secondVersion) }},
}

// restartedAfter sends the watchdog a signal, and waits until systemd has started
// it anew.
func restartedAfter(signal string) func(*night, *Host) {
	return func(n *night, h *Host) {
		before := h.Property(unit, "NRestarts")
		h.Run("systemctl", "kill", "--signal="+signal, "--kill-who=main", unit)
		n.Await("systemd to restart the watchdog", func() (bool, string) {
			now := h.Property(unit, "NRestarts")
			return now != before && h.Property(unit, "ActiveState") == "active", "restarts: " + now
		})
	}
}

// TestTroubles lets something happen to the host that works on its member, or
// is about to, and demands that the cluster is healed all the same and that no
// acknowledged write is lost.
func TestTroubles(t *testing.T) {
	n := &night{Lab: Boot(t, Plan{Hosts: 3, Etcd: line(t, "3.6"), QuotaBytes: quota}), t: t}
	n.cluster = n.Cluster(quota)
	n.Each(func(h *Host) { h.Install(firstVersion) })
	for _, trouble := range troubles {
		t.Run(strings.ReplaceAll(trouble.name, " ", "-"), func(t *testing.T) {
			n.t, n.tb = t, t
			n.endure(trouble)
		})
	}
}

func (n *night) endure(trouble trouble) {
	n.awaitEnrolled()
	begin := time.Now()
	since := func() []Entry {
		return slices.DeleteFunc(n.Journals(), func(e Entry) bool { return e.At.Before(begin) })
	}
	writers := n.fill(strings.ReplaceAll(trouble.name, " ", "-"))
	n.Each(func(h *Host) { h.Run("systemctl", "kill", "--signal=CONT", "--kill-who=main", unit) })
	var struck *Host
	n.Await(trouble.when, func() (bool, string) {
		at := Of(since(), trouble.when)
		if len(at) == 0 {
			return false, "nobody has told of it"
		}
		struck = n.host(at[0].Host)
		return true, ""
	})
	trouble.happen(n, struck)
	n.awaitHealedOn(n.cluster)
	writers.Stop()
	if err := writers.Verify(n.t.Context()); err != nil {
		n.t.Error(err)
	}
	for _, e := range since() {
		n.t.Logf("%s %s: %s", e.At.UTC().Format("15:04:05.000"), e.Host, e.Message)
	}
}

// awaitEnrolled waits until every watchdog has tickets, as etcd's keys show it.
func (n *night) awaitEnrolled() {
	n.t.Helper()
	n.Await("every watchdog to hold tickets", func() (bool, string) {
		books, err := n.books()
		return err == nil && len(books) == len(n.Hosts), fmt.Sprint(books, err)
	})
}

// books returns the leases that whole tickets are on, one for each watchdog.
func (n *night) books() (map[string]int, error) {
	read, err := n.cluster.Client(0).Get(n.t.Context(), "/etcd-watchdog/claim/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, err
	}
	books := map[string]int{}
	for _, kv := range read.Kvs {
		if rest, begins := strings.CutSuffix(string(kv.Key), "/begin"); begins {
			books[rest[:strings.LastIndex(rest, "/")]]++
		}
	}
	return books, nil
}

func (l *Lab) host(name string) *Host {
	return l.Hosts[slices.IndexFunc(l.Hosts, func(h *Host) bool { return h.Name == name })]
}

// TestFaultsOfTheProcess breaks the program on purpose: whatever ends it, systemd
// starts it anew, and a configuration that is wrong is left for a person.
func TestFaultsOfTheProcess(t *testing.T) {
	lab := Boot(t, Plan{Hosts: 1, QuotaBytes: quota})
	h := lab.Hosts[0]
	h.Install(firstVersion)
	h.Run("cp", "/usr/bin/etcd-watchdog", "/root/good")
	for _, fault := range []struct{ name, statement, said string }{
		{"a panic", `if !w.previous.At.IsZero() { go panic("broken on purpose") }`, "broken on purpose"},
		{"a loop that hangs", `if !w.previous.At.IsZero() { select {} }`, "makes no progress"},
	} {
		t.Run(strings.ReplaceAll(fault.name, " ", "-"), func(t *testing.T) {
			h.Run("systemctl", "stop", unit)
			h.Run("systemctl", "reset-failed", unit)
			h.Put(watchdogs.Broken(t, fault.statement), "/usr/bin/etcd-watchdog")
			h.Run("systemctl", "start", unit)
			lab.Await("systemd to start it anew", func() (bool, string) {
				restarts := h.Property(unit, "NRestarts")
				return restarts == "1", restarts
			})
			h.Run("cp", "--remove-destination", "/root/good", "/usr/bin/etcd-watchdog")
			h.Run("systemctl", "restart", unit)
			lab.Await("it to watch again", func() (bool, string) {
				status := h.Property(unit, "StatusText")
				return strings.Contains(status, "nothing to do"), status
			})
			if out := h.Run("journalctl", "--unit="+unit, "--output=cat", "--no-pager"); !strings.Contains(out, fault.said) {
				t.Errorf("the journal does not show %q", fault.said)
			}
		})
	}
	t.Run("a-wrong-configuration", func(t *testing.T) {
		h.Run("systemctl", "stop", unit)
		h.Write("/etc/etcd-watchdog/etcd-watchdog.yaml", "watch:\n  poll-interval: soon\n")
		h.Try("systemctl", "start", unit)
		lab.Await("it to be given up", func() (bool, string) {
			state := h.Property(unit, "ActiveState")
			return state == "failed", state
		})
		if restarts, status := h.Property(unit, "NRestarts"), h.Property(unit, "ExecMainStatus"); restarts != "0" || status != "78" {
			t.Errorf("restarts %s, exit status %s; wanted 0, 78", restarts, status)
		}
		status, _ := h.Try("systemctl", "status", "--no-pager", unit)
		if !strings.Contains(status, "etcd-watchdog.yaml:2:") || !strings.Contains(status, "watch.poll-interval") {
			t.Errorf("the status names neither key nor line:\n%s", status)
		}
	})
}
