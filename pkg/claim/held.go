package claim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// takeTries bounds how often one Take reads and tries.
	takeTries = 8
	// retryPause lies between two tries of a take, or of giving back.
	retryPause = 200 * time.Millisecond
	// lookEvery is how soon a held claim's context ends at the latest after its
	// deadline has passed while the machine was suspended.
	lookEvery = time.Second
)

// Held is the claim, held by this process. Give it back when its work is done,
// also if it was lost.
type Held struct {
	book   *Book
	ticket ticket
	ctx    context.Context
	lose   context.CancelCauseFunc
	timer  *time.Timer
}

// Take takes the claim (rules 3 and 4) among the tickets of these voters. It renews the lease first, and wants at
// least the time between two keepalives to be left. While it is unknown whether the ticket
// was taken, it reads again and tries again, until ctx ends, or a third of a
// TTL has passed.
//
// Errors: *BusyError, ErrNotEnrolled (also when the lease is gone), ErrTooNew,
// ErrInDoubt, ErrRefused, *TooManyBooksError: nothing was taken. Any other leaves it open;
// a ticket that turns out to be busy later is then in doubt, and the next Take
// holds it.
func (b *Book) Take(ctx context.Context, voters []cluster.MemberID) (*Held, error) {
	ctx, cancel := context.WithTimeout(ctx, b.opts.TTL/3)
	defer cancel()
	held, err := b.take(ctx, voters)
	if err != nil {
		return nil, fmt.Errorf("take the claim: %w", err)
	}
	return held, nil
}

func (b *Book) take(ctx context.Context, voters []cluster.MemberID) (*Held, error) {
	if b.usableIn() > 0 {
		return nil, ErrTooNew
	}
	err := b.renew(ctx)
	if errors.Is(err, ErrLeaseGone) {
		return nil, ErrNotEnrolled
	}
	if err != nil {
		return nil, err
	}
	lease := b.life.id()
	for range takeTries {
		var r roll
		if r, err = b.roll(ctx, voters); err != nil {
			return nil, err
		}
		if b.life.remaining(lease) < b.interval() {
			return nil, ErrLost
		}
		var held *Held
		held, err = b.tryTake(ctx, r, lease)
		if held != nil || err != nil && !errors.Is(err, errTryAgain) {
			return held, err
		}
		if !pause(ctx, retryPause) {
			return nil, errors.Join(err, context.Cause(ctx))
		}
	}
	return nil, err
}

// errTryAgain wraps what a further reading will tell more about.
var errTryAgain = errors.New("not known to be taken")

func (b *Book) tryTake(ctx context.Context, r roll, lease LeaseID) (*Held, error) {
	if busy := r.of(lease, ticket.busy); len(busy) > 0 {
		if busy[0].is(b.attempt) {
			return b.hold(busy[0]), nil
		}
		return nil, ErrInDoubt
	}
	txn, t, err := b.layout.takeTxn(r, lease)
	if err != nil {
		return nil, err
	}
	b.attempt = t
	taken, err := b.store.Commit(ctx, txn)
	switch {
	case errors.Is(err, ErrRefused):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", errTryAgain, err)
	case !taken:
		return nil, fmt.Errorf("%w: the tickets changed meanwhile", errTryAgain)
	}
	return b.hold(t), nil
}

// hold begins the claim under a ticket that is known to be busy and mine.
func (b *Book) hold(t ticket) *Held {
	h := &Held{book: b, ticket: t}
	h.ctx, h.lose = context.WithCancelCause(context.Background())
	h.timer = time.AfterFunc(math.MaxInt64, h.look) // set by look
	b.held, b.attempt = h, ticket{}
	h.look()
	return h
}

// look ends the context if the deadline has passed, else looks again when it
// will have, or soon, since a suspended machine moves only one of the clocks.
func (h *Held) look() {
	if h.Check() == nil {
		h.timer.Reset(max(0, min(lookEvery, h.book.life.remaining(h.ticket.lease))))
	}
}

// Context ends when the claim's deadline has passed (cause ErrLost) or when it
// is given back (ErrGivenBack). Do every step under it. The deadline moves on
// with each acknowledged keepalive: the time at which that was sent, plus the
// time to live that was granted, less the margin.
func (h *Held) Context() context.Context { return h.ctx }

// Check says why no step may be begun, or nil: ask right before each.
func (h *Held) Check() error {
	if err := context.Cause(h.ctx); err != nil {
		return err
	}
	if h.book.life.remaining(h.ticket.lease) <= 0 {
		h.lose(ErrLost)
		return context.Cause(h.ctx)
	}
	return nil
}

// GiveBack ends the claim (rule 6): its context first, so that no step begins
// any more, then the ticket, repeatedly, until it is gone or ctx ends. The
// caller's work is done and settled. After an error the ticket may still be
// busy; the next Read says InDoubt then, and ReleaseDoubtful goes on.
func (h *Held) GiveBack(ctx context.Context) error {
	h.lose(ErrGivenBack)
	h.timer.Stop()
	if err := h.book.giveBack(ctx, h.ticket); err != nil {
		return fmt.Errorf("give the claim back: %w", err)
	}
	return nil
}

func (b *Book) giveBack(ctx context.Context, t ticket) error {
	txn := b.layout.giveBackTxn(t)
	for {
		// Conditions that do not hold mean that the end is gone already.
		_, err := b.store.Commit(ctx, txn)
		if err == nil {
			return nil
		}
		if !pause(ctx, retryPause) {
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// pause reports that d has passed, and not ctx ended.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
