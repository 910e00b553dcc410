package main

import (
	"context"
	"sync"
	"time"
)

// catchUp is how much of the time in which it could not write a load makes up
// for.
const catchUp = time.Second

// pace is a token bucket, kept as the time at which the next write is due. What
// could not be sent in its time is sent as soon as possible, but never more of
// it than is due in catchUp.
type pace struct {
	bytesPerSecond float64

	mu  sync.Mutex
	due time.Time
}

func newPace(bytesPerSecond float64) *pace {
	return &pace{bytesPerSecond: bytesPerSecond, due: time.Now()}
}

// wait takes its turn for that many bytes and waits until it has come, or ctx
// ends.
func (p *pace) wait(ctx context.Context, bytes int) error {
	timer := time.NewTimer(time.Until(p.turn(time.Now(), bytes)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// turn is when that many bytes are due.
func (p *pace) turn(now time.Time, bytes int) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if earliest := now.Add(-catchUp); p.due.Before(earliest) {
		p.due = earliest
	}
	turn := p.due
	p.due = turn.Add(time.Duration(float64(bytes) / p.bytesPerSecond * float64(time.Second)))
	return turn
}
