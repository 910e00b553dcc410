package scenario

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// A cluster that is restored from an older snapshot, under watchdogs that keep
// running, is compacted in time as before: no write is refused.
func TestRestoredFromAnOlderSnapshot(t *testing.T) {
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d members", members), func(t *testing.T) {
			onLines(t, "3.4", members, func(s *scene) {
				s.watch(settings{})
				s.overwriteOnce(100)
				snapshot, err := s.SaveSnapshot(s.t.Context())
				s.must(err)
				s.overwriteOnce(3000) // of which the newest are three quarters of the quota at most
				s.must(s.Restore(s.t.Context(), snapshot))
				s.overwriteOnce(1500)
				s.saidOnce("restored")
				s.safe()
			}, fast)
		})
	}
}

// overwriteOnce writes so many revisions of 64 KiB, and demands that each write
// is accepted.
func (s *scene) overwriteOnce(revisions int) {
	s.t.Helper()
	value := strings.Repeat("x", 64<<10)
	for n := range revisions {
		_, err := s.Client(0).Put(s.t.Context(), fmt.Sprintf("over/%02d", n%50), value)
		if errors.Is(err, rpctypes.ErrNoSpace) {
			s.t.Fatalf("write %d of %d is refused", n, revisions)
		}
		s.must(err)
	}
}

// saidOnce checks that each watchdog has one entry, not just for debugging, with
// that word.
func (s *scene) saidOnce(word string) {
	s.t.Helper()
	for _, dog := range s.running() {
		n := 0
		entries, err := dog.Entries()
		s.must(err)
		for _, e := range entries {
			if e.Level != "debug" && strings.Contains(e.Message, word) {
				n++
			}
		}
		if n != 1 {
			s.t.Errorf("%s has %d entries that say %q, want 1", dog.Name, n, word)
		}
	}
}

// The same while it is full of live data, which are deleted after the restore.
func TestRestoredWhileFullOfLiveData(t *testing.T) {
	for _, members := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d members", members), func(t *testing.T) {
			onLines(t, "3.4", members, func(s *scene) {
				s.watch(settings{})
				s.live(0.96)
				s.fillWith(mebibyte)
				snapshot, err := s.SaveSnapshot(s.t.Context())
				s.must(err)
				for n := range 20 { // deletions are revisions, and are compacted
					_, err := s.Client(0).Delete(s.t.Context(), fmt.Sprintf("data/%08d", n))
					s.must(err)
				}
				s.eachDog("live_data_too_large", 1)
				s.must(s.Restore(s.t.Context(), snapshot))
				_, err = s.Client(0).Delete(s.t.Context(), "live/", clientv3.WithPrefix())
				s.must(err)
				s.healed()
				s.unclaimed()
				s.saidOnce("restored")
				s.safe()
			})
		})
	}
}

// The endpoints answer as a new cluster: after a minute of steady answers the
// watchdogs follow it, and set aside what they knew of the other one.
func TestEndpointsOfANewCluster(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		before := len(s.tickets())
		s.must(s.Recreate(s.t.Context()))
		recreated := time.Now()
		realetcd.Eventually(s.t, within+time.Minute, "the watchdogs to hold tickets in the new cluster", func() (bool, string) {
			n := len(s.tickets())
			return n == before, fmt.Sprintf("%d of %d keys", n, before)
		})
		if took := time.Since(recreated); took < time.Minute {
			s.t.Errorf("the new cluster was followed after %v, want a minute of steady answers", took)
		}
		for _, dog := range s.dogs.Dogs {
			s.said(dog, "new cluster")
		}
		s.write()
		s.unwatched(s.fill)
		s.healed()
		s.unclaimed()
		s.safe()
	})
}
