package watchdog

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Now is the one now of a look that is made without a Watchdog.
func Now() time.Time { return time.Now() }

// Until returns how long it is until then; 0: that time has passed, or is none.
func Until(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return max(0, time.Until(t))
}

// Look is the beginning of a tick and nothing more: it observes, reads the claim
// and decides, as Run does, and does nothing about it. Passive has to be set: a
// Watchdog that looks holds no tickets, and decides as if it did.
func (w *Watchdog) Look(ctx context.Context) Kept {
	w.begin()
	now := time.Now()
	v := w.look(ctx, now)
	return Kept{Memory: w.memory, View: v, Decision: policy.Decide(w.Limits, now, v, w.memory)}
}
