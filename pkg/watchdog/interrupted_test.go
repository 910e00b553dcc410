package watchdog_test

import (
	"fmt"
	"slices"
	"strings"
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
	// undisturbed: it was not killed, and lives on
	undisturbed afterlife = "going on"
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
	{"without tickets, next to the leader", 3, 1, true},
	{"without tickets, next to a follower", 3, 3, true},
	{"one of two", 2, 2, false},
}

// TestInterruptedAtEveryWrite kills a watchdog around each write that a heal
// takes of it, from its first ticket on. However it dies and whether it comes
// back or not, the cluster is healed in the end, by the rules.
func TestInterruptedAtEveryWrite(t *testing.T) {
	atEveryWrite(t, sigkill, resumed, anew, abandoned)
}

// TestStoppedAtEveryWrite asks it to stop instead. It finishes the step at hand,
// begins no other, and gives the claim back before it ends.
func TestStoppedAtEveryWrite(t *testing.T) {
	atEveryWrite(t, sigterm, resumed, abandoned)
}

// TestReloadedAtEveryWrite has it hand over to another watchdog in the same
// process. That goes on with the same lease, the claim that may be held, and
// the memory, and nothing is done twice.
func TestReloadedAtEveryWrite(t *testing.T) {
	atEveryWrite(t, sighup, undisturbed)
}

// atEveryWrite plays all plots with that signal around each write of the victim.
func atEveryWrite(t *testing.T, what signal, thens ...afterlife) {
	for _, p := range plots {
		var writes []string
		p.play(t, fatal{}, resumed, &writes)
		if len(writes) < 4 {
			t.Fatalf("%s writes no more than %v", p.name, writes)
		}
		for k, write := range writes {
			for _, f := range deaths(k+1, write, what) {
				for _, then := range thens {
					name := fmt.Sprintf("%s/%s write %d, %s/%s", p.name, f.when, f.write, write, then)
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						var all []string
						p.play(t, f, then, &all)
						if what == sighup && !slices.Equal(essential(all), essential(writes)) {
							t.Errorf("with a reload it wrote %v, without one %v", all, writes)
						}
					})
				}
			}
		}
	}
}

// essential leaves out what may be done once more or once less: a compaction is
// left to etcd and asked for again, and a take may lose against another one.
func essential(writes []string) []string {
	return slices.DeleteFunc(slices.Clone(writes), func(w string) bool { return w == "compact" || w == "take" })
}

// deaths are the ways to die of one write. A transaction takes no time, so to
// die during it is to die right after it.
func deaths(write int, step string, what signal) []fatal {
	all := []fatal{{write, before, what}, {write, after, what}}
	if step == cluster.StepDefragment.String() {
		all = append(all, fatal{write, during, what})
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
	if victim.fatal.what == sigterm && s.busy(victim.member) > 0 {
		s.Errorf("it has ended after a request to stop, and still holds the claim")
	}
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

// busy counts the tickets of one member's watchdog that are taken.
func (s *stage) busy(id cluster.MemberID) int {
	listing, err := s.etcd.KV().Read(s.Context(), fmt.Sprintf("%s/claim/%s/", s.claim.Prefix, id))
	if err != nil {
		s.Error(err)
	}
	balance := 0 // a whole ticket has a begin and an end
	for _, kv := range listing.Keys {
		if strings.HasSuffix(kv.Key, "/end") {
			balance++
		} else {
			balance--
		}
	}
	return balance
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
