package realetcd

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// Condition says whether something holds yet, and what it found, for the
// message of a wait that has to give up.
type Condition func() (holds bool, found string)

const awaitPause = 20 * time.Millisecond

// Await looks until the condition holds, or ctx ends. What completes the
// sentence "waiting for …".
func Await(ctx context.Context, what string, condition Condition) error {
	begin := time.Now()
	for {
		holds, found := condition()
		if holds {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s, in vain for %v (%w); last found: %s",
				what, time.Since(begin).Round(time.Millisecond), context.Cause(ctx), found)
		case <-time.After(awaitPause):
		}
	}
}

// Eventually is Await in a test, which it ends if the condition does not hold
// within that time.
func Eventually(tb testing.TB, within time.Duration, what string, condition Condition) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), within)
	defer cancel()
	if err := Await(ctx, what, condition); err != nil {
		tb.Fatal(err)
	}
}
