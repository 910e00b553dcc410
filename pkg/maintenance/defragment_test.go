package maintenance_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// compactAndDefragment is the work on a member that does not lead.
func (s *scene) compactAndDefragment(id cluster.MemberID) []cluster.Step {
	return []cluster.Step{
		{Kind: cluster.StepCompact, Member: id, Revision: s.etcd.View().Revision()},
		{Kind: cluster.StepDefragment, Member: id},
	}
}

func TestDefragmentationDone(t *testing.T) {
	play(t, func(s *scene) {
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 2, nil, "compact", "defragment")
		m, _ := o.View.Member(2)
		if o.Doubt != nil || o.Before != 512*mib || m.SizeBytes != 64*mib || o.Took < 640*time.Millisecond {
			s.Errorf("doubt %v, before %d, after %d, took %s", o.Doubt, o.Before, m.SizeBytes, o.Took)
		}
		begin, end := s.one(event.DefragmentationStarted), s.one(event.DefragmentationCompleted)
		if begin.Job != "job-1" || end.Job != begin.Job || end.Member != begin.Member ||
			begin.SizeBytes != 512*mib || end.BeforeBytes != begin.SizeBytes || end.SizeBytes != 64*mib || end.Took != o.Took {
			s.Errorf("begin %+v\nend %+v", begin, end)
		}
	})
}

func TestDefragmentationFailed(t *testing.T) {
	play(t, func(s *scene) {
		s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, Effect: etcdtest.Refuse})
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 1, o.Err, "compact", "defragment")
		if o.Err == nil || o.Doubt != nil || errors.Is(o.Err, cluster.ErrOutcomeUnknown) {
			s.Errorf("error %v, doubt %v; want a failure without a doubt", o.Err, o.Doubt)
		}
		if e := s.one(event.DefragmentationFailed); e.SizeBytes != 512*mib || e.Error == "" {
			s.Errorf("%+v", e)
		}
	})
}

func TestDefragmentationUnknown(t *testing.T) {
	for name, effect := range map[string]etcdtest.Effect{"reply lost": etcdtest.LoseReply, "lands later": etcdtest.Delay} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				if o := s.run(s.compactAndDefragment(2)...); o.Err != nil {
					s.Fatal(o.Err)
				}
				s.did = nil
				s.etcd.Inject(etcdtest.Fault{Kind: cluster.StepDefragment, Effect: effect, For: time.Minute})
				o := s.run(append(s.compactAndDefragment(2), s.steps()[3])...)
				s.expect(o, 1, cluster.ErrOutcomeUnknown, "compact", "defragment")
				if o.Doubt == nil {
					s.Fatalf("no doubt, although: %v", o.Err)
				}
				d := *o.Doubt
				if d.Member != 2 || d.Job != "job-1" || d.Cause == "" || !d.Closed.Equal(time.Now()) || !d.Before.Known || d.Before.Completed != 1 {
					s.Errorf("doubt %+v, want one with the evidence from before it was sent", d)
				}
				time.Sleep(2 * time.Minute)
				if now := s.etcd.Operator(1).Evidence(s.Context(), 2); now.Completed <= d.Before.Completed {
					s.Errorf("evidence %+v does not settle it", now)
				}
				if len(s.journal.Of(event.DefragmentationFailed)) != 0 || len(s.journal.Of(event.DefragmentationCompleted)) != 1 {
					s.Errorf("unknown is neither failed nor completed: %s", s.recorded())
				}
			})
		})
	}
}

func TestPermitLostDuringADefragmentationLeavesADoubt(t *testing.T) {
	play(t, func(s *scene) {
		time.AfterFunc(time.Second, func() { s.lose(errLost) })
		s.etcd.Slow(2, 10)
		o := s.run(append(s.compactAndDefragment(2), s.steps()[3])...)
		s.expect(o, 1, errLost, "compact", "defragment")
		if o.Doubt == nil || !o.Doubt.Closed.Equal(time.Now()) {
			s.Errorf("doubt %+v, want one whose connection was closed just now; %v", o.Doubt, o.Err)
		}
	})
}

func TestLongDefragmentationIsReportedTwiceAtMost(t *testing.T) {
	for expected, reported := range map[time.Duration]time.Duration{
		time.Second:      5 * time.Second, // what is over sooner is never long
		10 * time.Second: 30 * time.Second,
	} {
		play(t, func(s *scene) { s.long(expected, reported) })
	}
	play(t, func(s *scene) {
		s.run(s.compactAndDefragment(2)...)
		if n := len(s.journal.Of(event.DefragmentationLong)); n > 0 {
			s.Errorf("%d reports of one that was quick", n)
		}
	})
}

