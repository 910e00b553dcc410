package scenario

import (
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// watchedAndFull is the main job: the watchdogs run, the cluster fills up.
func watchedAndFull(t *testing.T, line realetcd.Line, members int) {
	s := stageOn(t, line, members)
	s.watch(settings{})
	s.write()
	s.fill()
	s.healed()
	s.unclaimed()
	s.polls(1)
	s.end(s.each())
	s.once("nospace_armed", 1)
	if healed := s.dogs.Of("healed"); len(healed) != 1 {
		t.Errorf("%d entries healed, want 1", len(healed))
	}
	if members > 1 {
		s.never("without_claim")
	}
}

func TestHealsOnEachLine(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		watchedAndFull(t, line, 3)
	})
}

func TestHealsEachSize(t *testing.T) {
	whole(t)
	for _, of := range []struct {
		line    string
		members int
	}{{"3.6", 1}, {"3.4", 2}, {"3.7", 2}, {"3.5", 5}} {
		t.Run(of.line, func(t *testing.T) {
			t.Parallel()
			line, err := realetcd.FindLine(of.line)
			if err != nil && of.line == "3.4" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			watchedAndFull(t, line, of.members)
		})
	}
}

// Watchdogs that are installed on a cluster that is full already can have no
// tickets: the one next to the leader works, its own member last.
func TestHealsWhenStartedLate(t *testing.T) {
	s := stage(t, "3.5", 3)
	s.write()
	s.fill()
	leader := s.leader().Name
	s.add(settings{})
	s.dogs.Start()
	s.healed()
	s.eachDog("enrolled", 1)
	s.end(s.each())
	s.never("claim_taken")
	if n := len(s.dogs.Of("without_claim")); n < 3 {
		t.Errorf("%d entries without_claim, want one for each piece of work", n)
	}
	s.once("nospace_armed", 1)
	if all := s.defragmentations(); all[len(all)-1].Member != leader && len(s.dogs.Of("adopted")) == 2 {
		t.Errorf("%v, and %s led", all, leader)
	}
}

// One watchdog heals the whole cluster: it adopts the members of the others.
func TestLoneWatchdogHealsAll(t *testing.T) {
	const adopting = "watch:\n  poll-interval: 1s\nmaintenance:\n  adopt-after: 2s\n"
	t.Run("before it is full", func(t *testing.T) {
		s := stage(t, "3.6", 3)
		s.watch(settings{other: adopting}, 1)
		s.write()
		s.fill()
		s.healed()
		s.unclaimed()
		s.end(s.each())
		if n := len(s.dogs.Of("adopted")); n != 2 {
			t.Errorf("%d members are adopted, want 2", n)
		}
		s.never("without_claim")
	})
	t.Run("after it is full", func(t *testing.T) {
		s := stage(t, "3.7", 3)
		s.write()
		s.fill()
		s.add(settings{other: adopting}, 1)
		s.dogs.Start()
		s.healed()
		s.eachDog("enrolled", 1)
		s.end(s.each())
		if n := len(s.dogs.Of("adopted")); n != 2 {
			t.Errorf("%d members are adopted, want 2", n)
		}
		s.never("claim_taken")
	})
}
