package etcdtest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

func TestFaultsHitTheNextFittingStepOnce(t *testing.T) {
	tests := []struct {
		name    string
		fault   Fault
		unknown bool // else refused
		done    int  // compactions there are in the end, the second try included
	}{
		{"refused", Fault{Kind: cluster.StepDefragment, Effect: Refuse}, false, 1},
		{"reply lost", Fault{Kind: cluster.StepDefragment, Effect: LoseReply}, true, 2},
		{"landing later", Fault{Kind: cluster.StepDefragment, Effect: Delay, For: time.Minute}, true, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(DefaultConfig(3))
				c.Inject(tt.fault)
				do(t, c, compactNow(c, 2)) // of another kind: not hit
				err := c.Operator(1).Do(t.Context(), defragment(2))
				if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) != tt.unknown {
					t.Errorf("error %v, unknown wanted: %t", err, tt.unknown)
				}
				do(t, c, defragment(2))
				time.Sleep(2 * time.Minute)
				if n := c.History().Defragmentations()[2]; n != tt.done {
					t.Errorf("%d defragmentations, want %d:\n%s", n, tt.done, c.History())
				}
			})
		})
	}
}

func TestLostReplyOfEveryOtherKindHasHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Raise(noSpace(3))
		steps := []cluster.Step{compactNow(c, 1), {Kind: cluster.StepMoveLeader, Member: 1, To: 2}, disarm(3)}
		for _, step := range steps {
			c.Inject(Fault{Kind: step.Kind, Effect: LoseReply})
			if err := c.Operator(1).Do(t.Context(), step); !errors.Is(err, cluster.ErrOutcomeUnknown) {
				t.Errorf("%s: %v, want an unknown outcome", step, err)
			}
		}
		if n := len(c.History().Of(CompactBegin, LeaderMoved, Disarmed)); n != 3 {
			t.Errorf("%d effects, want 3:\n%s", n, c.History())
		}
	})
}

func TestKilledMemberForgetsItsCountersAndItsDefragmentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		do(t, c, defragment(2))
		if err := c.Overwrite(t.Context(), 1, 64*mebibyte); err != nil {
			t.Fatal(err)
		}
		before := c.Operator(1).Evidence(t.Context(), 2)
		result := make(chan error, 1)
		go func() { result <- c.Operator(1).Do(context.Background(), defragment(2)) }()
		synctest.Wait()
		c.Kill(2)
		if err := <-result; !errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("error %v, want an unknown outcome", err)
		}
		if m := observe(t, c, 2); m.Contact != cluster.Silent {
			t.Errorf("contact %d, want silence", m.Contact)
		}
		if e := c.Operator(1).Evidence(t.Context(), 2); e.Known {
			t.Errorf("evidence %+v from a dead process", e)
		}
		time.Sleep(time.Minute)
		c.Start(2, 0)
		after := c.Operator(1).Evidence(t.Context(), 2)
		if after.Completed != 0 || after.InFlight || after.ProcessStart <= before.ProcessStart {
			t.Errorf("evidence %+v after %+v, want a process that begins anew", after, before)
		}
		if h := c.History(); h.Defragmentations()[2] != 1 || len(h.Of(DefragmentAborted)) != 1 {
			t.Errorf("want one ended and one aborted:\n%s", h)
		}
	})
}

func TestRestartEndsWhateverTheMemberWasAbout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		for range 2 {
			go func() { _ = c.Operator(0).Do(context.Background(), defragment(2)) }()
		}
		synctest.Wait()
		c.Kill(2)
		c.Start(2, 0) // at once: what the dead process had begun would end later
		time.Sleep(time.Minute)
		if n := c.History().Defragmentations()[2]; n != 0 {
			t.Errorf("%d defragmentations ended, want none:\n%s", n, c.History())
		}
		do(t, c, defragment(2))
	})
}

func TestRequestToASuspendedMemberLandsWhenItIsResumed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Suspend(2)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Operator(0).Do(ctx, defragment(2)); !errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("error %v, want an unknown outcome", err)
		}
		if m := observe(t, c, 2); m.Contact != cluster.Silent {
			t.Errorf("contact %d, want silence", m.Contact)
		}
		if e := c.Operator(1).Evidence(t.Context(), 2); e.Known {
			t.Errorf("evidence %+v from a suspended process", e)
		}
		c.Resume(2)
		time.Sleep(time.Minute)
		if n := c.History().Defragmentations()[2]; n != 1 {
			t.Errorf("%d defragmentations, want the one that had been sent", n)
		}
	})
}

func TestStrayedRouteIsSeenAndNothingGoesThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		c.Stray(1, 3, 1)
		if m := observe(t, c, 3); m.Contact != cluster.Mismatched || m.SizeBytes != 0 {
			t.Errorf("member %+v, want a mismatch and no figures", m)
		}
		if m, _ := c.Observer(2).Observe(t.Context(), time.Now()).Member(3); m.Contact != cluster.Answered {
			t.Error("another watchdog does not reach the member either")
		}
		err := c.Operator(1).Do(t.Context(), defragment(3))
		if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
			t.Errorf("error %v, want a refusal", err)
		}
		if n := len(c.History().Of(DefragmentBegin)); n != 0 {
			t.Errorf("%d defragmentations", n)
		}
		c.Stray(1, 3, 0)
		do(t, c, defragment(3))
	})
}

func TestObserverKeepsTheLastMemberList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(DefaultConfig(3))
		o, late := c.Observer(1), c.Observer(1)
		o.Observe(t.Context(), time.Now())
		for _, id := range []cluster.MemberID{1, 2, 3} {
			c.Kill(id)
		}
		v := o.Observe(t.Context(), time.Now())
		if len(v.Members) != 3 || v.Leader() != 0 || v.Local != 1 || v.ClusterID == 0 {
			t.Errorf("view %+v, want three silent members of a known cluster", v)
		}
		if v := late.Observe(t.Context(), time.Now()); v.Problem == "" || len(v.Members) != 0 || v.Local != 0 {
			t.Errorf("view %+v, want a problem", v)
		}
	})
}

func TestVerdictsOnAHistory(t *testing.T) {
	two := History{{Kind: DefragmentBegin, By: 1, Member: 1}, {Kind: DefragmentBegin, By: 2, Member: 2}, {Kind: DefragmentEnd, Member: 1}}
	if n := two.MaxConcurrentDefragmentations(); n != 2 {
		t.Errorf("%d at once, want 2", n)
	}
	corrupt := History{
		{Kind: AlarmRaised, Member: 1, Alarm: cluster.AlarmCorrupt},
		{Kind: DefragmentBegin, By: 0, Member: 1}, // by a person
		{Kind: Disarmed, Member: 1, Alarm: cluster.AlarmCorrupt},
		{Kind: DefragmentBegin, By: 1, Member: 1},
	}
	if err := corrupt.NothingTouchedWhileCorrupt(); err != nil {
		t.Error(err)
	}
	if err := append(corrupt[:1:1], corrupt[3]).NothingTouchedWhileCorrupt(); err == nil {
		t.Error("a defragmentation under CORRUPT passed")
	}
	if err := (History{{Kind: Disarmed, By: 1, Member: 1, Alarm: cluster.AlarmCorrupt}}).OnlyNoSpaceDisarmed(); err == nil {
		t.Error("disarming CORRUPT passed")
	}
	if err := (History{{Kind: Disarmed, By: 1, Member: 1, Alarm: cluster.AlarmNoSpace}}).NeverAskedOf(1); err != nil {
		t.Error(err)
	}
}
