package watchdog_test

import (
	"context"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// pausable starts the daemon beside a member, paused from the beginning.
func (s *stage) pausable(id cluster.MemberID, pause *cluster.Pause) {
	p, dog := s.prepare(id, s.open(id))
	dog.Pause = func() (cluster.Pause, error) { return *pause, nil }
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	s.running[id] = p
	go func() {
		defer close(p.ended)
		dog.Run(ctx)
		p.kill()
	}()
}

// TestPauseEndsByItself: until then nothing is done, then the cluster is healed.
// It is said once when it begins, and once when it ends.
func TestPauseEndsByItself(t *testing.T) {
	play(t, etcdtest.DefaultConfig(1), func(s *stage) {
		pause := watchdog.PauseFor(30*time.Minute, "disk is being replaced")
		s.fill(1)
		s.pausable(1, &pause)
		time.Sleep(29 * time.Minute)
		if len(s.etcd.View().Alarms) == 0 {
			s.Errorf("healed although paused:\n%s", s.etcd.History())
		}
		s.healed(2 * time.Minute)
		begun, ended := 0, 0
		for _, e := range s.journal.of(event.Paused, event.ConditionEnded) {
			switch {
			case e.Kind == event.Paused:
				begun++
			case e.Condition == "paused":
				ended++
			}
		}
		if begun != 1 || ended != 1 {
			s.Errorf("told %d times that the pause began and %d times that it ended", begun, ended)
		}
	})
}

// TestMemberOfAPausedHostIsAdopted: under NOSPACE the others heal the cluster,
// the paused host's member too.
func TestMemberOfAPausedHostIsAdopted(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		pause := watchdog.PauseFor(24*time.Hour, "")
		s.pausable(1, &pause)
		s.watch(2, 3)
		s.enrolled(2, 3)
		s.fill(1)
		s.healed(10 * time.Minute)
	})
}

// TestPauseThatIsReadWithTheClaim: the pause of a cluster is known only once the
// claim has been read, and the first tick obeys it.
func TestPauseThatIsReadWithTheClaim(t *testing.T) {
	play(t, etcdtest.DefaultConfig(1), func(s *stage) {
		pause := watchdog.PauseFor(time.Hour, "the whole cluster")
		s.fill(1)
		p, dog := s.prepare(1, s.open(1))
		dog.Pause = func() (cluster.Pause, error) {
			if p.reads == 0 {
				return cluster.Pause{}, nil
			}
			return pause, nil
		}
		ctx, stop := context.WithCancel(context.Background())
		p.stop = stop
		s.running[1] = p
		go func() {
			defer close(p.ended)
			dog.Run(ctx)
			p.kill()
		}()
		time.Sleep(10 * time.Minute) // of the stage
		if done := s.journal.of(event.CompactionStarted, event.DefragmentationStarted, event.AlarmDisarmed); len(done) > 0 {
			s.Errorf("worked although paused: %v", done)
		}
	})
}
