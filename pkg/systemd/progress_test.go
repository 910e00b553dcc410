package systemd

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// watched runs a Progress in a bubble, lets the loop do its part, and returns
// the seconds at which pings were sent and at which the loop was overdue (-1:
// never).
func watched(t *testing.T, interval, until time.Duration, loop func(p *Progress, start time.Time)) (pings []int, overdue int) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		since := func() int { return int(time.Since(start) / time.Second) }
		p := NewProgress(30*time.Second, func() { pings = append(pings, since()) })
		ctx, cancel := context.WithTimeout(t.Context(), until)
		defer cancel()
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx, interval) })
		running.Go(func() { loop(p, start) })
		overdue = -1
		select {
		case <-p.Overdue():
			overdue = since()
		case <-ctx.Done():
		}
		cancel()
		running.Wait()
	})
	return pings, overdue
}

// progressCase is what a loop does, and what has to follow.
type progressCase struct {
	interval time.Duration
	loop     func(p *Progress, start time.Time)
	pings    []int
	overdue  int
}

func TestProgress(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]progressCase{
		"a loop in time is pinged for": {
			interval: 60 * s,
			loop: func(p *Progress, _ time.Time) {
				for range 12 {
					p.Extend(time.Now().Add(15 * s))
					time.Sleep(10 * s)
				}
			},
			pings: []int{20, 40, 60, 80, 100}, overdue: -1,
		},
		"a loop that hangs is not, and is overdue after the grace": {
			interval: 60 * s,
			loop:     func(p *Progress, _ time.Time) { p.Extend(time.Now().Add(25 * s)) },
			pings:    []int{20}, overdue: 55,
		},
		"a step in flight extends up to its own deadline": {
			interval: 60 * s,
			loop:     func(p *Progress, _ time.Time) { p.Extend(time.Now().Add(75 * s)) },
			pings:    []int{20, 40, 60}, overdue: 105,
		},
		"an earlier time than the one before counts at once": {
			interval: 60 * s,
			loop: func(p *Progress, start time.Time) {
				p.Extend(start.Add(1000 * s))
				time.Sleep(50 * s)
				p.Extend(start.Add(55 * s))
			},
			pings: []int{20, 40}, overdue: 85,
		},
		"late but within the grace is no hang": {
			interval: 60 * s,
			loop: func(p *Progress, start time.Time) {
				p.Extend(start.Add(30 * s))
				time.Sleep(55 * s)
				p.Extend(start.Add(500 * s))
			},
			pings: []int{20, 60, 80, 100}, overdue: -1,
		},
		"without pings a hang is seen all the same": {
			loop:    func(p *Progress, _ time.Time) { p.Extend(time.Now().Add(25 * s)) },
			overdue: 55,
		},
		"a loop that never begins is overdue": {
			interval: 60 * s,
			loop:     func(*Progress, time.Time) {},
			overdue:  30,
		},
	} {
		t.Run(name, func(t *testing.T) {
			pings, overdue := watched(t, c.interval, 119*s, c.loop)
			if !slices.Equal(pings, c.pings) || overdue != c.overdue {
				t.Errorf("pings at %v, overdue at %d; want %v, %d", pings, overdue, c.pings, c.overdue)
			}
		})
	}
}

// A process that was stopped for longer than loop and grace have goes on: nothing of
// it could run. One whose loop hangs after that is overdue all the same.
func TestAProcessThatWasStoppedGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		after   bool // the loop goes on after that
		overdue time.Duration
	}{
		"the loop goes on": {true, 0},
		"the loop hangs":   {false, 20*time.Second + 150*time.Second + 30*time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				stopped := false
				p := NewProgress(30*time.Second, func() {
					if !stopped { // all goroutines stand still, this one for the test
						stopped = true
						time.Sleep(150 * time.Second)
					}
				})
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				p.Extend(start.Add(25 * time.Second))
				go p.Run(ctx, time.Minute)
				go func() {
					time.Sleep(180 * time.Second)
					for c.after && ctx.Err() == nil {
						p.Extend(time.Now().Add(15 * time.Second))
						select {
						case <-time.After(10 * time.Second):
						case <-ctx.Done(): // at the same instant as the other
						}
					}
				}()
				select {
				case <-p.Overdue():
					if got := time.Since(start); c.after || got != c.overdue {
						t.Errorf("overdue after %s, want %s", got, c.overdue)
					}
				case <-ctx.Done():
					if !c.after {
						t.Error("a loop that hangs is never overdue")
					}
				}
				cancel()
				synctest.Wait()
			})
		})
	}
}
