package watchdog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// The worlds of strangers: each was a dead end once. A row of the real suite
// (test/scenario) has the same name where it runs on real servers too.

// unlisted reports that no NOSPACE is listed.
func (s *stage) unlisted() bool { return len(s.etcd.View().Alarms) == 0 }

// while runs a disturbance until the stage does not need it any more.
func (s *stage) while(disturb func(over func() bool)) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		disturb(func() bool {
			select {
			case <-stop:
				return true
			default:
				return s.over.Load()
			}
		})
	}()
	return func() {
		close(stop)
		<-ended
	}
}

// firstStep is how long after the first alarm the first defragmentation began.
func (s *stage) firstStep() time.Duration {
	s.Helper()
	raised, begun := s.etcd.History().Of(etcdtest.AlarmRaised), s.etcd.History().Of(etcdtest.DefragmentBegin)
	if len(raised) == 0 || len(begun) == 0 {
		s.Fatal("nothing was begun")
	}
	return begun[0].At.Sub(raised[0].At)
}

// Row 1: a full cluster, and no watchdog has tickets.
func TestFirstContact(t *testing.T) {
	poll := 2 * time.Second // two polls under NOSPACE, and what a compaction takes
	for _, tt := range []struct {
		name  string
		begin func(*stage)
		most  time.Duration
	}{
		{"one daemon next to the leader", func(s *stage) { s.watch(1) }, 15*time.Second + poll},
		{"one daemon next to the first follower", func(s *stage) { s.watch(2) }, 45*time.Second + poll},
		{"one daemon next to the second follower", func(s *stage) { s.watch(3) }, 60*time.Second + poll},
		{"three daemons", func(s *stage) { s.watch(1, 2, 3) }, 15*time.Second + poll},
		{"two daemons next to the leader", func(s *stage) {
			s.watch(1)
			s.start(1, claim.NewEphemeralSession(), fatal{})
		}, 15*time.Second + poll},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, etcdtest.DefaultConfig(3), func(s *stage) {
				s.fill(1)
				tt.begin(s)
				s.until("healed", 3*time.Minute, s.unlisted)
				if first := s.firstStep(); first > tt.most {
					s.Errorf("the first step came after %s, want within %s", first, tt.most)
				}
				s.once()
			})
		})
	}
}

// Row 1: heal on a full cluster, on the host of a member, from elsewhere, and from
// elsewhere with --alone.
func TestHealAtFirstContact(t *testing.T) {
	for _, tt := range []struct {
		name         string
		apart, alone bool
		leader       cluster.MemberID
		healthy      bool
		most         time.Duration
	}{
		{"next to the leader", false, false, 1, true, 17 * time.Second},
		{"next to a follower", false, false, 2, true, 18 * time.Second},
		{"elsewhere", true, false, 1, false, 0},
		{"elsewhere, alone", true, true, 2, true, 3 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := etcdtest.DefaultConfig(3)
			config.Leader = tt.leader
			play(t, config, func(s *stage) {
				s.apart[1] = tt.apart
				s.limits.TakeAtOnce, s.limits.Alone = true, tt.alone
				s.fill(1)
				_, healthy, last := s.heal(5*time.Minute, false)
				if healthy != tt.healthy {
					s.Fatalf("healthy %t: %s", healthy, last.Detail)
				}
				if !healthy {
					if !strings.Contains(last.Detail, "not next to a member") || len(s.order()) > 0 {
						s.Errorf("%s; defragmented %v", last.Detail, s.order())
					}
					return
				}
				if first := s.firstStep(); first > tt.most {
					s.Errorf("the first step came after %s, want within %s", first, tt.most)
				}
				s.once()
			})
		})
	}
}

// Row 1: heal next to a running daemon leaves the work to it, and ends when the
// cluster is healed.
func TestHealFollowsTheDaemonOfItsHost(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.limits.TakeAtOnce = true
		s.fill(1)
		s.watch(1)
		time.Sleep(time.Second)
		p, healthy, last := s.heal(5*time.Minute, false)
		if !healthy {
			s.Errorf("%s: %s", last.Reason, last.Detail)
		}
		for _, what := range p.writes {
			if what == "defragment" || what == "move-leader" {
				s.Errorf("it wrote %v", p.writes)
				break
			}
		}
		s.once()
	})
}

