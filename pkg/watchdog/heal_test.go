package watchdog_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// patience is how long a pass may take.
const patience = 10 * time.Minute

// heal runs one pass beside member 1, as the command does.
func (s *stage) heal(within time.Duration, dry bool) (p *process, healthy bool, last policy.Decision) {
	p, dog := s.prepare(1, claim.NewEphemeralSession())
	defer close(p.ended)
	if dry {
		dog.Passive, dog.Worker = true, &maintenance.Rehearsal{Recorder: mouth{p}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	healthy, last = dog.Heal(ctx)
	return p, healthy, last
}

func TestHeal(t *testing.T) {
	tests := []struct {
		name    string
		voters  int
		config  func(*etcdtest.Config)
		begin   func(*stage)
		healthy bool
		reason  policy.Reason // of the last decision
		least   time.Duration // that it takes
		most    time.Duration
	}{
		{"healthy", 3, nil, func(*stage) {}, true, policy.BelowThreshold, 0, time.Second},
		{"a full member", 1, nil, func(s *stage) { s.fill(1) }, true, policy.BelowThreshold, 0, 5 * time.Second},
		{"three full members", 3, nil, func(s *stage) { s.fill(1) }, true, policy.BelowThreshold, 0, patience},
		{"futile", 1, almostAllLive, func(s *stage) { s.fill(1) }, false, policy.LiveDataTooLarge, 0, time.Minute},
		{"corrupt", 3, nil, func(s *stage) { s.etcd.Raise(corrupt) }, false, policy.CorruptArmed, 0, time.Second},
		{"no member answers", 1, nil, func(s *stage) { s.etcd.Kill(1) }, false, policy.MemberUnreachable, 0, time.Second},
		{"others do the work", 3, nil, func(s *stage) {
			s.watch(1, 2, 3)
			s.enrolled(1, 2, 3)
			s.fill(1)
		}, true, policy.BelowThreshold, 2 * time.Second, time.Minute},
		{"out of time", 3, nil, func(s *stage) {
			s.watch(2) // has the tickets, and its work takes half an hour
			s.enrolled(2)
			s.etcd.Slow(2, 3000)
			s.fill(1)
			s.until("it works", time.Minute, func() bool { return s.tickets().busy > 0 })
		}, false, policy.WaitingForClaim, patience, patience + time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := etcdtest.DefaultConfig(tt.voters)
			if tt.config != nil {
				tt.config(&config)
			}
			play(t, config, func(s *stage) {
				if tt.name == "out of time" {
					s.limits.AdoptAfter = 24 * time.Hour
				}
				tt.begin(s)
				began := time.Now()
				_, healthy, last := s.heal(patience, false)
				if healthy != tt.healthy || last.Reason != tt.reason {
					s.Errorf("healthy %t, %s: %s; want %t, %s", healthy, last.Reason, last.Detail, tt.healthy, tt.reason)
				}
				if took := time.Since(began); took < tt.least || took > tt.most {
					s.Errorf("took %s, want %s to %s", took, tt.least, tt.most)
				}
			})
		})
	}
}

// Beside running daemons, while etcd refuses writes, a pass can have no ticket
// and takes no part but compaction.
func TestHealBesideDaemonsLeavesTheWorkToThem(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.watch(1, 2, 3)
		s.enrolled(1, 2, 3)
		s.fill(1)
		p, healthy, _ := s.heal(patience, false)
		for _, what := range p.writes {
			if what == "defragment" || what == "disarm" || what == "take" {
				s.Errorf("healthy %t; it wrote %v", healthy, p.writes)
				break
			}
		}
	})
}

func TestDryHealTellsTheFirstStepsAndWritesNothing(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.fill(1)
		p, healthy, last := s.heal(patience, true)
		if healthy || !last.Acts() || len(p.writes) > 0 || p.polls != 1 {
			s.Errorf("healthy %t, acts %t, wrote %v in %d polls", healthy, last.Acts(), p.writes, p.polls)
		}
		var told, steps []string
		for _, e := range s.journal.of(event.DryRunStep) {
			told = append(told, e.Step)
		}
		for _, step := range last.Steps {
			steps = append(steps, step.String())
		}
		if !slices.Equal(told, steps) {
			s.Errorf("told %q, decided %q", told, steps)
		}
		if h := s.etcd.History(); len(h) != 1 {
			s.Errorf("it touched the cluster:\n%s", h)
		}
	})
}

// A daemon that only rehearses tells its steps once, however long it runs.
func TestDryRunTellsItsStepsOnce(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		s.fill(1)
		p, dog := s.prepare(1, claim.NewEphemeralSession())
		dog.Passive, dog.Worker = true, &maintenance.Rehearsal{Recorder: mouth{p}}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		dog.Run(ctx)
		close(p.ended)
		seen := map[string]bool{}
		for _, e := range s.journal.of(event.DryRunStep) {
			if seen[e.Step] {
				s.Errorf("told twice: would %s", e.Step)
			}
			seen[e.Step] = true
		}
		if len(seen) == 0 || len(p.writes) > 0 {
			s.Errorf("told %v, wrote %v", seen, p.writes)
		}
	})
}
