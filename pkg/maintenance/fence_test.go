package maintenance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func TestOrderOfTheFence(t *testing.T) {
	play(t, func(s *scene) {
		o := s.run(s.steps()...)
		s.expect(o, 4, nil, "compact", "move-leader", "defragment", "disarm")
		want := "check, compact, look, " +
			"look, check, move-leader, look, " +
			"look, check, evidence, check, defragment, look, " +
			"check, disarm"
		want = strings.ReplaceAll(want, "look, look", "look") // the look that verifies a step is one of the next
		if got := s.story(); got != want {
			s.Errorf("did\n%s, want\n%s", got, want)
		}
		if got, want := s.recorded(), "compaction_started, compaction_completed, leader_moved, "+
			"defragmentation_started, defragmentation_completed, alarm_disarmed"; got != want {
			s.Errorf("recorded %s, want %s", got, want)
		}
	})
}

// looksBefore returns when the looks since the last step before that one began.
func (s *scene) looksBefore(step string) []time.Time {
	var looks []time.Time
	for _, d := range s.did {
		switch d.what {
		case "look":
			looks = append(looks, d.at)
		case step:
			return looks
		}
	}
	s.Fatalf("never did %s: %s", step, s.story())
	return nil
}

func TestTwoLooksBeforeWhatHurts(t *testing.T) {
	for _, step := range []cluster.Step{
		{Kind: cluster.StepDefragment, Member: 2},
		{Kind: cluster.StepMoveLeader, Member: 1, To: 2},
	} {
		t.Run(step.Kind.String(), func(t *testing.T) {
			play(t, func(s *scene) {
				begin := time.Now() // of the look that led to the decision
				s.run(step)
				looks := s.looksBefore(step.Kind.String())
				if n := len(looks); n == 0 || looks[n-1].Sub(begin) < policy.LooksApart {
					s.Errorf("looked at %v, and before at %v; want two looks, %s apart", looks, begin, policy.LooksApart)
				}
			})
		})
	}
}

func TestMemberHasToHaveCaughtUpInBothLooks(t *testing.T) {
	play(t, func(s *scene) {
		s.etcd.Kill(3)
		for range 1100 {
			if err := s.etcd.Delete(s.Context(), 1, 1); err != nil {
				s.Fatal(err)
			}
		}
		s.etcd.Start(3, 3*time.Second)
		caughtUp := time.Now().Add(3 * time.Second)
		o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		s.expect(o, 1, nil, "defragment")
		first := 0
		for _, at := range s.looksBefore("defragment") {
			if !at.Before(caughtUp) {
				first++
			}
		}
		if first < 2 {
			s.Errorf("%d looks after the member had caught up, want two", first)
		}
	})
}

func TestMemberThatStaysBehindKeepsWorkFromBeingBegun(t *testing.T) {
	play(t, func(s *scene) {
		s.etcd.Kill(3)
		for range 1100 {
			if err := s.etcd.Delete(s.Context(), 1, 1); err != nil {
				s.Fatal(err)
			}
		}
		s.etcd.Start(3, time.Hour)
		o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		s.expect(o, 0, o.Err)
		if o.Err == nil || !strings.Contains(o.Err.Error(), "next poll") {
			s.Errorf("error %v, want one that says what comes next", o.Err)
		}
	})
}

// A member that is being defragmented answers when that has ended, and the next
// one may be queued behind it: such an answer proves nothing.
func TestLookThatWasNotPromptDoesNotCount(t *testing.T) {
	play(t, func(s *scene) {
		s.slow = 3
		o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		s.expect(o, 1, nil, "defragment")
		if n := len(s.looksBefore("defragment")); n != 4 {
			s.Errorf("%d looks, want three slow ones and a prompt one", n)
		}
	})
	play(t, func(s *scene) {
		s.slow = 1000
		o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
		s.expect(o, 0, o.Err)
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
		for _, late := range []bool{false, true} {
			name := string(tt.reason)
			if late {
				name += " at the second look"
			}
			t.Run(name, func(t *testing.T) {
				play(t, func(s *scene) {
					looks := 0
					s.on = func(d deed) {
						if d.what == "look" {
							looks++
						}
						if d.what == "look" && (looks == 1 && !late || looks == 2 && late) {
							tt.spoil(s)
						}
					}
					if late {
						s.slow = 1 // so that there is a second look
					}
					o := s.run(cluster.Step{Kind: cluster.StepDefragment, Member: 2})
					s.expect(o, 0, o.Err)
					if o.Err == nil || !strings.Contains(o.Err.Error(), string(tt.reason)) {
						s.Errorf("error %v, want %s", o.Err, tt.reason)
					}
				})
			})
		}
	}
}

func TestLeadershipHasToBeSeenElsewhere(t *testing.T) {
	play(t, func(s *scene) {
		s.pretends = cluster.StepMoveLeader
		o := s.run(s.steps()...)
		s.expect(o, 1, o.Err, "compact", "move-leader")
		if o.Err == nil || !strings.Contains(s.one(event.LeaderMoveFailed).Error, "still 1") {
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

// Without a claim, others begin when a turn is over: a compaction that took longer
// than that is followed by nothing that blocks a member.
func TestTurnThatIsOver(t *testing.T) {
	for _, tt := range []struct {
		name string
		last time.Duration // of the turn
		done int
		sent []string
	}{
		{"over after the compaction", 4 * time.Second, 1, []string{"compact"}},
		{"lasts", 20 * time.Second, 2, []string{"compact", "defragment"}},
		{"no turn", 0, 2, []string{"compact", "defragment"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(s *scene) {
				if tt.last > 0 {
					s.turnEnds = time.Now().Add(tt.last)
				}
				s.on = func(d deed) {
					if d.what == "compact" {
						time.Sleep(5 * time.Second) // so long it takes
					}
				}
				o := s.run(s.compactAndDefragment(2)...)
				s.expect(o, tt.done, o.Err, tt.sent...)
				if over := o.Err != nil; over != (tt.done == 1) || over && (o.StepFailed || !strings.Contains(o.Err.Error(), "turn")) {
					t.Errorf("error %v, counted as a failure: %t", o.Err, o.StepFailed)
				}
			})
		})
	}
}