// Row 2: one voter takes 1.6 s for each answer.
func TestSlowStatus(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.claim.Tickets = 16
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		end := s.while(func(over func() bool) {
			for !over() {
				s.etcd.Suspend(3)
				time.Sleep(1600 * time.Millisecond)
				s.etcd.Resume(3)
				time.Sleep(2 * time.Millisecond)
			}
		})
		s.fill(1)
		s.until("healed", 5*time.Minute, s.unlisted)
		end()
		if n := len(s.journal.of(event.ClaimTaken)); n > 3 {
			s.Errorf("%d tickets were used for three members", n)
		}
	})
}

// Row 3: a voter accepts connections and never answers.
func TestHungVoter(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Suspend(3)
		s.fill(1)
		s.until("healed without it", s.limits.UnreachableGrace+time.Minute, s.unlisted)
		if n := len(s.journal.of(event.ClaimTaken)); n > 2 {
			s.Errorf("%d tickets were used for two members", n)
		}
		s.etcd.Resume(3)
		s.until("healed with it", 5*time.Minute, func() bool { return s.unlisted() && s.etcd.History().Defragmentations()[3] > 0 || s.small(3) })
	})
}

// Row 3: a learner accepts connections and never answers. It costs nothing.
func TestHungLearner(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		learner := etcdtest.DefaultConfig(4).Members[3]
		learner.Learner = true
		s.etcd.Add(learner)
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Suspend(4)
		time.Sleep(time.Minute)
		s.fill(1)
		s.until("healed", 30*time.Second, s.unlisted)
		s.etcd.Resume(4)
	})
}

// small reports that a member's file is far below its quota.
func (s *stage) small(id cluster.MemberID) bool {
	m, _ := s.etcd.View().Member(id)
	return m.Usage() < 0.5
}

// Row 4: a member that is up for 5 s of each minute is left out like an absent one.
func TestFlappingMember(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.claim.Tickets = 16
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Slow(3, 20) // a defragmentation takes longer than it lives
		end := s.while(func(over func() bool) {
			for !over() {
				s.etcd.Kill(3)
				time.Sleep(55 * time.Second)
				if over() {
					return
				}
				s.etcd.Start(3, 0)
				s.etcd.Slow(3, 20)
				time.Sleep(5 * time.Second)
			}
		})
		s.fill(1)
		s.until("healed", 8*time.Minute, s.unlisted)
		end()
	})
}

// Row 5: the lowest enrolled watchdog cannot adopt, in each way; the next one does.
func TestAdoptersRotate(t *testing.T) {
	for name, spoil := range map[string]func(*stage){
		"paused": func(s *stage) {
			pause := watchdog.PauseFor(72*time.Hour, "")
			s.pausable(1, &pause)
		},
		"reaches another member": func(s *stage) {
			s.etcd.Stray(1, 3, 1)
			s.watch(1)
		},
		"fails each time": func(s *stage) {
			for range 1000 {
				s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, By: 1, Effect: etcdtest.Refuse})
			}
			s.watch(1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, etcdtest.DefaultConfig(3), func(s *stage) {
				spoil(s)
				s.watch(2)
				s.enrolled(2)
				s.fill(1)
				s.until("healed", 20*time.Minute, s.unlisted)
			})
		})
	}
}

// Row 6: a member is removed, and its watchdog keeps running with tickets.
func TestBookOfARemovedMember(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(3)
		s.enrolled(3)
		s.etcd.Remove(3)
		s.until("it gives its tickets up", 2*s.limits.AdoptAfter, func() bool { return s.tickets().whole == 0 })
		s.fill(1)
		s.watch(1, 2)
		s.until("healed", 2*time.Minute, s.unlisted)
	})
}

// Row 6: its watchdog has died, and its tickets are there still.
func TestBookOfARemovedMemberWhoseWatchdogDied(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.claim.TTL = time.Hour
		s.watch(3)
		s.enrolled(3)
		s.bury(s.running[3])
		s.etcd.Remove(3)
		s.fill(1)
		s.watch(1, 2)
		s.until("healed", 2*time.Minute, s.unlisted)
		if s.tickets().whole == 0 {
			s.Error("the tickets have gone: nothing was shown")
		}
	})
}

// Row 7: copies of tickets without a lease, whole and busy.
func TestCopiesOfTickets(t *testing.T) {
	for name, keys := range map[string][]string{
		"whole": {"0000000000000077/00/begin", "0000000000000077/00/end"},
		"busy":  {"0000000000000077/00/end"},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, etcdtest.DefaultConfig(3), func(s *stage) {
				var txn claim.Txn
				for _, key := range keys {
					txn.Put = append(txn.Put, claim.KeyValue{Key: s.claim.Prefix + "/claim/2/" + key, Value: `{"v":1,"host":"gone"}`})
				}
				if _, err := s.etcd.KV().Commit(s.Context(), txn); err != nil {
					s.Fatal(err)
				}
				s.watch(1, 2, 3)
				s.until("enrolled", time.Minute, func() bool { return s.tickets().whole >= 3*s.claim.Tickets })
				time.Sleep(s.claim.Settle + time.Second)
				s.fill(1)
				s.until("healed", time.Minute, s.unlisted)
				told := s.journal.of(event.ForeignTickets)
				if len(told) != 3 || !strings.Contains(told[0].Detail, "etcdctl del "+s.claim.Prefix+"/claim/2/") {
					s.Errorf("reported %v", told)
				}
			})
		})
	}
}

