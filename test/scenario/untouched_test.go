package scenario

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

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
	before, err := s.Alarms(t.Context())
	s.must(err)
	s.eachDog("corrupt_armed", 1)
	s.polls(5)
	s.untouched()
	if after, err := s.Alarms(t.Context()); err != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the alarms were %v, now %v, %v", before, after, err)
	}
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
	compacted := len(s.dogs.Of("compaction_started"))
	defragmented := len(s.defragmentations())
	s.polls(10)
	if n := len(s.dogs.Of("compaction_started")) - compacted; n > 0 {
		t.Errorf("%d compactions after the verdict", n)
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
