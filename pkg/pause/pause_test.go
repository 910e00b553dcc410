package pause_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/pause"
)

const prefix = "/etcd-watchdog"

// found is what a watchdog reads, of the whole prefix in one listing.
func found(t *testing.T, kv *etcdtest.KV) pause.Cluster {
	t.Helper()
	listing, err := kv.Read(context.Background(), prefix+"/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := pause.Find(listing, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func request(length time.Duration, reason string) pause.Cluster {
	now := time.Now().UTC().Round(0)
	return pause.Cluster{Since: now, Until: now.Add(length), Reason: reason, By: "db1"}
}

// in runs a test with a book, on the clock of the model.
func in(t *testing.T, test func(kv *etcdtest.KV, book pause.Book)) {
	synctest.Test(t, func(t *testing.T) {
		kv := etcdtest.NewKV()
		test(kv, pause.Book{Prefix: prefix, Store: kv, Leases: kv})
	})
}

func TestAPauseEndsByItself(t *testing.T) {
	in(t, func(kv *etcdtest.KV, book pause.Book) {
		asked := request(time.Hour, "disks")
		if err := book.Set(t.Context(), asked); err != nil {
			t.Fatal(err)
		}
		got := found(t, kv)
		if got != asked {
			t.Errorf("found %+v, want %+v", got, asked)
		}
		if words := got.Words(); !words.Holds(time.Now()) || words.Reason != "the whole cluster, asked for on db1: disks" {
			t.Errorf("in words: %+v", words)
		}
		time.Sleep(time.Hour + time.Second) // of the model
		if got := found(t, kv); got != (pause.Cluster{}) {
			t.Errorf("after its lease there is still %+v", got)
		}
	})
}

func TestALaterPauseReplacesAnEarlierOne(t *testing.T) {
	in(t, func(kv *etcdtest.KV, book pause.Book) {
		for _, length := range []time.Duration{time.Minute, time.Hour} {
			if err := book.Set(t.Context(), request(length, length.String())); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2 * time.Minute)
		if got := found(t, kv); got.Reason != "1h0m0s" {
			t.Errorf("found %+v, want the later pause, on its own lease", got)
		}
	})
}

func TestAFullClusterCanBeResumedAndNotPaused(t *testing.T) {
	in(t, func(kv *etcdtest.KV, book pause.Book) {
		if err := book.Set(t.Context(), request(time.Hour, "")); err != nil {
			t.Fatal(err)
		}
		kv.SetNoSpace(true)
		if err := book.Set(t.Context(), request(2*time.Hour, "")); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("a pause of a full cluster: %v", err)
		}
		if got := found(t, kv); got.Until.Sub(got.Since) != time.Hour {
			t.Errorf("the earlier pause has become %+v", got)
		}
		if was, err := book.End(t.Context()); !was || err != nil {
			t.Errorf("ended: %v, %v", was, err)
		}
		if was, err := book.End(t.Context()); was || err != nil {
			t.Errorf("ended again: %v, %v", was, err)
		}
		if got := found(t, kv); got != (pause.Cluster{}) {
			t.Errorf("after its end there is %+v", got)
		}
	})
}

// A put of which the answer was lost is undone: whoever is told that the cluster
// is not paused can rely on it.
func TestALostAnswer(t *testing.T) {
	in(t, func(kv *etcdtest.KV, _ pause.Book) {
		link := kv.Link()
		link.Fail(etcdtest.LoseReply)
		book := pause.Book{Prefix: prefix, Store: link, Leases: link}
		if err := book.Set(t.Context(), request(time.Hour, "")); err == nil {
			t.Fatal("no error")
		}
		if got := found(t, kv); got != (pause.Cluster{}) {
			t.Errorf("an error was returned, and there is %+v", got)
		}
	})
}

func TestWhatIsNoPauseIsNamed(t *testing.T) {
	for want, kv := range map[string]claim.KeyValue{
		"it has no lease":           {Value: `{"v":1,"until":"2026-03-29T12:00:00Z"}`},
		"has version 2":             {Value: `{"v":2,"until":"2026-03-29T12:00:00Z"}`, Lease: 1},
		"is no JSON":                {Value: "yes", Lease: 1},
		"no time at which it ends":  {Value: `{"v":1}`, Lease: 1},
		"has more than 4096 bytes":  {Value: `{"v":1,"reason":"` + strings.Repeat("x", 5000) + `"}`, Lease: 1},
		"`etcd-watchdog resume --c": {Value: "{", Lease: 1},
	} {
		kv.Key = prefix + "/pause"
		c, err := pause.Find(claim.Listing{Keys: []claim.KeyValue{{Key: prefix + "/pauses"}, kv}}, prefix)
		if err == nil || !strings.Contains(err.Error(), want) || c != (pause.Cluster{}) {
			t.Errorf("%+v: %+v, %v, want %q", kv, c, err, want)
		}
	}
	if c, err := pause.Find(claim.Listing{Keys: []claim.KeyValue{{Key: prefix + "/pause/x"}}}, prefix); err != nil || c != (pause.Cluster{}) {
		t.Errorf("another key: %+v, %v", c, err)
	}
}

func TestTheLongerPauseHolds(t *testing.T) {
	now := time.Now()
	short, long := cluster.Pause{Until: now}, cluster.Pause{Until: now.Add(1)}
	if pause.Longer(short, long) != long || pause.Longer(long, short) != long || pause.Longer(short, pause.Cluster{}.Words()) != short {
		t.Error("not the one that ends last")
	}
}
