package maintenance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func TestOrderOfTheFence(t *testing.T) {
	play(t, func(s *scene) {
		o := s.run(s.steps()...)
		s.expect(o, 4, nil, "compact", "move-leader", "defragment", "disarm")
		want := "check, check, compact, look, " + // the second check: right before the request leaves
			"check, check, move-leader, look, " +
			"check, evidence, check, defragment, look, " +
			"check, check, disarm"
		if got := s.story(); got != want {
			s.Errorf("did\n%s, want\n%s", got, want)
		}
		if got, want := s.recorded(), "compaction_started, compaction_completed, leader_moved, "+
			"defragmentation_started, defragmentation_completed, alarm_disarmed"; got != want {
			s.Errorf("recorded %s, want %s", got, want)
		}
	})
}

// looksBefore returns when the observations since the last step before that one
// began.
func (s *scene) looksBefore(step string) []time.Time {
	var looks []time.Time
	for _, d := range s.did {
		switch d.what {
		case "look":
			looks = append(looks, d.at)
		case step:
			return looks
		case "compact", "move-leader":
			looks = nil
		}
	}
	s.Fatalf("never did %s: %s", step, s.story())
	return nil
}

// The first step is sent on the observation that it was decided on; each further
// one that blocks a member on one of its own.
func TestObservationBeforeEachFurtherStep(t *testing.T) {
	play(t, func(s *scene) {
		s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		if n := len(s.looksBefore("defragment")); n != 0 {
			s.Errorf("%d observations before the first step", n)
		}
	})
	play(t, func(s *scene) {
		s.run(s.steps()[1:3]...)
		if n := len(s.looksBefore("defragment")); n == 0 {
			s.Error("no observation after the leadership has moved")
		}
	})
}

// fallBehind lets member 3 miss writes, and catch up after that time.
func (s *scene) fallBehind(catchesUp time.Duration) {
	s.Helper()
	s.etcd.Kill(3)
	for range 1100 {
		if err := s.etcd.Delete(s.Context(), 1, 1); err != nil {
			s.Fatal(err)
		}
	}
	s.etcd.Start(3, catchesUp)
}

func TestMemberHasToHaveCaughtUpInTwoObservations(t *testing.T) {
	play(t, func(s *scene) {
		s.fallBehind(3 * time.Second)
		caughtUp := time.Now().Add(3 * time.Second)
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 2, nil, "compact", "defragment")
		seen := 0
		for _, at := range s.looksBefore("defragment") {
			if !at.Before(caughtUp) {
				seen++
			}
		}
		if seen < 2 {
			s.Errorf("%d observations after the member had caught up, want two", seen)
		}
	})
}

func TestMemberThatStaysBehindKeepsTheNextStepFromBeingBegun(t *testing.T) {
	play(t, func(s *scene) {
		s.fallBehind(time.Hour)
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 1, o.Err, "compact")
		if o.Err == nil || !strings.Contains(o.Err.Error(), string(policy.MemberCatchingUp)) {
			s.Errorf("error %v, want one that says what it waited for", o.Err)
		}
	})
}

// A member that is being defragmented answers when that has ended, and the next
// one may be queued behind it: such an answer proves nothing.
func TestLookThatWasNotPromptDoesNotCount(t *testing.T) {
	play(t, func(s *scene) {
		s.on = func(d deed) {
			if d.what == "compact" {
				s.slow = 4 // one is looked at right after the step
			}
		}
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 2, nil, "compact", "defragment")
		if n := len(s.looksBefore("defragment")); n < 4 {
			s.Errorf("%d observations, want three slow ones and a prompt one", n)
		}
	})
	play(t, func(s *scene) {
		s.on = func(d deed) {
			switch d.what {
			case "compact":
				s.slow = 1 << 20
			}
		}
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 1, o.Err, "compact")
		if o.Err == nil {
			s.Error("no error")
		}
	})
}

