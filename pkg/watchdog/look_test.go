package watchdog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// noting keeps the first step that is sent.
type noting struct {
	maintenance.Operator
	first *[]cluster.Step
}

func (n noting) Do(ctx context.Context, step cluster.Step, ready ...func() error) error {
	if *n.first == nil {
		*n.first = []cluster.Step{step}
	}
	return n.Operator.Do(ctx, step, ready...)
}

// announced is what a look from member 1 announces: this host's decision, and the
// prospect of its member.
func (s *stage) announced() (policy.Decision, policy.Prospect) {
	p, dog := s.prepare(1, claim.NewEphemeralSession())
	defer close(p.ended)
	dog.Passive = true
	k := dog.Look(context.Background())
	if len(p.writes) > 0 {
		s.Errorf("a look wrote %v", p.writes)
	}
	prospects := policy.Explain(s.limits, k.View.At, k.View, k.Memory)
	i := slices.IndexFunc(prospects, func(p policy.Prospect) bool { return p.Member == 1 })
	return k.Decision, prospects[i]
}

// rehearsed is what a dry run tells.
func (s *stage) rehearsed() []string {
	before := len(s.journal.of(event.DryRunStep))
	s.heal(patience, true)
	var told []string
	for _, e := range s.journal.of(event.DryRunStep)[before:] {
		told = append(told, e.Step)
	}
	return told
}

// done is what a real run does first.
func (s *stage) done() []cluster.Step {
	p, dog := s.prepare(1, claim.NewEphemeralSession())
	defer close(p.ended)
	var first []cluster.Step
	noting := noting{dog.Operator, &first}
	worker := dog.Worker.(maintenance.Worker)
	worker.Operator, dog.Operator = noting, noting
	dog.Worker = worker
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	dog.Heal(ctx)
	return first
}

// TestWhatIsAnnouncedIsDone: the steps that a look announces are those of a dry
// run and then of a real one, in every kind of trouble; where none are announced
// none are done.
func TestWhatIsAnnouncedIsDone(t *testing.T) {
	for _, tt := range []struct {
		name   string
		voters int
		config func(*etcdtest.Config)
		begin  func(*stage)
		acts   bool
	}{
		{"healthy", 3, nil, func(*stage) {}, false},
		{"a full member", 1, nil, func(s *stage) { s.fill(1) }, true},
		{"three full members", 3, nil, func(s *stage) { s.fill(1) }, true},
		{"futile", 1, almostAllLive, func(s *stage) { s.fill(1) }, true},
		{"an alarm of nobody", 1, nil, func(s *stage) {
			s.etcd.Raise(cluster.Alarm{Member: 99, Kind: cluster.AlarmNoSpace})
		}, true},
		{"corrupt", 3, nil, func(s *stage) { s.etcd.Raise(corrupt) }, false},
		{"no quorum", 3, nil, func(s *stage) { s.etcd.Kill(2); s.etcd.Kill(3) }, false},
		{"a member is down", 3, nil, func(s *stage) { s.etcd.Kill(3) }, false},
		{"history above compact-at", 1, nil, func(s *stage) { s.overwriteTo(0.70) }, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := etcdtest.DefaultConfig(tt.voters)
			if tt.config != nil {
				tt.config(&config)
			}
			play(t, config, func(s *stage) {
				tt.begin(s)
				d, own := s.announced()
				if d.Acts() != tt.acts {
					s.Fatalf("announced %v (%s), want steps: %t", d.Steps, d.Reason, tt.acts)
				}
				if mine := d.Acts() && d.Member == 1; own.Due != mine || own.Due && !slices.Equal(own.Steps, d.Steps) {
					s.Errorf("of its member %+v, and in all %v", own, d.Steps)
				}
				var words []string
				for _, step := range d.Steps {
					words = append(words, step.String())
				}
				if told := s.rehearsed(); !slices.Equal(told, words) {
					s.Errorf("announced %q, a dry run tells %q", words, told)
				}
				if done := s.done(); len(done) != min(1, len(d.Steps)) || len(done) > 0 && done[0] != d.Steps[0] {
					s.Errorf("announced %v, done first %v", d.Steps, done)
				}
			})
		})
	}
}

// overwriteTo overwrites keys until so much of the quota is in use.
func (s *stage) overwriteTo(share float64) {
	s.Helper()
	for s.etcd.View().Members[0].InUseUsage() < share {
		if err := s.etcd.Overwrite(s.Context(), 1, mib); err != nil {
			s.Fatal(err)
		}
	}
}