// long is a defragmentation of 192 s; it is reported, and again after a minute.
func (s *scene) long(expected, reported time.Duration) {
	s.Helper()
	s.expected, s.options.DefragmentTimeout = expected, time.Minute
	s.etcd.Slow(2, 300)
	o := s.run(s.compactAndDefragment(2)...)
	s.expect(o, 2, nil, "compact", "defragment")
	long := s.journal.Of(event.DefragmentationLong)
	if len(long) != 2 || long[0].Took != reported || long[1].Took != time.Minute {
		s.Fatalf("%+v, want one after %s and one at the end of patience", long, reported)
	}
	if long[0].Job != "job-1" || long[0].Expected != expected || long[0].SizeBytes != 512*mib {
		s.Errorf("%+v", long[0])
	}
}

// aliveFor defragments member 2 beside a watch over what Alive is told, and
// returns for how long the work was in time; the permit is lost when it is not
// any more, or after an hour.
func (s *scene) aliveFor() (inTime time.Duration, o policy.Outcome) {
	begin := time.Now()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		o = s.run(s.compactAndDefragment(2)...)
	}()
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	for {
		select {
		case <-ended:
			return time.Since(begin), o
		case <-watch.C:
		}
		synctest.Wait()
		if s.until.Before(time.Now()) || time.Since(begin) > time.Hour {
			inTime = time.Since(begin)
			s.lose(errLost)
			<-ended
			return inTime, o
		}
	}
}

// defragment-timeout says when to report, and not when to give up: while the
// member is seen to be at it, the work is in time.
func TestDefragmentationIsNeverAbandonedWhileTheMemberIsAtIt(t *testing.T) {
	play(t, func(s *scene) {
		s.options.DefragmentTimeout = time.Minute
		s.etcd.Slow(2, 2000) // 21 min
		_, o := s.aliveFor()
		s.expect(o, 2, nil, "compact", "defragment")
		if o.Took < 20*time.Minute || o.Doubt != nil {
			s.Errorf("took %s, doubt %v", o.Took, o.Doubt)
		}
		if n := len(s.journal.Of(event.DefragmentationLong)); n != 2 {
			s.Errorf("reported %d times, want twice", n)
		}
	})
}

// A reading of the metrics that fails now and then is no reason to give up.
func TestMetricsThatFailOnceDoNotEndADefragmentation(t *testing.T) {
	play(t, func(s *scene) {
		s.options.DefragmentTimeout = time.Minute
		s.etcd.Slow(2, 2000)
		s.on = func(d deed) {
			if d.what == "evidence" {
				s.blind = !s.blind
			}
		}
		_, o := s.aliveFor()
		s.expect(o, 2, nil, "compact", "defragment")
	})
}

func TestDefragmentationHasItsEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*scene)
		inTime  time.Duration // patience is a minute
	}{
		"the call does not return, the member is done": {func(s *scene) { s.hangs = cluster.StepDefragment }, time.Minute},
		"no metrics can be read":                       {func(s *scene) { s.blind = true; s.etcd.Slow(2, 2000) }, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.options.DefragmentTimeout = time.Minute
				tc.prepare(s)
				inTime, _ := s.aliveFor()
				if inTime < tc.inTime || inTime > tc.inTime+time.Minute {
					s.Errorf("counted as in time for %s, want %s and a little", inTime, tc.inTime)
				}
			})
		})
	}
}

func TestStopWaitsForARunningDefragmentation(t *testing.T) {
	play(t, func(s *scene) {
		s.etcd.Slow(1, 10)
		s.on = func(d deed) {
			if d.what == "defragment" {
				time.AfterFunc(time.Second, s.stop)
			}
		}
		o := s.run(s.steps()...)
		s.expect(o, 3, maintenance.ErrStopped, "compact", "move-leader", "defragment")
		if h := s.etcd.History(); len(h.Of(etcdtest.DefragmentEnd)) != 1 || o.Took < 6*time.Second {
			s.Errorf("took %s:\n%s", o.Took, h)
		}
		s.one(event.DefragmentationCompleted)
	})
}

// A defragmentation that succeeded is done, whenever its member answers again.
func TestMemberThatIsSlowToComeBackHasBeenDefragmented(t *testing.T) {
	play(t, func(s *scene) {
		s.after = func(d deed) {
			if d.what == "defragment" {
				s.etcd.Suspend(2)
			}
		}
		o := s.run(s.compactAndDefragment(2)...)
		s.expect(o, 2, nil, "compact", "defragment")
		s.one(event.DefragmentationCompleted)
		s.etcd.Resume(2)
	})
}
