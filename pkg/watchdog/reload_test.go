package watchdog_test

import (
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// A defragmentation in doubt is the next loop's to wait out, with the claim that
// is held for it, as if nothing had been reloaded.
func TestReloadInDoubtKeepsDoubtAndClaim(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	slowly(&config)
	play(t, config, func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, By: 2, Effect: etcdtest.Delay, For: 6 * time.Second})
		s.fill(1)
		s.until("the doubt", time.Minute, func() bool { return len(s.journal.of(event.DefragmentationUnknown)) > 0 })
		if n := s.busy(2); n != 1 {
			t.Fatalf("the claim is held %d times during the doubt, want once", n)
		}
		s.running[2].reload()
		time.Sleep(2 * time.Second) // a few polls of the next loop
		if n := s.busy(2); n != 1 {
			t.Errorf("the claim is held %d times after the reload, want once still", n)
		}
		s.recovers()
		if n := len(s.journal.of(event.DefragmentationSettled)); n != 1 {
			t.Errorf("%d doubts were settled, want one", n)
		}
		if n := len(s.journal.of(event.TicketInDoubt)); n != 0 {
			t.Errorf("%d tickets were found that nobody remembered", n)
		}
	})
}
