package scenario

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// full is a cluster that is full already when the first watchdog comes.
func full(t *testing.T, world func(s *scene)) {
	t.Helper()
	onLines(t, "3.4", 3, func(s *scene) {
		s.write()
		s.fill()
		world(s)
	})
}

// healedOnce waits for the end of a heal without tickets.
func (s *scene) healedOnce() {
	s.t.Helper()
	s.healed()
	s.end(s.each())
}

// A lone watchdog beside a follower moves the leadership to its member, by its
// rank among the voters that do not lead, and spends the term after that.
func TestFullAndALoneWatchdogBesideAFollower(t *testing.T) {
	for n := range 2 {
		t.Run(fmt.Sprintf("of rank %d", n), func(t *testing.T) {
			full(t, func(s *scene) {
				_, followers := s.leads()
				s.add(settings{}, s.number(followers[n]))
				s.dogs.Start()
				s.begins(quiet + takeover + time.Duration(n)*rank + 2*poll)
				s.healedOnce()
			})
		})
	}
}

func TestFullAndALoneWatchdogBesideTheLeader(t *testing.T) {
	full(t, func(s *scene) {
		leader, _ := s.leads()
		s.add(settings{}, s.number(leader))
		s.dogs.Start()
		s.begins(quiet + poll)
		s.healedOnce()
	})
}

func TestFullAndThreeWatchdogs(t *testing.T) {
	full(t, func(s *scene) {
		s.add(settings{})
		s.dogs.Start()
		s.begins(quiet + poll)
		s.healedOnce()
	})
}

// Two that start in the same second wait no longer than one.
func TestFullAndTwoWatchdogsBesideFollowers(t *testing.T) {
	full(t, func(s *scene) {
		_, followers := s.leads()
		s.add(settings{}, s.number(followers[0]), s.number(followers[1]))
		s.dogs.Start()
		s.begins(quiet + takeover + 2*poll)
		s.healedOnce()
	})
}

// heal beside a member moves the leadership there at once.
func TestFullAndHealOnAHost(t *testing.T) {
	full(t, func(s *scene) {
		_, followers := s.leads()
		begin := time.Now()
		if said, status := s.command(followers[1], "heal"); status != 0 {
			s.t.Errorf("heal ends with %d: %s", status, said)
		}
		s.beginsAfter(begin, quiet, quiet+2*poll)
		s.healedOnce()
	})
}

// heal from a host that no member is on refuses, and says why and where to run
// it; with --alone it begins at once.
func TestFullAndHealFromElsewhere(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.moveElsewhere()
		s.write()
		s.fill()
		said, status := s.command(s.Member(0), "heal")
		if status != 1 || !strings.Contains(said, "--alone") {
			s.t.Errorf("heal from elsewhere ends with %d and without naming --alone: %s", status, said)
		}
		s.untouched()
		begin := time.Now()
		if said, status := s.command(s.Member(0), "heal", "--alone"); status != 0 {
			s.t.Errorf("heal --alone ends with %d: %s", status, said)
		}
		s.beginsAfter(begin, 0, 3*time.Second)
		s.healedOnce()
	})
}

// moveElsewhere gives every member a peer URL of an address that no host here
// has, so that no watchdog can take itself to be beside one.
func (s *scene) moveElsewhere() {
	s.t.Helper()
	for i, m := range s.Members() {
		urls := []string{m.PeerURL, fmt.Sprintf("http://192.0.2.%d:2380", i+1)}
		_, err := s.Client(0).MemberUpdate(s.t.Context(), m.ID(), urls)
		s.must(err)
	}
}

// Hosts that were paused for longer than the tickets live, while the cluster
// filled: they go on as without tickets.
func TestFullAfterAllWatchdogsWereSuspended(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{other: quick + "claim:\n  ttl: 30s\n"})
		s.write()
		s.unwatched(func() {
			s.fill()
			s.until("all tickets to expire", func() (bool, string) {
				keys := s.tickets()
				return len(keys) == 0, fmt.Sprint(keys)
			})
		})
		s.begins(quiet + poll)
		s.healedOnce()
	})
}

// The tickets of a member that is none any more do not count, and its watchdog
// gives them up.
func TestFullAndTicketsOfARemovedMember(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{other: quick + "claim:\n  ttl: 10m\n"}, 2)
		removed := s.Member(2)
		s.must(s.RemoveMember(s.t.Context(), removed))
		s.write()
		s.unwatched(s.fill)
		if !s.hasTickets(removed.ID()) {
			s.t.Fatal("the removed member has no tickets to begin with")
		}
		for _, dog := range s.add(settings{}, 0, 1) {
			s.must(dog.Start())
		}
		s.begins(quiet + takeover + 2*poll)
		s.healedOnce()
		s.until("the tickets to be given up", func() (bool, string) {
			return !s.hasTickets(removed.ID()), fmt.Sprint(s.tickets())
		})
	})
}

func (s *scene) hasTickets(id uint64) bool {
	s.t.Helper()
	return slices.ContainsFunc(s.tickets(), func(key string) bool { return strings.Contains(key, fmt.Sprintf("/%x/", id)) })
}

// Keys that look like a ticket and have no lease, as mirroring or a restore
// leaves them: they are reported with the command that removes them, and ignored.
func TestTicketsWithoutALease(t *testing.T) {
	for name, halves := range map[string][]string{"whole": {"begin", "end"}, "busy": {"end"}} {
		t.Run(name, func(t *testing.T) {
			onLines(t, "3.4", 3, func(s *scene) {
				for _, half := range halves {
					key := fmt.Sprintf("/etcd-watchdog/claim/%x/%016x/00/%s", s.Member(0).ID(), 0x4711, half)
					ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
					_, err := s.Client(0).Put(ctx, key, "{}")
					cancel()
					s.must(err)
				}
				s.write()
				s.fill()
				s.add(settings{})
				s.dogs.Start()
				s.begins(quiet + poll)
				s.healed()
				s.end(s.each())
				if s.warned("", "etcdctl del") == 0 {
					s.t.Errorf("no warning has the command that removes the keys: %s", s.dogs.Transcript())
				}
			})
		})
	}
}
