package maintenance_test

import (
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func TestRehearsalTellsTheStepsOfARealRun(t *testing.T) {
	play(t, func(s *scene) {
		steps := s.steps()
		look := s.observer().Observe(s.Context(), time.Now())
		d := policy.Decision{Reason: policy.NospaceArmed, Member: 1, Steps: steps}
		r := maintenance.Rehearsal{Recorder: &s.journal}
		o := r.Run(s.work, s, d, policy.Memory{}, "job-1", look)
		if len(o.Done) != 0 || o.Err != nil || len(s.did) != 0 {
			s.Errorf("outcome %+v, did %s; want nothing done", o, s.story())
		}
		if h := s.etcd.History(); len(h) != 1 { // the alarm
			s.Errorf("a dry run touched the cluster:\n%s", h)
		}
		var told []string
		for _, e := range s.journal.Of(event.DryRunStep) {
			told = append(told, e.Step)
		}
		real := s.run(steps...)
		var done []string
		for _, step := range real.Done {
			done = append(done, step.String())
		}
		if !slices.Equal(told, done) || len(done) != len(s.sent()) {
			s.Errorf("told\n%q, done\n%q", told, done)
		}
	})
}

func TestRehearsalTellsTheSameStepsOnce(t *testing.T) {
	play(t, func(s *scene) {
		r := maintenance.Rehearsal{Recorder: &s.journal}
		rehearse := func(steps ...cluster.Step) int {
			before := len(s.journal.Events())
			r.Run(s.work, s, policy.Decision{Steps: steps}, policy.Memory{}, "job", cluster.View{})
			return len(s.journal.Events()) - before
		}
		first := s.steps()
		later := s.steps()
		later[0].Revision += 100
		for i, tt := range []struct {
			steps []cluster.Step
			told  int
		}{{first, 4}, {first, 0}, {later, 0}, {first[2:], 2}, {first, 4}} {
			if n := rehearse(tt.steps...); n != tt.told {
				s.Errorf("rehearsal %d: %d steps told, want %d", i+1, n, tt.told)
			}
		}
	})
}
