package watchdog_test

import (
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// A calm week is polls, keepalives and nothing else.
func TestCalmWeek(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		const week = 7 * 24 * time.Hour
		// Six and ten times as rarely, so that the test is shorter.
		s.limits.PollInterval, s.claim.TTL = time.Minute, 10*time.Minute
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		index := s.etcd.View().AppliedIndex()
		time.Sleep(week)
		for id, p := range s.running {
			s.bury(p)
			if most := int(week/s.limits.PollInterval) + 1; p.polls > most || p.polls < most-most/1000 {
				s.Errorf("watchdog %s polled %d times, want %d", id, p.polls, most)
			}
			if p.reads > p.polls+4 { // to enrol takes a few
				s.Errorf("watchdog %s read the claim %d times in %d polls", id, p.reads, p.polls)
			}
			if !slices.Equal(p.writes, []string{"grant", "enrol", "enrol", "enrol", "enrol", "publish"}) {
				s.Errorf("watchdog %s wrote %v", id, p.writes)
			}
		}
		if now := s.etcd.View().AppliedIndex(); now != index {
			s.Errorf("the raft index went from %d to %d", index, now)
		}
		if told := s.journal.but(event.Polled, event.Enrolled); len(told) > 0 {
			s.Errorf("told %d things, the first: %s", len(told), words(told[0].Event))
		}
		if n := len(s.journal.of(event.Enrolled)); n != 3 {
			s.Errorf("%d times enrolled", n)
		}
	})
}

// With the default intervals the claim is read every third poll.
func TestClaimIsReadRarelyWhileAllIsCalm(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(2)
		s.enrolled(2)
		time.Sleep(time.Hour)
		p := s.running[2]
		s.bury(p)
		if p.polls < 359 || p.polls > 363 || p.reads > p.polls/3+4 {
			s.Errorf("%d polls and %d reads of the claim in an hour", p.polls, p.reads)
		}
	})
}
