package watchdog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

// Three watchdogs without a ticket have waited for longer than adopt-after when what kept all of
// them from working goes away. However their polls lie, it is still one member
// at a time.
func TestWithoutTicketsNobodyRushesInTogether(t *testing.T) {
	waits := map[string]struct{ begin, end func(*stage) }{
		"a full learner": {
			func(s *stage) {
				learner := etcdtest.DefaultConfig(4).Members[3]
				learner.Learner, learner.FreeBytes = true, 600*mib
				s.etcd.Add(learner)
			},
			func(s *stage) { s.etcd.Remove(4) },
		},
		"CORRUPT": {
			func(s *stage) { s.etcd.Raise(corrupt) },
			func(s *stage) { s.overcome(corrupt) },
		},
		"a member away": {
			func(s *stage) { s.etcd.Kill(3) },
			func(s *stage) { s.etcd.Start(3, 0) },
		},
	}
	for name, w := range waits {
		for offset := time.Duration(0); offset < 500*time.Millisecond; offset += 20 * time.Millisecond {
			t.Run(fmt.Sprintf("%s, %s apart", name, offset), func(t *testing.T) {
				t.Parallel()
				play(t, etcdtest.DefaultConfig(3), func(s *stage) {
					s.limits.AdoptAfter = 10 * time.Second // so that the wait is short
					s.fill(1)
					w.begin(s)
					for _, id := range []cluster.MemberID{1, 2, 3} {
						s.watch(id)
						time.Sleep(offset)
					}
					time.Sleep(30 * time.Second)
					w.end(s)
					s.until("healed", 10*time.Minute, func() bool { return len(s.etcd.View().Alarms) == 0 })
				})
			})
		}
	}
}

// In a moment in which writes are accepted another watchdog enrolls. As long as its
// tickets are there the leader's term is no permit, however quiet it is.
func TestTicketsThatAppearEndTheTermPermit(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.fill(1)
		s.watch(1)
		time.Sleep(s.limits.Settled() - time.Second)
		s.etcd.KV().SetNoSpace(false)
		other := claim.New(s.etcd.Keys(), s.etcd.Keys(), s.claim, claim.Identity{Host: "host2"}, claim.NewEphemeralSession())
		if err := other.Enrol(s.Context(), 2); err != nil {
			s.Fatal(err)
		}
		s.etcd.KV().NoSpaceWhile(s.etcd.WritesRefused)
		time.Sleep(s.claim.TTL - 5*time.Second)
		if o := s.order(); len(o) > 0 {
			s.Errorf("defragmented %v", o)
		}
		s.until("healed, once their lease has expired", time.Minute, func() bool { return len(s.etcd.View().Alarms) == 0 })
	})
}