// Row 8: etcd's process dies at each defragmentation of member 2.
func TestProcessThatDiesOfIt(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.claim.Tickets = 16
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Slow(2, 10)
		end := s.while(func(over func() bool) {
			seen := 0
			for !over() {
				begun := 0
				for _, e := range s.etcd.History().Of(etcdtest.DefragmentBegin) {
					if e.Member == 2 {
						begun++
					}
				}
				if begun > seen {
					seen = begun
					s.etcd.Kill(2)
					time.Sleep(time.Second)
					s.etcd.Start(2, 0)
					s.etcd.Slow(2, 10)
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		s.fill(1)
		began := time.Now()
		s.until("the others are healed", 5*time.Minute, func() bool { return s.small(1) && s.small(3) })
		time.Sleep(time.Until(began.Add(150 * time.Second)))
		tries := 0
		for _, e := range s.etcd.History().Of(etcdtest.DefragmentBegin) {
			if e.Member == 2 {
				tries++
			}
		}
		if tries > 4 {
			s.Errorf("%d tries in 150 s, want 4 at most", tries)
		}
		failed := s.journal.of(event.DefragmentationFailed)
		if len(failed) == 0 || failed[0].Member != 2 {
			s.Errorf("reported %v", failed)
		}
		end()
	})
}

// Row 12: NOSPACE without a member id.
func TestAlarmWithoutAnID(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Raise(cluster.Alarm{Kind: cluster.AlarmNoSpace})
		s.until("disarmed", time.Minute, s.unlisted)
		if o := s.order(); len(o) > 0 {
			s.Errorf("defragmented %v", o)
		}
	})
}

// Row 16: a compaction takes five times compact-timeout.
func TestCompactionThatOutlastsItsTimeOut(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	config.CompactTimeout = 20 * time.Second
	config.CompactBytesPerSecond = 448 * mib / 100 // of the history: 100 s
	play(t, config, func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		s.until("healed", 4*time.Minute, s.unlisted)
		ended := s.etcd.History().Of(etcdtest.CompactEnd)[0].At
		if first := s.etcd.History().Of(etcdtest.DefragmentBegin)[0].At.Sub(ended); first > time.Minute {
			s.Errorf("the first defragmentation came %s after the end of the compaction", first)
		}
		if n := len(s.journal.of(event.CompactionFailed)); n > 0 {
			s.Errorf("%d failures of a compaction that took long", n)
		}
		if n := len(s.journal.of(event.CompactionLong)); n == 0 || n > 3 {
			s.Errorf("%d warnings, want one of each watchdog", n)
		}
	})
}

// Row 18: another tool disarms while a voter is away and clients go on writing.
func TestAnotherToolDisarms(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Kill(3)
		s.fill(1)
		for range 4 {
			time.Sleep(20 * time.Second)
			for _, a := range s.etcd.View().Alarms {
				s.etcd.Disarm(a)
			}
			for range 4 {
				_ = s.etcd.Overwrite(s.Context(), 1, mib) // refused again soon
			}
		}
		s.until("healed", 10*time.Minute, s.unlisted)
		for id, n := range s.etcd.History().Defragmentations() {
			if n > 1 {
				s.Errorf("member %s was defragmented %d times", id, n)
			}
		}
		if n := len(s.journal.of(event.DisarmRepeated)); n > 0 {
			s.Errorf("%d times another tool's disarm was called too early", n)
		}
	})
}

// Row 19: a defragmentation by hand takes eight minutes, with any request-timeout.
func TestBlockedMemberIsNeverExcused(t *testing.T) {
	for _, timeout := range []time.Duration{5 * time.Second, time.Second, 500 * time.Millisecond} {
		t.Run(timeout.String(), func(t *testing.T) {
			config := etcdtest.DefaultConfig(3)
			config.RequestTimeout = timeout
			play(t, config, func(s *stage) {
				s.watch(1, 2, 3)
				s.enrolled(1, 2, 3)
				s.etcd.Slow(3, 90)
				s.fill(1)
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					_ = s.etcd.Operator(0).Do(context.Background(), cluster.Step{Kind: cluster.StepDefragment, Member: 3})
				}()
				time.Sleep(time.Second)
				s.etcd.Slow(3, 1)
				<-ended
				if o := s.etcd.History().Defragmentations(); len(s.order()) > 1 && s.etcd.History().MaxConcurrentDefragmentations() > 1 {
					s.Errorf("two at once: %v", o)
				}
				s.until("healed", 3*time.Minute, s.unlisted)
			})
		})
	}
}

