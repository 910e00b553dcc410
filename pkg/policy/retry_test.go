package policy_test

import (
	"errors"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// A step that etcd fails is not repeated at each poll: the pauses grow, and a
// success ends them.
func TestFailedStepIsNotRepeatedAtEachPoll(t *testing.T) {
	for name, script := range map[string]string{
		"voluntary":  "watch 2; members 3 100/100 of 512; member 2 500/100",
		"NOSPACE":    "watch 2; members 3 513/100 of 512; alarm 1; limit only 2; compacted",
		"compaction": "watch 2; members 3 100/100 of 512; member 2 400/400",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run(script)
			w, tries := s.watchdogs[0], 0
			for end := s.now.Add(time.Hour); s.now.Before(end); s.now = s.now.Add(500 * time.Millisecond) {
				d := s.look(w)
				if !d.Acts() {
					continue
				}
				tries++
				w.memory = w.memory.WithOutcome(s.limits, policy.Outcome{
					At: s.now, Decision: d, View: s.view(w), Err: errors.New("disk full"),
				})
			}
			if tries < 5 || tries > 10 {
				t.Errorf("%d tries in an hour, want one, then after 5 s, 30 s, 2 min and each 10 min", tries)
			}
			d := s.look(w)
			for !d.Acts() {
				s.now = s.now.Add(time.Second)
				d = s.look(w)
			}
			s.act(w)
			for i := range w.memory.Members {
				if mm := w.memory.Members[i]; mm.Failures != 0 || !mm.FailedAt.IsZero() {
					t.Errorf("after a success %d failures are remembered of member %s", mm.Failures, mm.ID)
				}
			}
		})
	}
}
