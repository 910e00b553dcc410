//go:build linux

package hosts

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestCalm lets three hosts be for ETCD_WATCHDOG_CALM, an hour for the promise
// that a calm one is silent.
func TestCalm(t *testing.T) {
	lasts := time.Minute
	if text := os.Getenv("ETCD_WATCHDOG_CALM"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	n := &night{Lab: Boot(t, Plan{Hosts: 3, Etcd: line(t, "3.6"), QuotaBytes: quota}), t: t}
	n.cluster = n.Cluster(quota)
	n.Each(func(h *Host) { h.Install(firstVersion) })
	n.awaitEnrolled()
	select { // that is how long it is to be calm; nothing is waited for
	case <-time.After(lasts):
	case <-t.Context().Done():
	}
	n.Each(func(h *Host) { h.Run("systemctl", "stop", unit) })
	beginAndEnd := []string{"started", "enrolled", "stopping"}
	for _, e := range n.Journals() {
		if e.Level < 7 && !slices.Contains(beginAndEnd, e.Event) {
			t.Errorf("%s %s: %s", e.At.UTC().Format(time.TimeOnly), e.Host, e.Message)
		}
	}
	t.Logf("calm for %v", lasts)
}
