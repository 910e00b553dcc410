package policy

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// failRetry is how long to leave a member alone after etcd has failed a step of
// ours on it, once, twice and so on. A disk that is full or a right that is
// missing does not mend itself within a poll, and each try has its price.
var failRetry = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}

// failedLately returns why a member is left alone after a step that failed.
func (w world) failedLately(id cluster.MemberID) *obstacle {
	mm := w.memory.Of(id)
	if mm.FailedAt.IsZero() || mm.Failures == 0 {
		return nil
	}
	again := mm.retryAt()
	if !w.now.Before(again) || w.now.Before(mm.FailedAt) {
		return nil
	}
	m, _ := w.view.Member(id)
	return &obstacle{reason: CoolingDown, member: id, until: again, detail: fmt.Sprintf("work on member %s came to nothing, %d times in a row; the next try is %s after the last", name(m), mm.Failures, again.Sub(mm.FailedAt))}
}

// retryAt is when a member is worked on again after a step that failed.
func (mm MemberMemory) retryAt() time.Time {
	return mm.FailedAt.Add(failRetry[min(mm.Failures, len(failRetry))-1])
}
