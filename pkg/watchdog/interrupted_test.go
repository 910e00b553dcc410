package watchdog_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

// afterlife is what becomes of a host whose watchdog was killed.
type afterlife string

const (
	resumed   afterlife = "restarted" // with what the runtime directory holds
	anew      afterlife = "restarted without its runtime directory"
	abandoned afterlife = "left alone"
)

// plot is a heal during which the watchdog of one member is killed.
type plot struct {
	name   string
	voters int
	victim cluster.MemberID
	late   bool // the watchdogs are started when the cluster is full already
}

var plots = []plot{
	{"the leader's watchdog", 3, 1, false},
	{"the first to work", 3, 2, false},
	{"the second to work", 3, 3, false},
	{"the first in the fixed order", 3, 1, true},
	{"the last in the fixed order", 3, 3, true},
	{"one of two", 2, 2, false},
}

// TestInterruptedAtEveryWrite kills a watchdog around each write that a heal
// takes of it, from its first ticket on. However it dies and whether it comes
// back or not, the cluster is healed in the end, by the rules.
func TestInterruptedAtEveryWrite(t *testing.T) {
	for _, p := range plots {
		var writes []string
		p.play(t, fatal{}, resumed, &writes)
		if len(writes) < 4 {
			t.Fatalf("%s writes no more than %v", p.name, writes)
		}
		for k, what := range writes {
			for _, f := range deaths(k+1, what) {
				for _, then := range []afterlife{resumed, anew, abandoned} {
					name := fmt.Sprintf("%s/%s write %d, %s/%s", p.name, f.when, f.write, what, then)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						p.play(t, f, then, new([]string))
					})
				}
			}
		}
	}
}

// deaths are the ways to die of one write. A transaction takes no time, so to
// die during it is to die right after it.
func deaths(write int, what string) []fatal {
	all := []fatal{{write, before}, {write, after}}
	if what == cluster.StepDefragment.String() {
		all = append(all, fatal{write, during})
	}
	return all
}

// play heals a cluster, and returns in writes what the victim wrote.
func (p plot) play(t *testing.T, f fatal, then afterlife, writes *[]string) {
	config := etcdtest.DefaultConfig(p.voters)
	play(t, config, func(s *stage) {
		// Both sooner, so that the test is.
		s.limits.AdoptAfter, s.claim.TTL = 20*time.Second, 20*time.Second
		if p.late {
			s.fill(1)
		}
		var victim *process
		for _, id := range ids(p.voters) {
			if id == p.victim {
				victim = s.start(id, s.open(id), f)
			} else {
				s.watch(id)
			}
		}
		go s.reincarnate(victim, then)
		if !p.late {
			time.Sleep(5 * time.Second) // to enrol, or to die of it
			s.fill(1)
		}
		s.recovers()
		s.over.Store(true)
		s.bury(victim)
		*writes = victim.writes
	})
}

// reincarnate waits for a process to be killed and starts the next one.
func (s *stage) reincarnate(victim *process, then afterlife) {
	<-victim.ended
	if s.over.Load() || then == abandoned {
		return
	}
	if err := victim.session.Close(); err != nil {
		s.Error(err)
	}
	time.Sleep(time.Second)
	session := claim.NewEphemeralSession()
	if then == resumed {
		session = s.open(victim.member)
	}
	s.start(victim.member, session, fatal{})
}

// recovers waits until writes are accepted and the claim is free.
func (s *stage) recovers() {
	s.Helper()
	s.until("healed", 15*time.Minute, func() bool { return len(s.etcd.View().Alarms) == 0 })
	s.until("the claim is free", 2*s.claim.TTL, func() bool { return s.tickets().busy == 0 })
	before := len(s.etcd.History())
	time.Sleep(time.Minute)
	if h := s.etcd.History(); len(h) != before {
		s.Errorf("after the cluster was healed:\n%s", h[before:])
	}
	for _, m := range s.etcd.View().Voters() {
		if err := s.etcd.Overwrite(s.Context(), m.ID, mib); err != nil {
			s.Errorf("healed, and yet: %v", err)
		}
	}
	if n := s.tickets().busy; n > 0 {
		s.Errorf("%d tickets are busy", n)
	}
}
