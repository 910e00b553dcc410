package systemd

import (
	"context"
	"sync"
	"time"
)

// Progress watches over the work loop. The loop says again and again until
// when it will have said so anew; as long as it keeps that, pings are sent.
// When it is late by more than the grace, it hangs, and the process should end
// with a status that gets it restarted.
//
// Times are compared on the monotonic clock, if Extend gets times that carry
// it (time.Now().Add does). It stands still while the machine is suspended, as
// systemd's own timer does. It runs on while this process alone is stopped, or a
// virtual machine is paused: then Run itself comes too late, and the loop gets a
// grace from then on, for it could do nothing either.
type Progress struct {
	grace   time.Duration
	alive   func()
	changed chan struct{} // one slot: until was set
	overdue chan struct{}

	mu    sync.Mutex
	until time.Time
}

// NewProgress calls alive for each ping. grace is how late the loop may be
// before it counts as hanging.
func NewProgress(grace time.Duration, alive func()) *Progress {
	return &Progress{grace: grace, alive: alive, changed: make(chan struct{}, 1), overdue: make(chan struct{})}
}

// Extend sets the time until which the loop needs no further proof. The last
// call counts, also when it names an earlier time than the one before it.
func (p *Progress) Extend(until time.Time) {
	p.mu.Lock()
	p.until = until
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default: // it is to be looked at already
	}
}

// Overdue is closed when the loop hangs: it is late by more than the grace.
func (p *Progress) Overdue() <-chan struct{} { return p.overdue }

// Run sends pings, three in each watchdog interval, while the loop is in time,
// until ctx ends or the loop is overdue. An interval of 0 means that nobody
// waits for pings; Overdue works all the same. A loop that never calls Extend
// is late from the start of Run on. Call it once.
func (p *Progress) Run(ctx context.Context, watchdogInterval time.Duration) {
	p.mu.Lock()
	if p.until.IsZero() {
		p.until = time.Now()
	}
	p.mu.Unlock()

	var pings <-chan time.Time // never, if there is no interval
	if watchdogInterval > 0 {
		ticker := time.NewTicker(watchdogInterval / 3)
		defer ticker.Stop()
		pings = ticker.C
	}
	limit := time.NewTimer(p.left())
	defer limit.Stop()
	beat := time.NewTicker(p.beat())
	defer beat.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
		case <-pings:
			p.ping()
		case <-p.changed:
			limit.Reset(p.left())
		case <-limit.C:
			if left := p.left(); left > 0 {
				limit.Reset(left)
				continue
			}
			if !p.stoodStill(last) {
				close(p.overdue)
				return
			}
		}
		if p.stoodStill(last) {
			p.excuse()
			limit.Reset(p.left())
		}
		last = time.Now()
	}
}

// beat is how often Run shows to itself that this process runs.
func (p *Progress) beat() time.Duration { return max(p.grace/6, time.Second) }

// stoodStill reports that Run, which last ran then, comes later than a busy machine
// explains.
func (p *Progress) stoodStill(last time.Time) bool { return time.Since(last) > 3*p.beat() }

// excuse lets the loop be in time until now.
func (p *Progress) excuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.until.Before(now) {
		p.until = now
	}
}

func (p *Progress) ping() {
	p.mu.Lock()
	inTime := time.Until(p.until) > 0
	p.mu.Unlock()
	if inTime {
		p.alive()
	}
}

// left is the time until the loop is overdue.
func (p *Progress) left() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until) + p.grace
}
