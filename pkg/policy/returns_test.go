package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// An alarm that comes back as soon as it is disarmed is disarmed twice within
// ten seconds, and then after 1, 5, 30 and again 30 minutes.
func TestDisarmInVain(t *testing.T) {
	for _, watch := range []string{"watch 1", "watch 2"} {
		s := newStage(t)
		s.run("members 3 100/100 of 512; member 2 real 64; alarm 2;" + watch)
		for _, tt := range []struct {
			until time.Duration
			want  int
		}{
			{10 * time.Second, 2}, {time.Minute, 2}, {70 * time.Second, 3}, {6 * time.Minute, 3},
			{6*time.Minute + 10*time.Second, 4}, {36 * time.Minute, 4}, {36*time.Minute + 10*time.Second, 5},
		} {
			s.run(fmt.Sprintf("drive %s", begin.Add(tt.until).Sub(s.now)))
			if n := count(s.done, cluster.StepDisarm); n != tt.want {
				t.Fatalf("%s, after %s: disarmed %d times, want %d", watch, tt.until, n, tt.want)
			}
		}
		if n := count(s.done, cluster.StepDefragment); n > 0 {
			t.Errorf("%d defragmentations of files without free pages", n)
		}
	}
}

// Of several watchdogs each finds it out for itself, when it looks; then one
// goes on trying.
func TestSeveralDisarmInVain(t *testing.T) {
	s := newStage(t)
	s.run("members 3 100/100 of 512; member 2 real 64; alarm 2; watch 1 2 3; drive 20s")
	if n := count(s.done, cluster.StepDisarm); n < 2 || n > 2*3 {
		t.Errorf("disarmed %d times in 20 s by three watchdogs", n)
	}
	s.done = nil
	s.run("drive 40m")
	if n := count(s.done, cluster.StepDisarm); n < 1 || n > 4 {
		t.Errorf("disarmed %d times in the next 40 min", n)
	}
}

// Without a claim the watchdog whose tries fail goes behind the others, and at
// no moment would two of them go: neither by what they saw last, nor if all
// looked now.
func TestFailingTriesInTheFixedOrder(t *testing.T) {
	for _, sick := range []string{"member 1 sick", "member 2 sick", "member 1 sick; member 2 sick; member 3 sick", ""} {
		for _, offset := range []time.Duration{0, 400 * time.Millisecond, 2900 * time.Millisecond} {
			s := newStage(t)
			s.limits.MinPollInterval = 2 * time.Second
			s.run("watch 1 2 3; enrolled none; members 3 513/100 of 512; leader 3; alarm 1;" + sick)
			due := map[*watchdog]time.Time{}
			for i, w := range s.watchdogs {
				due[w] = begin.Add(time.Duration(i) * offset)
			}
			for s.now.Before(begin.Add(17 * time.Minute)) {
				for _, w := range s.watchdogs {
					if !s.now.Before(due[w]) {
						onlyOneGoes(t, s, w)
						due[w] = s.now.Add(s.limits.MinPollInterval)
					}
				}
				s.now = s.now.Add(100 * time.Millisecond)
			}
			for _, a := range s.actors {
				if !a.sick && a.SizeBytes != 100*mib {
					t.Fatalf("%s, %s apart: %s", sick, offset, s.summary())
				}
			}
			if (sick == "") != (len(s.alarms) == 0) {
				t.Errorf("%s, %s apart: %s", sick, offset, s.summary())
			}
		}
	}
}

// onlyOneGoes lets one watchdog look and act; if it would work on a member, no
// other one would.
func onlyOneGoes(t *testing.T, s *stage, w *watchdog) {
	t.Helper()
	if !s.look(w).Acts() {
		return
	}
	for _, other := range s.watchdogs {
		if !w.decision.Has(cluster.StepDefragment) || other == w {
			continue
		}
		before := other.decision
		asOfNow := *other
		s.look(&asOfNow)
		if before.Has(cluster.StepDefragment) && before.Acts() || asOfNow.decision.Has(cluster.StepDefragment) {
			t.Fatalf("+%s: the watchdogs of %s and %s both go: %s; then %s, now %s", s.now.Sub(begin), w.local, other.local,
				brief(w.decision), brief(before), brief(asOfNow.decision))
		}
	}
	s.act(w)
	s.look(w)
}
