package scenario

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// A corrupt cluster is left alone, full or not, until a person has disarmed
// CORRUPT.
func TestCorruptIsLeftAlone(t *testing.T) {
	s := stage(t, "3.5", 3)
	s.watch(settings{})
	s.write()
	bad := s.Member(1).ID()
	s.unwatched(func() {
		s.fill()
		s.raise(pb.AlarmType_CORRUPT, bad)
	})
	before := s.alarms()
	s.eachDog("corrupt_armed", 1)
	s.polls(5)
	s.untouched()
	s.stillListed(before)
	s.once("corrupt_armed", 1)
	s.disarm(pb.AlarmType_CORRUPT, bad)
	s.healed()
	s.unclaimed()
	s.end(s.each())
	s.once("corrupt_armed", 1)
	s.once("nospace_armed", 1)
}

// Live data that fill 97 % of the quota cannot be helped by any work: one
// verdict, nothing over and over, and an end of it once keys are deleted.
func TestLiveDataTooLarge(t *testing.T) {
	s := stage(t, "3.6", 3)
	s.watch(settings{})
	s.write()
	s.live(0.96)
	s.fillWith(mebibyte)
	s.eachDog("live_data_too_large", 1)
	s.eachWaits("live_data_too_large")
	verdict := time.Now()
	defragmented := len(s.defragmentations())
	s.polls(24)
	// Giving the claim back moved the revision on: each member is looked into
	// once more by each watchdog.
	again := map[string]int{}
	for _, e := range s.dogs.Of("compaction_started") {
		if at := e.Watchdog + " on " + e.MemberID; e.Time.After(verdict) {
			if again[at]++; again[at] > 1 {
				t.Errorf("%d compactions by %s after the verdict", again[at], at)
			}
		}
	}
	if n := len(s.defragmentations()) - defragmented; n > 0 {
		t.Errorf("%d defragmentations after the verdict", n)
	}
	s.never("alarm_disarmed", "disarm_failed")
	s.once("live_data_too_large", 1)
	s.once("nospace_armed", 1)

	_, err := s.Client(0).Delete(t.Context(), "live/", clientv3.WithPrefix())
	s.must(err)
	s.healed()
	s.unclaimed()
	s.safe()
	s.never("poll_failed", "claim_lost", "defragmentation_failed", "compaction_failed", "disarm_failed", "disarm_repeated")
	s.once("live_data_too_large", 1)
}

// The verdict ends as well when a person raises the quota, member by member.
func TestLargerQuotaEndsTheVerdict(t *testing.T) {
	whole(t)
	s := stage(t, "3.6", 3)
	s.watch(settings{})
	s.live(0.96)
	s.fillWith(mebibyte)
	s.eachDog("live_data_too_large", 1)
	for _, m := range s.Members() {
		s.must(m.Stop())
		s.must(m.Start(fmt.Sprintf("--quota-backend-bytes=%d", 2*quota)))
		s.must(m.AwaitReady(t.Context()))
	}
	for _, m := range s.Members() {
		s.until("writes to be accepted by "+m.Name, func() (bool, string) {
			_, err := m.Client().Put(t.Context(), "afterwards", m.Name)
			return err == nil, fmt.Sprint(err)
		})
	}
	s.eachWaits("below_threshold")
	s.unclaimed()
	s.safe()
	s.once("live_data_too_large", 1)
	s.never("claim_lost", "defragmentation_failed", "disarm_failed")
}

// live writes keys, each once, until that part of the quota is in use.
func (s *scene) live(part float64) {
	s.t.Helper()
	for n := 0; ; n++ {
		status, err := s.Client(0).Status(s.t.Context(), s.Member(0).ClientURL)
		s.must(err)
		if float64(status.DbSizeInUse) >= part*quota {
			return
		}
		load := realetcd.Load{Prefix: fmt.Sprintf("live/%d", n), LiveBytes: mebibyte / 2, ValueBytes: 16 << 10, Seed: uint64(n)}
		if _, err := s.WriteLive(s.t.Context(), load); errors.Is(err, rpctypes.ErrNoSpace) {
			return
		} else if err != nil {
			s.t.Fatal(err)
		}
	}
}

// Members that all advertise localhost answer for one another: nothing is done
// to any but one's own, and so, since the others count as absent, nothing at
// all. It ends when the URLs are right.
func TestAllAdvertiseLocalhost(t *testing.T) {
	s := stage(t, "3.7", 3, func(c *realetcd.Config) { c.AdvertiseLocalhost = true })
	s.add(settings{etcd: short}, 0)
	s.write()
	s.fill()
	s.dogs.Start()
	s.eachDog("identity_mismatch", 2)
	s.polls(5)
	if all := s.defragmentations(); len(all) > 0 {
		t.Errorf("members were defragmented: %v", all)
	}
	s.never("alarm_disarmed", "defragmentation_started")
	s.once("identity_mismatch", 2)

	for _, m := range s.Members() {
		s.must(m.Stop())
		s.must(m.Start("--advertise-client-urls=" + m.ClientURL))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		s.must(m.AwaitReady(ctx))
		cancel()
	}
	s.add(settings{etcd: short}, 1, 2)
	for _, dog := range s.dogs.Dogs[1:] {
		s.must(dog.Start())
	}
	s.healed()
	s.eachDog("enrolled", 1)
	s.safe()
	s.once("nospace_armed", 1)
}

