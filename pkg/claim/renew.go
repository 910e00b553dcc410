package claim

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// renewRetry lies between a keepalive that was not acknowledged and the next.
const renewRetry = time.Second

// Allow says that the work loop makes progress, and will have made some more at
// that time at the latest. Keepalives are sent until then (rule 8), so that a
// loop that hangs does not hold the claim for ever. A step's own deadline, plus
// what follows it, is a good time.
func (b *Book) Allow(until time.Time) {
	b.allowed.Lock()
	b.allowed.until = until
	b.allowed.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *Book) allows() bool {
	b.allowed.Lock()
	defer b.allowed.Unlock()
	return time.Now().Before(b.allowed.until)
}

// interval lies between two keepalives that are acknowledged: what the claim's
// deadline leaves of a TTL is four to five of them.
func (b *Book) interval() time.Duration { return b.opts.TTL / 6 }

// Run keeps the lease alive until ctx ends, as far as Allow says so. When it
// learns that the lease is gone, the tickets are forgotten and a held claim is
// lost; the next Enrol grants another lease.
func (b *Book) Run(ctx context.Context) {
	for ctx.Err() == nil {
		timer := time.NewTimer(b.tend(ctx))
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tend renews the lease if it is time to, and returns when to look again.
func (b *Book) tend(ctx context.Context) time.Duration {
	lease := b.life.id()
	if lease == 0 || !b.allows() {
		return b.interval() // or when Allow is called
	}
	if left := b.untilDue(lease); left > 0 {
		return left
	}
	if err := b.renew(ctx); err != nil && !errors.Is(err, ErrLeaseGone) {
		return min(renewRetry, b.interval())
	}
	return b.interval()
}

// untilDue returns how long the next keepalive can wait.
func (b *Book) untilDue(lease LeaseID) time.Duration {
	full := b.opts.TTL - b.opts.margin(b.opts.TTL)
	return b.life.remaining(lease) - (full - b.interval())
}

// renew sends one keepalive. ErrNotEnrolled if there is no lease. It waits for
// no longer than a third of a TTL, which leaves time for another.
func (b *Book) renew(ctx context.Context) error {
	lease := b.life.id()
	if lease == 0 {
		return ErrNotEnrolled
	}
	ctx, cancel := context.WithTimeout(ctx, b.opts.TTL/3)
	defer cancel()
	sent := b.life.now()
	ttl, err := b.leases.KeepAlive(ctx, lease)
	if errors.Is(err, ErrLeaseGone) {
		b.life.forget(lease)
	}
	if err != nil {
		return fmt.Errorf("renew the lease: %w", err)
	}
	b.life.acknowledged(lease, sent, ttl)
	return nil
}
