package watchdog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

var effects = map[string]etcdtest.Effect{
	"refused": etcdtest.Refuse, "reply lost": etcdtest.LoseReply, "landing late": etcdtest.Delay,
}

// Whatever becomes of one step, and whoever took it: the cluster is healed, one
// member at a time.
func TestHealsThoughAStepGoesWrong(t *testing.T) {
	kinds := []cluster.StepKind{cluster.StepCompact, cluster.StepMoveLeader, cluster.StepDefragment, cluster.StepDisarm}
	for name, effect := range effects {
		for _, kind := range kinds {
			for _, by := range ids(3) {
				t.Run(fmt.Sprintf("%s of watchdog %s %s", kind, by, name), func(t *testing.T) {
					t.Parallel()
					config := etcdtest.DefaultConfig(3)
					slowly(&config)
					play(t, config, func(s *stage) {
						s.watch(1, 2, 3)
						s.enrolled(1, 2, 3)
						s.etcd.Inject(etcdtest.Fault{Kind: kind, By: by, Effect: effect, For: 6 * time.Second})
						s.fill(1)
						s.recovers()
					})
				})
			}
		}
	}
}

// A request that is still on its way when its sender is gone is the worst of
// all: nobody remembers it but the ticket.
func TestHealsThoughARequestOutlivesItsSender(t *testing.T) {
	for _, delay := range []time.Duration{time.Second, 5 * time.Second, 9 * time.Second} {
		for _, back := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, back %t", delay, back), func(t *testing.T) {
				t.Parallel()
				config := etcdtest.DefaultConfig(3)
				slowly(&config)
				play(t, config, func(s *stage) {
					s.watch(1, 2, 3)
					s.enrolled(1, 2, 3)
					s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, By: 2, Effect: etcdtest.Delay, For: delay})
					s.fill(1)
					s.until("the request is on its way", time.Minute, func() bool {
						return len(s.journal.of(event.DefragmentationStarted)) > 0
					})
					s.bury(s.running[2])
					if back {
						s.watch(2)
					}
					s.recovers()
					if n := len(s.journal.of(event.TicketInDoubt)); back && n != 1 {
						s.Errorf("%d watchdogs found a ticket that they did not remember, want one", n)
					}
				})
			})
		}
	}
}

func TestUnknownOutcomeIsSettledBeforeAnythingElseIsDone(t *testing.T) {
	for _, f := range []etcdtest.Fault{
		{Kind: cluster.StepDefragment, Effect: etcdtest.LoseReply},
		{Kind: cluster.StepDefragment, Effect: etcdtest.Delay, For: 6 * time.Second},
	} {
		config := etcdtest.DefaultConfig(3)
		slowly(&config)
		play(t, config, func(s *stage) {
			s.watch(1, 2, 3)
			s.enrolled(1, 2, 3)
			s.etcd.Inject(f)
			s.fill(1)
			s.recovers()
			s.once()
			s.settledFirst(2)
		})
	}
}

// settledFirst checks that the only doubt was about that member, and that
// nothing was begun before it was settled.
func (s *stage) settledFirst(id cluster.MemberID) {
	s.Helper()
	settled := s.journal.of(event.DefragmentationSettled)
	if len(settled) != 1 || settled[0].Member != id {
		s.Fatalf("settled %+v, want the doubt about member %s", settled, id)
	}
	ended := s.etcd.History().Of(etcdtest.DefragmentEnd)[0]
	if ended.Member != id || settled[0].at.Before(ended.At) {
		s.Errorf("settled at %s, and first it ended: %s at %s", settled[0].at, ended, ended.At)
	}
	for _, e := range s.journal.of(event.ClaimTaken) {
		if e.by != id && e.at.Before(settled[0].at) {
			s.Errorf("watchdog %s took the claim before it was settled", e.by)
		}
	}
	if n := len(s.journal.of(event.DefragmentationFailed)); n > 0 {
		s.Error("what was unknown was called failed")
	}
}

// The first transactions under NOSPACE are a take and a give-back.
func TestHealsThoughTransactionsOfTheClaimGoWrong(t *testing.T) {
	for name, effect := range effects {
		for _, fails := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%d %s", fails, name), func(t *testing.T) {
				t.Parallel()
				play(t, etcdtest.DefaultConfig(3), func(s *stage) {
					s.watch(1, 2, 3)
					s.enrolled(1, 2, 3)
					for range fails {
						s.running[2].keys.Fail(effect)
					}
					s.fill(1)
					for range 30 { // late ones land at every hour
						time.Sleep(700 * time.Millisecond)
						s.running[2].keys.Land()
					}
					s.recovers()
				})
			})
		}
	}
}

func TestStopWaitsForTheWorkAndGivesTheClaimBack(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	slowly(&config)
	play(t, config, func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		s.begun(2)
		s.running[2].stop()
		<-s.running[2].ended
		if n := s.etcd.History().Defragmentations()[2]; n != 1 {
			s.Errorf("stopped, and member 2 was defragmented %d times by then", n)
		}
		if n := s.tickets().busy; n > 0 {
			s.Errorf("stopped, and %d tickets are busy", n)
		}
		s.healed(2 * time.Minute)
		s.once()
	})
}

func TestClaimLostDuringADefragmentation(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	config.DefragmentBytesPerSecond = mib // 64 s
	play(t, config, func(s *stage) {
		s.claim.TTL = 32 * time.Second
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		s.begun(2)
		s.running[2].keys.Cut(true)
		time.Sleep(40 * time.Second)
		s.running[2].keys.Cut(false)
		s.recovers()
		if len(s.journal.of(event.ClaimLost)) != 1 {
			s.Error("want the loss told once")
		}
	})
}