// Without a quorum nothing can be done, and nothing is.
func TestNoQuorum(t *testing.T) {
	whole(t)
	s := stage(t, "3.4", 3)
	s.watch(settings{etcd: short})
	s.write()
	s.unwatched(func() {
		s.fill()
		s.must(s.Member(0).Kill())
		s.must(s.Member(1).Kill())
	})
	left := s.dogs.Dogs[2] // the others' own members are down
	s.until("the watchdog of the member that is left to tell", func() (bool, string) {
		return len(s.of(left, "not_quorate")) > 0, s.dogs.Transcript()
	})
	s.polls(3)
	s.untouched()
	if n := len(s.of(left, "not_quorate")); n != 1 {
		t.Errorf("%d entries not_quorate, want 1", n)
	}
	for _, m := range s.Members()[:2] {
		s.must(m.Start())
	}
	for _, m := range s.Members() {
		s.must(m.AwaitReady(t.Context()))
	}
	s.healed()
	s.unclaimed()
	s.safe()
}

// A full learner raises the alarm again after every disarm, and cannot be
// defragmented: so nothing is done as long as it is there.
func TestFullLearner(t *testing.T) {
	whole(t)
	s := stage(t, "3.7", 3)
	s.watch(settings{})
	s.write()
	var learner *realetcd.Member
	s.unwatched(func() {
		s.fill()
		var err error
		learner, err = s.AddLearner(t.Context())
		s.must(err)
	})
	s.eachDog("learner_full", 1)
	s.polls(5)
	s.untouched()
	s.once("learner_full", 1)
	s.must(s.RemoveMember(t.Context(), learner))
	s.healed()
	s.unclaimed()
	s.end(s.each())
	s.once("learner_full", 1)
	s.once("nospace_armed", 1)
}

// While a member is catching up, nobody is defragmented. (Not on 3.6 and later:
// their leaders drop raft's log early, so that a member which was away gets a
// snapshot instead.)
func TestMemberCatchesUp(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 3, func(c *realetcd.Config) { c.Args = []string{"--snapshot-count=1000000"} })
	s.watch(settings{etcd: short})
	// Of the followers the one with the lower id comes first: that it is not
	// begun with is for the other's sake.
	leader, err := s.Leader(t.Context())
	s.must(err)
	slow := slices.MaxFunc(s.Members(), func(a, b *realetcd.Member) int {
		if a == leader || b != leader && a.ID() < b.ID() {
			return -1
		}
		return 1
	})
	s.unwatched(func() {
		s.fill()
		s.must(slow.Suspend())
		s.entries(slow, 40000)
	})
	ctx, stop := context.WithCancel(t.Context())
	slowed := make(chan error, 1)
	go func() { slowed <- throttle(ctx, slow) }()
	var behind, seen bool
	s.until("the slow member to have caught up", func() (bool, string) {
		lag, err := s.lag(slow)
		if err != nil {
			return false, err.Error()
		}
		behind = behind || lag > 1000
		for _, dog := range s.dogs.Dogs {
			for _, e := range s.of(dog, "polled") {
				seen = seen || e.Reason == "member_catching_up"
			}
		}
		if seen { // that is enough of it
			stop()
		}
		if all := s.defragmentations(); lag > 1000 && len(all) > 0 {
			t.Errorf("%s has %d entries to apply, and %v was begun", slow.Name, lag, all)
			return true, ""
		}
		return lag <= 1000, fmt.Sprintf("%d entries behind", lag)
	})
	stop()
	s.must(<-slowed)
	if !behind || !seen {
		t.Errorf("the member was behind: %t; a watchdog waited because of it: %t", behind, seen)
	}
	s.healed()
	s.unclaimed()
	s.safe()
}

// entries makes so many entries of raft's log, which write nothing, through
// another member than the suspended one.
func (s *scene) entries(suspended *realetcd.Member, n int64) {
	s.t.Helper()
	via := s.Member(0)
	if via == suspended {
		via = s.Member(1)
	}
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(n)
	for range 128 {
		group.Go(func() {
			for left.Add(-1) >= 0 && s.t.Context().Err() == nil {
				if _, err := via.Client().Delete(s.t.Context(), "none"); err != nil {
					s.t.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
}

// throttle lets the suspended member run for a tenth of the time, until ctx
// ends, and then for all of it.
func throttle(ctx context.Context, m *realetcd.Member) error {
	for ctx.Err() == nil {
		if err := m.Resume(); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
		if err := m.Suspend(); err != nil {
			return err
		}
		time.Sleep(45 * time.Millisecond)
	}
	return m.Resume()
}

// lag is how far the member's applied index is behind the highest one.
func (s *scene) lag(slow *realetcd.Member) (int64, error) {
	var most, its uint64
	for _, m := range s.Members() {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		status, err := m.Client().Status(ctx, m.ClientURL)
		cancel()
		if err != nil {
			return 0, err
		}
		most = max(most, status.RaftAppliedIndex)
		if m == slow {
			its = status.RaftAppliedIndex
		}
	}
	return int64(most - its), nil
}
