package policy_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// An alarm that comes back as soon as it is disarmed is disarmed again after 1, 5,
// 30 and again 30 minutes.
func TestDisarmInVain(t *testing.T) {
	for _, watch := range []string{"watch 1", "watch 2"} {
		s := newStage(t)
		s.run("members 3 100/100 of 512; member 2 real 64; alarm 2;" + watch)
		for _, tt := range []struct {
			until time.Duration
			want  int
		}{
			{10 * time.Second, 1}, {time.Minute, 1}, {70 * time.Second, 2}, {6 * time.Minute, 2},
			{6*time.Minute + 20*time.Second, 3}, {36 * time.Minute, 3}, {36*time.Minute + 30*time.Second, 4},
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

// Of several watchdogs each finds it out for itself, and keeps trying at its own
// times.
func TestSeveralDisarmInVain(t *testing.T) {
	s := newStage(t)
	s.run("members 3 100/100 of 512; member 2 real 64; alarm 2; watch 1 2 3; drive 20s")
	if n := count(s.done, cluster.StepDisarm); n < 1 || n > 3 {
		t.Errorf("disarmed %d times in 20 s by three watchdogs", n)
	}
	s.done = nil
	s.run("drive 40m")
	if n := count(s.done, cluster.StepDisarm); n < 3 || n > 12 {
		t.Errorf("disarmed %d times in the next 40 min", n)
	}
}
