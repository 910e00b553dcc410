package watchdog_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// A condition that began or ended is kept at once, and each poll is seen, also by
// the watchdog that does the last step.
func TestConditionsAreSeenAndKept(t *testing.T) {
	play(t, etcdtest.DefaultConfig(3), func(s *stage) {
		var mu sync.Mutex
		seen, kept := map[cluster.MemberID][]watchdog.Kept{}, map[cluster.MemberID][]watchdog.Kept{}
		for _, id := range ids(3) {
			p, dog := s.prepare(id, s.open(id))
			note := func(to map[cluster.MemberID][]watchdog.Kept) func(watchdog.Kept) error {
				return func(k watchdog.Kept) error {
					mu.Lock()
					defer mu.Unlock()
					to[id] = append(to[id], k)
					return nil
				}
			}
			dog.Seen, dog.Keep = func(k watchdog.Kept) { _ = note(seen)(k) }, note(kept)
			ctx, stop := context.WithCancel(context.Background())
			p.stop = stop
			s.running[id] = p
			go func() {
				defer close(p.ended)
				dog.Run(ctx)
				p.kill()
			}()
		}
		s.enrolled(ids(3)...)
		s.fill(1)
		s.healed(2 * time.Minute)
		time.Sleep(20 * time.Second) // of the stage: less than a minute, after which it is kept in any case
		mu.Lock()
		defer mu.Unlock()
		full := func(k watchdog.Kept) bool {
			return slices.ContainsFunc(k.Conditions(), func(e event.Event) bool { return e.Kind == event.NospaceArmed })
		}
		for _, id := range ids(3) {
			if all := seen[id]; !slices.ContainsFunc(all, full) || full(all[len(all)-1]) {
				s.Errorf("the watchdog of %s: nospace_armed is not seen to begin and to end", id)
			}
			if all := kept[id]; !slices.ContainsFunc(all, full) || full(all[len(all)-1]) {
				s.Errorf("the watchdog of %s: of %d times that the state was kept, the last has nospace_armed still, or none has", id, len(all))
			}
		}
	})
}

// A condition of which the decision knows nothing is kept as soon as it is
// reported, and not only once a minute.
func TestAConditionIsKeptWhenItIsReported(t *testing.T) {
	play(t, etcdtest.DefaultConfig(1), func(s *stage) {
		p, dog := s.prepare(1, s.open(1))
		var mu sync.Mutex
		var disk cluster.Disk
		var kept time.Time
		dog.Disk = func() cluster.Disk {
			mu.Lock()
			defer mu.Unlock()
			return disk
		}
		dog.Keep = func(k watchdog.Kept) error {
			mu.Lock()
			defer mu.Unlock()
			kept = k.View.At
			return nil
		}
		ctx, stop := context.WithCancel(context.Background())
		p.stop = stop
		s.running[1] = p
		go func() {
			defer close(p.ended)
			dog.Run(ctx)
			p.kill()
		}()
		s.enrolled(1)
		last := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return kept
		}
		begin := last()
		s.until("the state is kept again", 2*time.Minute, func() bool { return last().After(begin) })
		mu.Lock()
		disk = cluster.Disk{Known: true, FreeBytes: 1 << 40, StaleFiles: []string{"db.tmp.1"}}
		mu.Unlock()
		s.until("the files are reported", 55*time.Second, func() bool { return len(s.journal.of(event.StaleFiles)) > 0 })
		reported := time.Now()
		time.Sleep(time.Second) // of the stage
		if last().Before(reported.Add(-2 * time.Second)) {
			s.Errorf("the condition was reported at %s, and the state was kept at %s", reported, last())
		}
	})
}