// Row 20: a ticket of before the restart is busy, and another member answers at one
// voter's URL. Compaction goes on, and the doubt is settled as absence is.
func TestDoubtAboutAMemberThatAnotherOneAnswersFor(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	slowly(&config)
	play(t, config, func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		s.begun(2)
		s.bury(s.running[2])
		s.etcd.Stray(2, 3, 1)
		s.watch(2)
		s.until("settled", s.limits.UnreachableGrace+2*time.Minute, func() bool { return s.tickets().busy == 0 })
	})
}

// Row 21: a book that lacks tickets at a restart is filled up.
func TestBookIsFilledUpAfterARestart(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Slow(3, 60)
		s.fill(1)
		s.until("2 has given a ticket back", time.Minute, func() bool {
			return s.etcd.History().Defragmentations()[2] > 0 && s.tickets().busy == 0 || s.unlisted()
		})
		s.bury(s.running[2])
		s.watch(2)
		s.until("healed", 10*time.Minute, s.unlisted)
		s.until("filled up", 2*time.Minute, func() bool { return s.tickets().whole == 3*s.claim.Tickets })
	})
}

// Row 25: a member that was added and never started.
func TestMemberThatNeverStarted(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		added := etcdtest.DefaultConfig(4).Members[3]
		s.etcd.Add(added)
		s.etcd.Kill(4)
		s.fill(1)
		s.until("healed without it", s.limits.UnreachableGrace+time.Minute, s.unlisted)
		said := false
		for _, e := range s.journal.of(event.Polled) {
			said = said || strings.Contains(e.Detail, "does not answer")
		}
		if !said {
			s.Error("no poll says what it waits for")
		}
	})
}

// Row 26: the last ticket is used under NOSPACE.
func TestLastTicketIsReported(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.claim.Tickets = 1
		s.watch(2)
		s.enrolled(2)
		s.fill(1)
		s.until("healed", 3*time.Minute, s.unlisted)
		if n := len(s.journal.of(event.LastTicket)); n != 1 {
			s.Errorf("reported %d times", n)
		}
		if n := len(s.journal.of(event.WithoutClaim)); n == 0 {
			s.Error("the leader's term was not used for the rest")
		}
	})
}

// Row 27: while a doubt lasts, the metrics of the doubted member alone are read, and
// not at each poll.
func TestMetricsDuringADoubt(t *testing.T) {
	config := etcdtest.DefaultConfig(3)
	slowly(&config)
	play(t, config, func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.etcd.Slow(2, 100) // of 6.4 s
		s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, By: 2, Effect: etcdtest.LoseReply})
		s.fill(1)
		s.until("in doubt", 30*time.Minute, func() bool { return len(s.journal.of(event.DefragmentationUnknown)) > 0 })
		asked, from := s.running[2].evidence, time.Now()
		time.Sleep(5 * time.Minute)
		for id, n := range s.running[2].evidence {
			n -= asked[id]
			if most := int(time.Since(from)/(3*time.Second)) + 1; id == 2 && n > most || id != 2 && n > 0 {
				s.Errorf("the metrics of member %s were read %d times in 5 min", id, n)
			}
		}
	})
}

// Row 28: all hosts are suspended for longer than claim.ttl while the cluster fills.
func TestHostsSuspendedBeyondTheTTL(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		s.etcd.KV().Expire() // what a suspension of all watchdogs leaves behind
		s.until("healed", time.Minute, s.unlisted)
		s.once()
	})
}

// Adopters that all fail at once give their tickets up in the end, and what is left
// is the leader's term: there is no dead end.
func TestTicketsOfWatchdogsThatGetNowhere(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.etcd.Stray(2, 3, 1) // watchdog 2 has the tickets and sees member 3 nowhere
		s.watch(2)
		s.enrolled(2)
		s.fill(1)
		s.watch(1, 3)
		s.until("healed", 20*time.Minute, s.unlisted)
		if n := len(s.journal.of(event.TicketsGivenUp)); n == 0 {
			s.Log(fmt.Sprint(s.journal.of(event.TicketsGivenUp)))
		}
	})
}
