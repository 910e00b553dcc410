package watchdog_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Values of 1 MiB, soon at an eighth of the quota a second: no write is refused, and
// nobody defragments a member while history is what takes the space.
func TestFastGrowthIsCompactedByAll(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	play(t, config, func(s *stage) {
		s.limits.AssumedSpeed = policy.DefaultLimits().AssumedSpeed
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		by := map[cluster.MemberID]bool{}
		for n := range 120 * 64 {
			if err := s.etcd.Overwrite(s.Context(), 1, mib); err != nil {
				s.Fatalf("after %s: %v", time.Since(s.began), err)
			}
			if n < 128 {
				time.Sleep(time.Second / 16) // the looks come closer meanwhile
			}
			time.Sleep(time.Second / 64)
		}
		for _, e := range s.journal.of(event.RoutineCompaction) {
			by[e.by] = true
		}
		if len(by) != 3 {
			s.Errorf("compacted by %v, want by all", by)
		}
		for id, n := range s.etcd.History().Defragmentations() {
			if n > 1 {
				s.Errorf("member %s was defragmented %d times", id, n)
			}
		}
	})
}

// A disk without room is told once, also when NOSPACE begins meanwhile and the
// members are looked into anew.
func TestDiskWithoutRoomIsToldOnce(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	for i := range config.Members {
		config.Members[i].LiveBytes, config.Members[i].OldBytes, config.Members[i].FreeBytes = 64*mib, 0, 384*mib
	}
	play(t, config, func(s *stage) {
		var free atomic.Int64
		s.disk = func(id cluster.MemberID) func() cluster.Disk {
			if id != 1 {
				return nil
			}
			return func() cluster.Disk { return cluster.Disk{Known: true, FreeBytes: free.Load()} }
		}
		s.limits.AdoptAfter = time.Hour // the watchdog of another host does not know this disk
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		told := func() int { return len(s.journal.of(event.DiskTooSmall)) }
		s.until("it is told", 10*time.Minute, func() bool { return told() > 0 })
		time.Sleep(20 * time.Minute)
		s.fill(1)
		time.Sleep(20 * time.Minute)
		if n := told(); n != 1 {
			s.Errorf("told %d times, want once", n)
		}
		if n := s.etcd.History().Defragmentations()[1]; n > 0 {
			s.Errorf("the member was defragmented %d times", n)
		}
		free.Store(1 << 40)
		s.until("healed", 10*time.Minute, func() bool { return len(s.etcd.View().Alarms) == 0 })
		s.until("it is over", time.Minute, func() bool {
			for _, e := range s.journal.of(event.ConditionEnded) {
				if e.Condition == event.DiskTooSmall.String() {
					return true
				}
			}
			return false
		})
		if n := told(); n != 1 {
			s.Errorf("told %d times in all, want once", n)
		}
	})
}

// The verdict that live data are too large ends on an idle cluster, soon after
// keys were deleted.
func TestVerdictEndsOnAnIdleCluster(t *testing.T) {
	play(t, idleAndTooLarge(), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		verdicts := func() int { return len(s.journal.of(event.LiveDataTooLarge)) }
		s.until("each has told the verdict", 5*time.Minute, func() bool { return verdicts() == 3 })
		time.Sleep(30 * time.Minute)
		if err := s.etcd.Delete(s.Context(), 1, 250*mib); err != nil {
			s.Fatal(err)
		}
		s.until("every file is small again", 5*time.Minute, func() bool {
			for _, m := range s.etcd.View().Members {
				if m.SizeBytes > 300*mib {
					return false
				}
			}
			return true
		})
		if told := s.journal.of(event.NospaceArmed); len(told) > 0 {
			s.Errorf("NOSPACE: %s", words(told[0].Event))
		}
	})
}

func idleAndTooLarge() etcdtest.Config {
	config := etcdtest.DefaultConfig(3)
	for i := range config.Members {
		config.Members[i].LiveBytes, config.Members[i].OldBytes, config.Members[i].FreeBytes = 480*mib, 2*mib, 0
	}
	return config
}

// A host that has got another member, by a new one or another endpoint, gives up
// the tickets for the one that it had: nobody looks after that one now. The lease
// would else be resumed with them, over every restart.
func TestTicketsForAnotherMemberAreGivenUp(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 3)
		s.enrolled(1, 3)
		s.bury(s.running[1])
		moved := s.start(2, s.open(1), fatal{})
		books := func() string {
			book := claim.New(s.etcd.Keys(), s.etcd.Keys(), s.claim, claim.Identity{}, claim.NewEphemeralSession())
			claims, err := book.Read(s.Context(), nil, 0)
			if err != nil {
				s.Fatal(err)
			}
			return fmt.Sprint(claims.Watched)
		}
		if got := books(); got != "[1 3]" {
			s.Fatalf("watched are %s: the test shows nothing", got)
		}
		s.until("the tickets are those of the member that is there", time.Minute, func() bool { return books() == "[2 3]" })
		if n := s.tickets(); n.whole != 2*s.claim.Tickets {
			s.Errorf("%d tickets, want %d", n.whole, 2*s.claim.Tickets)
		}
		time.Sleep(time.Hour)
		if want := []string{"revoke", "grant", "enrol", "enrol", "enrol", "enrol", "publish"}; !slices.Equal(moved.writes, want) {
			s.Errorf("wrote %v, want %v", moved.writes, want)
		}
	})
}

// A watchdog whose own member is gone gives its tickets up, so that those that
// have none are not kept from healing the cluster; it enrols again when the member
// is back.
func TestTicketsOfADeadMembersWatchdogVanish(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(3)
		s.enrolled(3)
		s.etcd.Kill(3)
		time.Sleep(s.limits.AdoptAfter / 2)
		if s.tickets().whole == 0 {
			s.Error("the tickets were given up at once")
		}
		s.fill(1)
		s.watch(1, 2)
		s.until("the tickets are gone", s.limits.AdoptAfter, func() bool { return s.tickets().whole == 0 })
		s.until("healed", 10*time.Minute, func() bool { return len(s.etcd.View().Alarms) == 0 })
		if n := s.etcd.History().Defragmentations(); n[1] != 1 || n[2] != 1 {
			s.Errorf("defragmentations %v", n)
		}
		s.etcd.Start(3, time.Second)
		s.until("enrolled again", 2*s.limits.AdoptAfter, func() bool { return s.tickets().whole == 3*s.claim.Tickets })
	})
}
