package claim

import (
	"context"
	"errors"
	"time"
)

// ErrTooLate: the step was not sent within the time that its observation allows.
var ErrTooLate = errors.New("too much time has passed since the cluster was observed, so another watchdog may have begun")

// Instant is a moment on two clocks. Elapsed time is what the clock says that
// shows more of it: one of the two stands still while the machine is suspended.
type Instant struct{ at instant }

// Now returns the present moment.
func Now() Instant { return Instant{instant{time.Now(), bootClock()}} }

// Elapsed returns how much time has passed since then.
func (i Instant) Elapsed() time.Duration {
	now := Now()
	return max(now.at.clock.Sub(i.at.clock), now.at.boot-i.at.boot)
}

// Term is the permit of a watchdog without tickets: the leader's term, as an
// observation has shown it. It lasts for a time from the start of that
// observation. What was sent by then is finished, however long it takes.
type Term struct {
	ctx    context.Context
	began  Instant
	within time.Duration
}

// NewTerm returns the permit for steps that are sent within that time.
func NewTerm(ctx context.Context, began Instant, within time.Duration) Term {
	return Term{ctx, began, within}
}

// Context does not end with the permit.
func (t Term) Context() context.Context { return t.ctx }

// Check fails once the time has passed.
func (t Term) Check() error {
	if t.began.Elapsed() > t.within {
		return ErrTooLate
	}
	return context.Cause(t.ctx)
}
