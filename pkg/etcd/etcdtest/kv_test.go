package etcdtest

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
)

func TestLinkFaultsHitItsOwnCommits(t *testing.T) {
	tests := []struct {
		name    string
		effect  Effect
		err     error
		at      int // keys when the answer is there
		landing int // that happen when Land is called
	}{
		{"no fault", 0, nil, 1, 0},
		{"refused", Refuse, claim.ErrRefused, 0, 0},
		{"reply lost", LoseReply, ErrLink, 1, 0},
		{"landing later", Delay, ErrLink, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kv := NewKV()
			hurt, sound := kv.Link(), kv.Link()
			hurt.Fail(tt.effect)
			put := claim.Txn{Created: map[string]int64{"/a": 0}, Put: []claim.KeyValue{{Key: "/a"}}}
			if _, err := hurt.Commit(t.Context(), put); !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			listing, err := sound.Read(t.Context(), "/")
			if err != nil || len(listing.Keys) != tt.at {
				t.Errorf("%d keys, error %v; want %d", len(listing.Keys), err, tt.at)
			}
			if n := hurt.Land(); n != tt.landing {
				t.Errorf("%d landed, want %d", n, tt.landing)
			}
			if ok, err := sound.Commit(t.Context(), claim.Txn{Delete: []string{"/a"}}); !ok || err != nil {
				t.Errorf("the other link: %t, %v", ok, err)
			}
		})
	}
}

func TestCutLinkReachesNothing(t *testing.T) {
	kv := NewKV()
	l := kv.Link()
	l.Cut(true)
	_, read := l.Read(t.Context(), "/")
	_, commit := l.Commit(t.Context(), claim.Txn{Put: []claim.KeyValue{{Key: "/a"}}})
	_, grant := l.Grant(t.Context(), time.Minute)
	_, renew := l.KeepAlive(t.Context(), 1)
	for what, err := range map[string]error{"read": read, "commit": commit, "grant": grant, "renew": renew, "revoke": l.Revoke(t.Context(), 1)} {
		if !errors.Is(err, ErrLink) {
			t.Errorf("%s: %v, want a lost connection", what, err)
		}
	}
	l.Cut(false)
	if listing, err := l.Read(t.Context(), "/"); err != nil || len(listing.Keys) != 0 {
		t.Errorf("afterwards %v, %v", listing, err)
	}
}

func TestLeaseEndsAtItsTimeAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := NewKV()
		lease, err := kv.Grant(t.Context(), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := kv.Commit(t.Context(), claim.Txn{Put: []claim.KeyValue{{Key: "/a", Lease: lease}}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute - 1)
		if _, err := kv.KeepAlive(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if listing, err := kv.Read(t.Context(), "/"); err != nil || len(listing.Keys) != 0 {
			t.Errorf("%v, %v; want nothing left", listing, err)
		}
	})
}
