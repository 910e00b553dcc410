package etcdtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
)

func TestKeysAreRefusedWhatTheClusterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		k := c.Keys()
		lease, err := k.Grant(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		put := claim.Txn{Put: []claim.KeyValue{{Key: "/a", Lease: lease}}}
		if ok, err := k.Commit(t.Context(), put); !ok || err != nil {
			t.Fatal(ok, err)
		}
		c.Raise(noSpace(3))
		if _, err := k.Grant(t.Context(), time.Minute); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("grant: %v, want a refusal", err)
		}
		if _, err := k.Commit(t.Context(), put); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("put: %v, want a refusal", err)
		}
		if ok, err := k.Commit(t.Context(), claim.Txn{Delete: []string{"/a"}}); !ok || err != nil {
			t.Errorf("delete: %t, %v; want it done", ok, err)
		}
		if _, err := k.KeepAlive(t.Context(), lease); err != nil {
			t.Errorf("renewal: %v", err)
		}
		do(t, c, disarm(3))
		if ok, err := c.Keys().Commit(t.Context(), put); !ok || err != nil {
			t.Errorf("put after the disarm: %t, %v", ok, err)
		}
	})
}

func TestLeaseDiesInAStallOfTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		k := c.Keys()
		lease, err := k.Grant(t.Context(), 2*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.Slow(1, 5) // 3.6 s
		go func() { _ = c.Operator(1).Do(context.Background(), defragment(1)) }()
		synctest.Wait()
		if _, err := k.Read(t.Context(), "/"); err != nil {
			t.Errorf("read meanwhile: %v", err)
		}
		if _, err := k.KeepAlive(t.Context(), lease); !errors.Is(err, claim.ErrLeaseGone) {
			t.Errorf("renewal: %v, want the lease gone", err)
		}
	})
}

func TestKeysHangWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Kill(2)
		c.Kill(3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Keys().Read(ctx, "/"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("read: %v, want it to hang", err)
		}
	})
}
