package etcdtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

func observe(t *testing.T, c *Cluster, id cluster.MemberID) cluster.Member {
	t.Helper()
	m, ok := c.Observer(1).Observe(t.Context(), time.Now()).Member(id)
	if !ok {
		t.Fatalf("member %s is not in the view", id)
	}
	return m
}

func TestDefragmentationTakesTimeByTheSizeInUseAndMakesItTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		begin := time.Now()
		do(t, c, defragment(2))
		if took := time.Since(begin); took != 720*time.Millisecond {
			t.Errorf("took %s, want 72 MiB at 100 MiB/s", took)
		}
		if file, inUse := size(c, 2); file != inUse || inUse != 72*mebibyte {
			t.Errorf("file %d, in use %d; want both 72 MiB", file, inUse)
		}
	})
}

func TestDefragmentationBlocksStatusAndNotMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Slow(2, 100) // 72 s
		go func() { _ = c.Operator(2).Do(context.Background(), defragment(2)) }()
		synctest.Wait()
		if e := c.Operator(1).Evidence(t.Context(), 2); !e.Known || !e.InFlight || e.Completed != 0 {
			t.Errorf("evidence meanwhile %+v, want one in flight", e)
		}
		begin := time.Now()
		if m := observe(t, c, 2); m.Contact != cluster.Silent {
			t.Errorf("contact %d, want silence", m.Contact)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("the observation took %s, want as long as a member is waited for that may answer", took)
		}
		if err := c.Put(t.Context(), 1, 1); err != nil {
			t.Errorf("put through another member: %v", err)
		}
		if m, _ := c.View().Member(2); m.AppliedIndex == m.RaftIndex {
			t.Error("a blocked member applies")
		}
		time.Sleep(70 * time.Second)
		if m := observe(t, c, 2); m.Contact != cluster.Answered || m.AppliedIndex != m.RaftIndex {
			t.Errorf("afterwards %+v, want an answer, caught up", m)
		}
		if e := c.Operator(1).Evidence(t.Context(), 2); e.InFlight || e.Completed != 1 {
			t.Errorf("evidence afterwards %+v, want one completed", e)
		}
	})
}

func TestDefragmentationOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		err := c.Operator(1).Do(ctx, defragment(2))
		if !errors.Is(err, cluster.ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the deadline and an unknown outcome", err)
		}
		time.Sleep(time.Second)
		if n := c.History().Defragmentations()[2]; n != 1 {
			t.Errorf("%d defragmentations ended, want 1", n)
		}
	})
}

func TestBetweenTwoQueuedDefragmentationsTheMemberAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		for range 2 {
			go func() { _ = c.Operator(0).Do(context.Background(), defragment(2)) }()
		}
		synctest.Wait()
		if m := observe(t, c, 2); m.Contact != cluster.Answered {
			t.Errorf("contact %d, want an answer after the first", m.Contact)
		}
		if n := c.History().Defragmentations()[2]; n != 1 {
			t.Errorf("%d ended when the member answered, want 1", n)
		}
		time.Sleep(time.Minute)
		h := c.History()
		if h.Defragmentations()[2] != 2 || h.MaxConcurrentDefragmentations() != 1 {
			t.Errorf("want two, one after the other:\n%s", h)
		}
	})
}

func TestCompactionEndsAfterTheDefragmentationThatLocksTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Slow(2, 10)
		do(t, c, compactNow(c, 1))
		do(t, c, defragment(2)) // member 2 has not begun to delete
		if file, inUse := size(c, 2); file != 72*mebibyte || inUse != 64*mebibyte {
			t.Errorf("file %d, in use %d; want the garbage copied along and deleted after", file, inUse)
		}
	})
}

func TestDefragmentedLeaderRenewsNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		go func() { _ = c.Operator(1).Do(context.Background(), defragment(1)) }()
		synctest.Wait()
		if c.LeasesRenewable() {
			t.Error("leases are renewed by a blocked leader")
		}
		time.Sleep(time.Second)
		if !c.LeasesRenewable() {
			t.Error("leases are not renewed afterwards")
		}
		do(t, c, defragment(2))
		if got := c.History().LeaseStall(); got != 720*time.Millisecond {
			t.Errorf("lease stall %s, want that of the leader alone", got)
		}
	})
}

func TestLeadershipMovesToVotersOnlyAndFromTheLeaderOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(4)
		config.Members[3].Learner = true
		c := New(config)
		move := func(from, to cluster.MemberID) error {
			return c.Operator(1).Do(t.Context(), cluster.Step{Kind: cluster.StepMoveLeader, Member: from, To: to})
		}
		if err := move(1, 4); err == nil {
			t.Error("a learner leads")
		}
		if err := move(2, 3); err == nil {
			t.Error("a follower gave the leadership away")
		}
		if err := move(2, 1); err != nil {
			t.Errorf("the leader shall lead: %v", err)
		}
		if err := move(1, 3); err != nil {
			t.Error(err)
		}
		if got := c.View().Leader(); got != 3 {
			t.Errorf("leader %s, want 3", got)
		}
		if term := c.View().Members[0].RaftTerm; term != 3 {
			t.Errorf("term %d, want the one after 2", term)
		}
	})
}

func TestLearnerRefusesDefragmentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(4)
		config.Members[3].Learner = true
		c := New(config)
		err := c.Operator(1).Do(t.Context(), defragment(4))
		if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("error %v, want a refusal", err)
		}
		if c.History().NeverAskedOf(4) == nil || c.History().NothingRefused() == nil {
			t.Error("the history does not tell of the attempt")
		}
	})
}

func TestNothingIsSentToAMemberThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Slow(2, 100)
		go func() { _ = c.Operator(0).Do(context.Background(), defragment(2)) }()
		synctest.Wait()
		begin := time.Now()
		for _, step := range []cluster.Step{compactNow(c, 2), defragment(2)} {
			err := c.Operator(1).Do(t.Context(), step)
			if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
				t.Errorf("%s: %v, want a plain failure", step, err)
			}
		}
		if took := time.Since(begin); took != 10*time.Second {
			t.Errorf("took %s, want twice the request timeout", took)
		}
		if err := c.Operator(2).Do(t.Context(), disarm(2)); err != nil {
			t.Errorf("disarming, which another member serves: %v", err)
		}
		time.Sleep(2 * time.Minute)
		if n := c.History().Defragmentations()[2]; n != 1 {
			t.Errorf("%d defragmentations, want the one of the person", n)
		}
	})
}

func TestDoneAlreadyIsSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		for range 2 {
			do(t, c, cluster.Step{Kind: cluster.StepCompact, Member: 1, Revision: firstRevision})
			do(t, c, disarm(1))
			do(t, c, defragment(2))
		}
		if n := len(c.History().Of(CompactBegin, Disarmed)); n != 1 {
			t.Errorf("%d effects besides the defragmentations, want the one compaction:\n%s", n, c.History())
		}
	})
}

func TestCompactionBeyondTheRevisionIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(1))
		step := compactNow(c, 1)
		step.Revision++
		if err := c.Operator(1).Do(t.Context(), step); err == nil {
			t.Error("compacted the future")
		}
	})
}
