package scenario

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	quota = 64 << 20
	// within bounds every wait; a healed cluster needs a few seconds.
	within = 2 * time.Minute
)

// quick is the configuration of tests: small clusters on a busy machine.
const quick = `
watch:
  poll-interval: 1s
`

var load = realetcd.Load{Prefix: "data/", LiveBytes: 20 << 20, ValueBytes: 16 << 10, Seed: 1}

func start(t *testing.T, line realetcd.Line, members int) *realetcd.Cluster {
	t.Helper()
	return realetcd.Start(t, realetcd.Config{Line: line, Members: members, QuotaBytes: quota})
}

func fill(t *testing.T, cluster *realetcd.Cluster) {
	t.Helper()
	if _, err := cluster.Fill(t.Context(), load); err != nil {
		t.Fatal(err)
	}
}

// awaitHealed waits until no alarm is listed and a write is accepted.
func awaitHealed(t *testing.T, cluster *realetcd.Cluster) {
	t.Helper()
	realetcd.Eventually(t, within, "the cluster to be healed", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for _, m := range cluster.Running() {
			alarms, err := cluster.Alarms(ctx)
			if err != nil || len(alarms) > 0 {
				return false, fmt.Sprint(alarms, err)
			}
			if _, err := m.Client().Put(ctx, "probe", "x"); err != nil {
				return false, err.Error()
			}
			return true, ""
		}
		return false, "no member runs"
	})
}

func TestWatchedClusterIsHealed(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		cluster := start(t, line, 3)
		dogs := watchdogs.Beside(t, cluster, quick)
		dogs.Start()
		writers, err := cluster.StartWriters(t.Context(), realetcd.WritersConfig{Prefix: "w/", Writers: 2, Keys: 20, ValueBytes: 1024, Pause: 5 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, cluster)
		awaitHealed(t, cluster)
		tally := writers.Stop()
		t.Logf("%+v", tally)
		if err := writers.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		all, err := cluster.Defragmentations()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range all {
			t.Log(d)
		}
		if overlaps := realetcd.Overlaps(all); len(overlaps) > 0 {
			t.Errorf("defragmentations at once: %v", overlaps)
		}
		t.Log(dogs.Transcript())
	})
}
