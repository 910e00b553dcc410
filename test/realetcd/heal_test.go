package realetcd_test

import (
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const mebibyte = 1 << 20

// TestFullClusterHealedByHand walks through what a full cluster needs, and
// looks at everything that the members and the writers tell about it.
func TestFullClusterHealedByHand(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, QuotaBytes: 16 * mebibyte})
		writers, err := c.StartWriters(ctx, realetcd.WritersConfig{
			Prefix: "writers", Writers: 3, Keys: 10, ValueBytes: 100, Pause: 5 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		filled, err := c.Fill(ctx, realetcd.Load{Prefix: "load", LiveBytes: 4 * mebibyte, ValueBytes: 4096, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		if filled.WrittenBytes < 8*mebibyte || filled.WrittenBytes > 32*mebibyte {
			t.Errorf("%d bytes filled a quota of 16 MiB", filled.WrittenBytes)
		}
		realetcd.Eventually(t, 10*time.Second, "a writer to be refused", func() (bool, string) {
			return writers.Tally().Refused > 0, "none is"
		})

		healByHand(ctx, t, c)

		realetcd.Eventually(t, 10*time.Second, "writes to be accepted again", func() (bool, string) {
			refusals := writers.Tally().Refusals
			return !refusals[len(refusals)-1].End.IsZero(), "they are refused"
		})
		tally := writers.Stop()
		t.Logf("%+v", tally)
		if tally.Acknowledged == 0 || tally.LongestGap < tally.Refusals[0].Length()/2 {
			t.Errorf("the writers' tally contradicts itself: %+v", tally)
		}
		if err := writers.Verify(ctx); err != nil {
			t.Error(err)
		}
		checkDefragmentations(t, c)
		checkCompactions(t, c)

		if _, err := c.Client(0).Delete(ctx, "writers/000/", clientv3.WithPrefix()); err != nil {
			t.Fatal(err)
		}
		// As many of its ten keys as have had an acknowledged write.
		if err := writers.Verify(ctx); err == nil || !strings.Contains(err.Error(), "of 30 keys are wrong, such as writers/000/") {
			t.Errorf("the writes of one writer are gone, and Verify says %v", err)
		}
	})
}

// healByHand compacts, defragments each member in turn, and disarms.
func healByHand(ctx context.Context, t *testing.T, c *realetcd.Cluster) {
	t.Helper()
	now, err := c.Client(0).Get(ctx, "load")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range c.Members() {
		if i == 0 {
			if _, err := m.Client().Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
				t.Fatal(err)
			}
		} else if _, err := m.Client().Compact(ctx, now.Header.Revision, clientv3.WithCompactPhysical()); err == nil {
			t.Fatal("the same compaction passed twice")
		}
		if _, err := m.Client().Defragment(ctx, m.ClientURL); err != nil {
			t.Fatal(err)
		}
	}
	alarms, err := c.Alarms(ctx)
	if err != nil || len(alarms) == 0 || !strings.HasSuffix(alarms[0], ":NOSPACE") {
		t.Fatalf("alarms of a full cluster: %v, %v", alarms, err)
	}
	if _, err := c.Client(0).AlarmDisarm(ctx, &clientv3.AlarmMember{}); err != nil {
		t.Fatal(err)
	}
	if alarms, err = c.Alarms(ctx); err != nil || len(alarms) != 0 {
		t.Fatalf("alarms after the disarm: %v, %v", alarms, err)
	}
}

func checkDefragmentations(t *testing.T, c *realetcd.Cluster) {
	t.Helper()
	all, err := c.Defragmentations()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Fatalf("%d defragmentations are logged, want 3: %v", len(all), all)
	}
	for i, d := range all {
		if d.Member != c.Member(i).Name || !d.Completed || d.Took <= 0 || d.End.Before(d.Begin) {
			t.Errorf("defragmentation %d: %+v", i, d)
		}
		if d.BeforeBytes < 16*mebibyte || d.AfterBytes < 4*mebibyte || d.AfterBytes > 8*mebibyte || d.AfterInUse > d.AfterBytes {
			t.Errorf("sizes of defragmentation %d: %+v", i, d)
		}
		t.Log(d)
	}
	if pairs := realetcd.Overlaps(all); len(pairs) != 0 {
		t.Errorf("done one after the other, and reported to overlap: %v", pairs)
	}
}

func checkCompactions(t *testing.T, c *realetcd.Cluster) {
	t.Helper()
	for _, m := range c.Members() {
		compactions, err := m.Compactions()
		if err != nil || len(compactions) != 1 || compactions[0].Revision == 0 {
			t.Errorf("compactions on %s: %+v, %v", m.Name, compactions, err)
		}
	}
}
