package scenario

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// short is the configuration where members that do not answer are part of the
// scenario.
var short = map[string]string{"request-timeout": "2s"}

// With one member down, the others are healed once the grace has passed. It
// comes back full, and is healed like them.
func TestHealsWithoutAnAbsentMember(t *testing.T) {
	const grace = 4 * time.Second
	s := stage(t, "3.6", 3)
	s.watch(settings{etcd: short, other: "watch:\n  poll-interval: 1s\n  unreachable-grace: 4s\n"})
	s.write()
	absent := s.Member(2)
	s.must(absent.Kill())
	down := time.Now()
	s.fill()
	s.healed()
	first := s.defragmentations()[0]
	if first.Begin.Sub(down) < grace {
		t.Errorf("%s began %s after %s went down, within the grace of %s", first, first.Begin.Sub(down), absent.Name, grace)
	}
	s.must(absent.Start())
	s.must(absent.AwaitReady(t.Context()))
	s.until("the member that came back to be healed", func() (bool, string) {
		all, err := absent.Defragmentations()
		return len(all) > 0 && all[0].Completed, fmt.Sprint(all, err)
	})
	s.healed()
	s.unclaimed()
	s.safe()
	s.never("claim_lost", "defragmentation_failed", "compaction_failed", "disarm_failed")
}

// The holder of the claim is killed in the middle of a defragmentation, and
// started again: it finds its own ticket busy, and nobody begins anything
// before that is settled.
func TestHolderIsKilledAndRestarted(t *testing.T) {
	s := stage(t, "3.7", 3)
	s.watch(settings{etcd: short})
	s.write()
	s.fillWith(40 * mebibyte)
	frozen, holder := s.midway()
	s.must(holder.Kill())
	s.must(holder.Start())
	s.polls(3)
	s.alone(frozen)
	s.must(frozen.Resume())
	s.healed()
	s.unclaimed()
	s.end(s.each())
	if n := len(s.of(holder, "ticket_in_doubt")); n != 1 {
		t.Errorf("%d entries ticket_in_doubt of the holder, want 1", n)
	}
}

// The same, but nobody starts it again: its tickets expire, and the others go
// on once the member answers.
func TestHolderIsKilledForGood(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 3)
	s.watch(settings{etcd: short, other: quick + "maintenance:\n  adopt-after: 2s\nclaim:\n  ttl: 12s\n"})
	s.write()
	s.fillWith(40 * mebibyte)
	frozen, holder := s.midway()
	s.must(holder.Kill())
	s.until("the tickets of the holder to expire", func() (bool, string) {
		keys := s.tickets(frozen)
		return !strings.Contains(strings.Join(keys, " "), fmt.Sprintf("%x", frozen.ID())), fmt.Sprint(keys)
	})
	s.polls(3)
	s.alone(frozen)
	s.must(frozen.Resume())
	s.healed()
	s.unclaimed()
	s.end(s.each())
}
