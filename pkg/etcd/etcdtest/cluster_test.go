package etcdtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// full returns a cluster whose voters have a quota of 128 MiB and files that
// have reached it, with one NOSPACE alarm listed, that of member 1. Half of
// the file is garbage.
func full(t *testing.T, voters int) *Cluster {
	t.Helper()
	config := DefaultConfig(voters)
	for i := range config.Members {
		config.Members[i].QuotaBytes = 128 * mebibyte
	}
	c := New(config)
	if err := c.Fill(t.Context(), 1, mebibyte); err != nil {
		t.Fatal(err)
	}
	return c
}

func size(c *Cluster, id cluster.MemberID) (file, inUse int64) {
	m, _ := c.View().Member(id)
	return m.SizeBytes, m.InUseBytes
}

func do(t *testing.T, c *Cluster, step cluster.Step) {
	t.Helper()
	if err := c.Operator(1).Do(t.Context(), step); err != nil {
		t.Fatal(err)
	}
}

func compactNow(c *Cluster, id cluster.MemberID) cluster.Step {
	return cluster.Step{Kind: cluster.StepCompact, Member: id, Revision: c.View().Revision()}
}

func defragment(id cluster.MemberID) cluster.Step {
	return cluster.Step{Kind: cluster.StepDefragment, Member: id}
}

func disarm(id cluster.MemberID) cluster.Step {
	return cluster.Step{Kind: cluster.StepDisarm, Member: id, Alarm: cluster.AlarmNoSpace}
}

func noSpace(id cluster.MemberID) cluster.Alarm {
	return cluster.Alarm{Member: id, Kind: cluster.AlarmNoSpace}
}

func TestQuotaComparesTheFileNotTheSizeInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(3)
		config.Members[0].FreeBytes = config.Members[0].QuotaBytes
		c := New(config)
		if err := c.Put(t.Context(), 1, 1); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("write through a member whose file is full of free pages: %v, want a refusal", err)
		}
	})
}

func TestAlarmListIsNotTheListOfFullMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := full(t, 3) // all three are full; writes went through member 1
		do(t, c, disarm(1))
		if err := c.Put(t.Context(), 2, 1); !errors.Is(err, claim.ErrRefused) {
			t.Fatalf("write through a full member: %v, want a refusal", err)
		}
		time.Sleep(time.Minute)
		if got := c.View().Alarms; len(got) != 1 || got[0] != noSpace(2) {
			t.Errorf("alarms %v, want only that of the member written through", got)
		}
	})
}

func TestAfterDisarmingTooEarlyAWritePassesAndTheAlarmIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(3)
		config.Members[1].QuotaBytes = 16 * mebibyte // full from the start
		c := New(config)
		c.Raise(noSpace(2))
		do(t, c, disarm(2))
		time.Sleep(time.Minute)
		if c.WritesRefused() {
			t.Fatal("the alarm came back without any write")
		}
		if err := c.Put(t.Context(), 1, 1); err != nil {
			t.Fatalf("first write after the disarm: %v", err)
		}
		time.Sleep(500 * time.Millisecond)
		if err := c.Put(t.Context(), 1, 1); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("write half a second later: %v, want a refusal", err)
		}
		if got := c.View().Alarms; len(got) != 1 || got[0] != noSpace(2) {
			t.Errorf("alarms %v, want that of the full member", got)
		}
	})
}

func TestNoSpaceRefusesOnlyWhatAddsData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := full(t, 3)
		for _, through := range []cluster.MemberID{1, 2, 3} {
			if err := c.Put(t.Context(), through, 1); !errors.Is(err, claim.ErrRefused) {
				t.Errorf("put through member %s: %v, want a refusal", through, err)
			}
		}
		if err := c.Delete(t.Context(), 1, mebibyte); err != nil {
			t.Errorf("delete: %v", err)
		}
		do(t, c, compactNow(c, 2))
		do(t, c, cluster.Step{Kind: cluster.StepMoveLeader, Member: 1, To: 2})
		do(t, c, defragment(1))
		do(t, c, disarm(1))
	})
}

func TestAlarmOfARemovedMemberGoesOnRefusingWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Raise(noSpace(3))
		c.Remove(3)
		if err := c.Put(t.Context(), 1, 1); !errors.Is(err, claim.ErrRefused) {
			t.Errorf("put: %v, want a refusal", err)
		}
		do(t, c, disarm(3))
		if err := c.Put(t.Context(), 1, 1); err != nil {
			t.Errorf("put after the disarm: %v", err)
		}
	})
}

func TestFullLearnerRaisesItsAlarmASecondAfterEachDisarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(4)
		config.Members[3].Learner = true
		config.Members[3].QuotaBytes = mebibyte
		c := New(config)
		c.Raise(noSpace(4))
		for range 3 {
			do(t, c, disarm(4))
			if c.WritesRefused() {
				t.Fatal("refused right after the disarm")
			}
			time.Sleep(time.Second + time.Millisecond)
			if !c.WritesRefused() {
				t.Fatal("accepted a second after the disarm")
			}
		}
	})
}

func TestCorruptRefusesCompactionToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Raise(cluster.Alarm{Member: 2, Kind: cluster.AlarmCorrupt})
		err := c.Operator(1).Do(t.Context(), compactNow(c, 1))
		if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("compact: %v, want a refusal", err)
		}
		if err := c.History().NothingTouchedWhileCorrupt(); err == nil {
			t.Error("the history lets a compaction under CORRUPT pass")
		}
	})
}

func TestCompactionWaitsForTheServingMemberAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := full(t, 3)
		file, before := size(c, 2)
		do(t, c, compactNow(c, 2))
		if got, inUse := size(c, 2); inUse >= before || got != file {
			t.Errorf("serving member: file %d to %d, in use %d to %d; want less in use in the same file", file, got, before, inUse)
		}
		if _, inUse := size(c, 1); inUse != before {
			t.Errorf("another member has %d in use at once, want still %d", inUse, before)
		}
		if err := c.Delete(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		if got, _ := size(c, 2); got != file {
			t.Errorf("file %d after a write that fits into %d", got, file)
		}
		step := compactNow(c, 1)
		step.Revision-- // compacted already: waits for what is pending here
		do(t, c, step)
		if _, inUse := size(c, 1); inUse >= before {
			t.Errorf("another member has %d in use after a second compaction there, want less than %d", inUse, before)
		}
	})
}

func TestStatusShowsWhatWasFreedWhereItWasServedOrWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(3)
		config.Members[2].Version = "3.4.23"
		c := New(config)
		shown := func(id cluster.MemberID) int64 { return observe(t, c, id).InUseBytes / mebibyte }
		do(t, c, compactNow(c, 3))
		time.Sleep(time.Hour)
		if shown(1) != 72 || shown(2) != 72 || shown(3) != 72 {
			t.Errorf("shown %d, %d, %d MiB; want the old 72 on all of them", shown(1), shown(2), shown(3))
		}
		do(t, c, compactNow(c, 2)) // compacted already
		if shown(1) != 72 || shown(2) != 64 {
			t.Errorf("shown %d, %d MiB; want 64 where it was served", shown(1), shown(2))
		}
		do(t, c, defragment(1))
		if shown(1) != 64 {
			t.Errorf("shown %d MiB after the defragmentation, want 64", shown(1))
		}
		if err := c.Put(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		if shown(3) != 64 {
			t.Errorf("shown %d MiB after a write, want 64", shown(3))
		}
	})
}

func TestCompactionKeepsTheHistoryAboveItsRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(1))
		for range 10 {
			if err := c.Overwrite(t.Context(), 1, mebibyte); err != nil {
				t.Fatal(err)
			}
		}
		step := compactNow(c, 1)
		step.Revision -= 4
		do(t, c, step)
		if _, inUse := size(c, 1); inUse != (64+4)*mebibyte {
			t.Errorf("%d in use, want the live 64 MiB and the 4 MiB superseded since", inUse)
		}
	})
}

func TestDefragmentationBeforeTheDeletionCopiesTheGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := full(t, 3)
		do(t, c, compactNow(c, 2))
		before, _ := size(c, 1)
		do(t, c, defragment(1)) // its own deletion waits for the lag
		do(t, c, defragment(2))
		if file, inUse := size(c, 1); file != before || inUse >= file {
			t.Errorf("file %d after %d, in use %d; want the garbage copied along and deleted after", file, before, inUse)
		}
		if file, _ := size(c, 2); file != 64*mebibyte {
			t.Errorf("file %d, want the live 64 MiB", file)
		}
	})
}

func TestRestartedMemberCatchesUpAndRaisesItsAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := full(t, 3)
		c.Kill(3)
		for _, id := range []cluster.MemberID{1, 2} {
			do(t, c, compactNow(c, id))
			do(t, c, defragment(id))
		}
		do(t, c, disarm(1))
		if err := c.Put(t.Context(), 1, mebibyte); err != nil {
			t.Fatalf("write without the third member: %v", err)
		}
		c.Start(3, 10*time.Second)
		m, _ := c.Observer(1).Observe(t.Context(), time.Now()).Member(3)
		if m.Contact != cluster.Answered || m.AppliedIndex == m.RaftIndex {
			t.Errorf("right after its start: contact %d, applied %d of %d; want an answer from behind", m.Contact, m.AppliedIndex, m.RaftIndex)
		}
		time.Sleep(11 * time.Second) // an alarm is listed 50 ms after the write is applied
		if got := c.View().Alarms; len(got) != 1 || got[0] != noSpace(3) {
			t.Errorf("alarms %v, want that of the member that came back full", got)
		}
	})
}

func TestApplyingRaisesNoAlarmWhileOneIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		config := DefaultConfig(3)
		config.Members[2].QuotaBytes = mebibyte
		c := New(config)
		c.Kill(3)
		if err := c.Put(t.Context(), 1, 1); err != nil {
			t.Fatal(err)
		}
		c.Raise(noSpace(1))
		c.Start(3, 0)
		time.Sleep(time.Minute)
		if got := c.View().Alarms; len(got) != 1 || got[0] != noSpace(1) {
			t.Errorf("alarms %v, want none of the full member that caught up", got)
		}
	})
}

func TestLosingTheLeaderEndsInAnElectionAndLosingTheQuorumDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		term := c.View().Members[1].RaftTerm
		c.Kill(1)
		time.Sleep(2 * time.Second)
		if v := c.View(); v.Leader() != 2 || v.Members[1].RaftTerm <= term {
			t.Fatalf("leader %s in term %d after %d, want 2 in a later one", v.Leader(), v.Members[1].RaftTerm, term)
		}
		c.Kill(2)
		time.Sleep(2 * time.Second)
		if got := c.View().Leader(); got != 0 {
			t.Fatalf("leader %s, want none", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Put(ctx, 3, 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put without a quorum: %v, want it to hang", err)
		}
		c.Start(1, 0)
		time.Sleep(2 * time.Second)
		if err := c.Put(t.Context(), 3, 1); err != nil {
			t.Errorf("put with a quorum again: %v", err)
		}
	})
}

func TestIdleLooksMakeNoProposal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		before := c.View()
		for range 10 {
			c.Observer(1).Observe(t.Context(), time.Now())
		}
		if got := c.View(); got.Members[0].RaftIndex != before.Members[0].RaftIndex {
			t.Error("looking moved the raft index")
		}
	})
}
