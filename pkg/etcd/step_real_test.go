package etcd_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestStepsOnRealMembers(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3})
		const kept = 64 << 10
		revision := fill(t, real.Client(0), 400)
		c := watch(t, real, 0)
		view := observeUntil(t, c, "every member to have written what was put", func(v cluster.View) bool {
			return allAnswer(v) && !slices.ContainsFunc(v.Members, func(m cluster.Member) bool { return m.InUseBytes < 300*kept })
		})
		leader := view.Leader()
		follower := view.Members[0].ID
		if follower == leader {
			follower = view.Members[1].ID
		}
		must := func(s cluster.Step) {
			t.Helper()
			if err := c.Do(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}

		compact := cluster.Step{Kind: cluster.StepCompact, Member: follower, Revision: revision}
		must(compact)
		must(compact) // is done already
		compact.Revision = revision + 1000
		if err := c.Do(t.Context(), compact); err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("compacting at a revision that does not exist: %v, want a plain failure", err)
		}

		before := c.Evidence(t.Context(), follower)
		must(cluster.Step{Kind: cluster.StepDefragment, Member: follower})
		after := c.Evidence(t.Context(), follower)
		if !before.Known || after.Completed != before.Completed+1 || after.InFlight || after.ProcessStart != before.ProcessStart || after.ProcessStart == 0 {
			t.Errorf("evidence %+v before and %+v after one defragmentation", before, after)
		}
		m, was := mustFind(t, observe(t, c), follower), mustFind(t, view, follower)
		if m.SizeBytes > was.SizeBytes/4 {
			t.Errorf("the file of member %s has %d bytes after its defragmentation, had %d", follower, m.SizeBytes, was.SizeBytes)
		}

		move := cluster.Step{Kind: cluster.StepMoveLeader, Member: leader, To: follower}
		must(move)
		observeUntil(t, c, "the new leader to be agreed on", func(v cluster.View) bool { return v.Leader() == follower })
		must(move) // is done already
		if err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepMoveLeader, Member: leader, To: third(view, leader, follower)}); err == nil {
			t.Error("a member that does not lead has moved the leadership")
		}
		must(cluster.Step{Kind: cluster.StepDisarm, Member: follower, Alarm: cluster.AlarmNoSpace}) // none is listed
	})
}

// third returns the member of a view of three that is neither a nor b.
func third(v cluster.View, a, b cluster.MemberID) cluster.MemberID {
	for _, m := range v.Members {
		if m.ID != a && m.ID != b {
			return m.ID
		}
	}
	return 0
}

func TestNoSpaceIsSeenAndDisarmedOnRealMembers(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1, QuotaBytes: 16 << 20})
		id := memberID(real, 0)
		c := watch(t, real, 0)
		raiseAlarm(t, real, 0)
		view := observeUntil(t, c, "the alarm to be seen", func(v cluster.View) bool { return v.Alarmed(cluster.AlarmNoSpace) })
		if want := []cluster.Alarm{{Member: id, Kind: cluster.AlarmNoSpace}}; !slices.Equal(view.Alarms, want) {
			t.Errorf("alarms %v, want %v", view.Alarms, want)
		}
		index := mustFind(t, view, id).RaftIndex
		for range 5 {
			if m := mustFind(t, observe(t, c), id); m.RaftIndex != index {
				t.Fatalf("the raft index moved from %d to %d while an alarm was looked at", index, m.RaftIndex)
			}
		}
		for _, s := range []cluster.Step{
			{Kind: cluster.StepCompact, Member: id, Revision: view.Revision()},
			{Kind: cluster.StepDefragment, Member: id},
			{Kind: cluster.StepDisarm, Member: id, Alarm: cluster.AlarmNoSpace},
		} {
			if err := c.Do(t.Context(), s); err != nil {
				t.Fatal(err)
			}
		}
		if view := observe(t, c); len(view.Alarms) != 0 {
			t.Errorf("alarms %v after the disarm, want none", view.Alarms)
		}
		if _, err := real.Client(0).Put(t.Context(), "healed", "yes"); err != nil {
			t.Errorf("a write after the disarm: %v", err)
		}
	})
}

func TestAnIdleClusterIsLeftIdle(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3})
		c := watch(t, real, 0)
		var last uint64
		observeUntil(t, c, "the cluster to settle after its start", func(v cluster.View) bool {
			index := mustFind(t, v, v.Local).RaftIndex
			still := allAnswer(v) && v.Members[0].Quota.Source == cluster.QuotaLearnt && index == last
			last = index
			return still
		})
		for i := range 20 {
			if m := mustFind(t, observe(t, c), memberID(real, 0)); m.RaftIndex != last {
				t.Fatalf("the raft index moved from %d to %d by look %d", last, m.RaftIndex, i+1)
			}
		}
	})
}

func TestDefragmentationOfARealMemberThatDiesMeanwhile(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1})
		for i := range 40 {
			value := strings.Repeat("x", 1<<20)
			if _, err := real.Client(0).Put(t.Context(), fmt.Sprint("live/", i), value); err != nil {
				t.Fatal(err)
			}
		}
		id := memberID(real, 0)
		c := watch(t, real, 0)
		observe(t, c)
		outcome := make(chan error, 1)
		go func() {
			outcome <- c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: id})
		}()
		realetcd.Eventually(t, eventually, "the defragmentation to run", func() (bool, string) {
			e := c.Evidence(t.Context(), id)
			return e.InFlight || e.Completed > 0 || strings.Contains(real.Member(0).LogTail(20), "defragment"), fmt.Sprintf("%+v", e)
		})
		if err := real.Member(0).Kill(); err != nil {
			t.Fatal(err)
		}
		err := <-outcome
		if err == nil {
			t.Skip("the defragmentation was faster than the kill")
		}
		if !errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("outcome %v of a defragmentation whose member was killed, want unknown", err)
		}
		observeUntil(t, c, "the member to refuse connections", func(v cluster.View) bool {
			m := mustFind(t, v, id)
			return m.Contact == cluster.Silent && strings.Contains(m.Problem, "connection refused")
		})
		if e := c.Evidence(t.Context(), id); e.Known {
			t.Errorf("evidence %+v of a member that is down", e)
		}
	})
}

func TestASuspendedMember(t *testing.T) {
	onOneLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3})
		c := watch(t, real, 0, func(o *etcd.Options) { o.RequestTimeout = 300 * time.Millisecond })
		observeUntil(t, c, "every member to answer", allAnswer)
		suspended := real.Member(1)
		if err := suspended.Suspend(); err != nil {
			t.Fatal(err)
		}
		view := observeUntil(t, c, "the member to stand still", func(v cluster.View) bool { return !allAnswer(v) })
		wantContact(t, view, memberID(real, 1), cluster.Silent, "no answer")
		wantContact(t, view, memberID(real, 0), cluster.Answered, "")
		err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: memberID(real, 1)})
		if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "no answer") {
			t.Errorf("outcome %v where the member never said who it is, want a plain failure", err)
		}
		if err := suspended.Resume(); err != nil {
			t.Fatal(err)
		}
		observeUntil(t, c, "the member to answer again", allAnswer)
		if e := c.Evidence(t.Context(), memberID(real, 1)); !e.Known || e.Completed != 0 {
			t.Errorf("evidence %+v, want no defragmentation", e)
		}
	})
}