func TestUnfit(t *testing.T) {
	tests := []struct {
		reason policy.Reason
		spoil  func(*scene)
	}{
		{policy.CorruptArmed, func(s *scene) { s.etcd.Raise(cluster.Alarm{Member: 3, Kind: cluster.AlarmCorrupt}) }},
		{policy.MemberUnreachable, func(s *scene) { s.etcd.Kill(3) }},
		{policy.MemberUnreachable, func(s *scene) { s.etcd.Suspend(2) }}, // the one to be worked on
		{policy.IdentityMismatch, func(s *scene) { s.etcd.Stray(1, 3, 1) }},
		{policy.NotQuorate, func(s *scene) {
			s.etcd.Kill(1)
			s.etcd.Kill(3)
			time.Sleep(2 * time.Second)
		}},
	}
	for _, tt := range tests {
		t.Run(string(tt.reason), func(t *testing.T) {
			play(t, func(s *scene) {
				s.after = func(d deed) {
					if d.what == "compact" {
						tt.spoil(s)
					}
				}
				o := s.run(s.compactAndDefragment(2)...)
				s.expect(o, 1, o.Err, "compact")
				if o.Err == nil || !strings.Contains(o.Err.Error(), string(tt.reason)) {
					s.Errorf("error %v, want %s", o.Err, tt.reason)
				}
			})
		})
	}
}

func TestLeadershipHasToBeSeenElsewhere(t *testing.T) {
	play(t, func(s *scene) {
		s.pretends = cluster.StepMoveLeader
		o := s.run(s.steps()...)
		s.expect(o, 2, o.Err, "compact", "move-leader")
		if o.Err == nil || !strings.Contains(o.Err.Error(), "still leads") {
			s.Errorf("error %v, recorded %s", o.Err, s.recorded())
		}
	})
}

// interruptions are the moments at which a piece of work can be told to end:
// before each deed, and right after each step.
func interruptions(t *testing.T) (moments int) {
	play(t, func(s *scene) {
		count := func(deed) { moments++ }
		s.on, s.after = count, count
		s.run(s.steps()...)
	})
	return moments
}

// interrupted is the whole work, told to end at one moment.
type interrupted struct {
	policy.Outcome
	at   string // before or right after what
	sent int    // steps that had been sent by then
}

func (s *scene) interruptedAt(k int, end func()) interrupted {
	var i interrupted
	moment := 0
	at := func(where string) func(deed) {
		return func(d deed) {
			if moment++; moment == k {
				i.at, i.sent = where+d.what, len(s.sent())
				end()
			}
		}
	}
	s.on, s.after = at("before "), at("after ")
	i.Outcome = s.run(s.steps()...)
	return i
}

func TestPermitLostAtAnyMomentEndsTheWork(t *testing.T) {
	for k := range interruptions(t) {
		play(t, func(s *scene) {
			i := s.interruptedAt(k+1, func() { s.lose(errLost) })
			if got := s.sent(); len(got) != i.sent {
				s.Errorf("the permit was lost %s, and then these steps were sent: %v", i.at, got[i.sent:])
			}
			if len(i.Done) < 4 && i.Err == nil {
				s.Errorf("the permit was lost %s; done %v and no error", i.at, i.Done)
			}
		})
	}
}

func TestStopEndsTheWorkBetweenTwoSteps(t *testing.T) {
	for k := range interruptions(t) {
		play(t, func(s *scene) {
			i := s.interruptedAt(k+1, s.stop)
			// Behind the question whether to stop lie two that nobody waits for.
			brink := i.at == "before check" || i.at == "before evidence"
			if got := s.sent(); len(got) > i.sent+1 || len(got) > i.sent && !brink {
				s.Errorf("asked to stop %s, and then these steps were sent: %v", i.at, got[i.sent:])
			}
			if i.Doubt != nil {
				s.Errorf("asked to stop %s: a step was abandoned: %v", i.at, i.Err)
			}
			if len(i.Done) < 4 && !errors.Is(i.Err, maintenance.ErrStopped) {
				s.Errorf("asked to stop %s: done %v, error %v; want %v", i.at, i.Done, i.Err, maintenance.ErrStopped)
			}
		})
	}
}

// The permit is asked once more when the step's connection stands: what took too
// long until then is not sent.
func TestPermitIsAskedRightBeforeTheRequestLeaves(t *testing.T) {
	play(t, func(s *scene) {
		s.on = func(d deed) {
			if d.what == "evidence" { // before the connection stands
				s.lose(errLost)
			}
		}
		o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		if h := s.etcd.History().Of(etcdtest.DefragmentBegin); len(h) > 0 || o.Err == nil || o.Doubt != nil {
			s.Errorf("error %v, doubt %v; begun: %v", o.Err, o.Doubt, h)
		}
	})
}
