package claim_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

// scene is two watchdogs on a store in memory, each by a link of its own. The
// clock is the bubble's.
type scene struct {
	world
	kv           *etcdtest.KV
	linkA, linkB *etcdtest.Link
	a, b         *claim.Book
}

func play(t *testing.T, act func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		kv := etcdtest.NewKV()
		opts := options()
		opts.TTL = time.Minute
		s := &scene{
			world: world{T: t, ctx: t.Context(), store: kv, leases: kv, opts: opts},
			kv:    kv, linkA: kv.Link(), linkB: kv.Link(),
		}
		s.a, s.b = s.enrol(s.linkA, "hosta", 1), s.enrol(s.linkB, "hostb", 2)
		act(s)
	})
}

func (s *scene) enrol(link *etcdtest.Link, host string, member cluster.MemberID) *claim.Book {
	s.Helper()
	b := claim.New(link, link, s.opts, claim.Identity{Host: host, Process: 7}, claim.NewEphemeralSession())
	s.must(b.Enrol(s.ctx, member))
	return b
}

// run keeps b's lease alive for as long as its loop allows that.
func (s *scene) run(b *claim.Book) (stop func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	go b.Run(ctx)
	return cancel
}

func (s *scene) claims(b *claim.Book) cluster.Claims {
	s.Helper()
	claims, err := b.Read(s.ctx, nil, 0)
	s.must(err)
	return claims
}

func (s *scene) landsInVain(link *etcdtest.Link) {
	s.Helper()
	if n := link.Land(); n != 0 {
		s.Fatalf("%d delayed requests happened:\n%s", n, s.kv)
	}
}

// giveUp is a Take whose answers are all lost until its patience ends.
func (s *scene) giveUp(b *claim.Book) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := b.Take(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
		s.Fatalf("take: %v", err)
	}
}

func TestTakeWhoseAnswerIsLostIsFoundOut(t *testing.T) {
	tests := map[string]etcdtest.Effect{"it happened": etcdtest.LoseReply, "it may still": etcdtest.Delay}
	for name, effect := range tests {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.linkA.Fail(effect)
				held := s.take(s.a)
				if n := len(s.read().Keys); n != 2*2*3-1 {
					s.Errorf("%d keys, want one ticket busy:\n%s", n, s.kv)
				}
				s.landsInVain(s.linkA)
				s.must(held.GiveBack(s.ctx))
				s.landsInVain(s.linkA)
			})
		})
	}
}

func TestTakeThatLandsAfterItWasGivenUpIsInDoubt(t *testing.T) {
	play(t, func(s *scene) {
		s.linkA.Fail(etcdtest.Delay)
		s.giveUp(s.a)
		if n := s.linkA.Land(); n != 1 {
			t.Fatalf("%d requests happened", n)
		}
		s.busy(s.b, "hosta")
		if got := s.claims(s.a); !got.InDoubt || !got.Enrolled {
			t.Errorf("%+v, want in doubt", got)
		}
		if got := s.claims(s.b); got.InDoubt || got.HolderMember != 1 {
			t.Errorf("%+v, want held by member 1", got)
		}
		s.must(s.a.ReleaseDoubtful(s.ctx))
		s.must(s.take(s.b).GiveBack(s.ctx))
	})
}

func TestNextTakeHoldsWhatTheLastOneTook(t *testing.T) {
	play(t, func(s *scene) {
		s.linkA.Fail(etcdtest.LoseReply)
		s.giveUp(s.a)
		held := s.take(s.a)
		if s.claims(s.a).InDoubt {
			t.Error("in doubt, though held")
		}
		s.must(held.GiveBack(s.ctx))
		if s.claims(s.a).Holder != "" {
			t.Errorf("not free:\n%s", s.kv)
		}
	})
}

// A give-back on its way may free the ticket at any time, so nobody holds it
// any more.
func TestTicketThatIsBeingGivenBackIsNotHeldAgain(t *testing.T) {
	play(t, func(s *scene) {
		s.linkA.Fail(etcdtest.LoseReply)
		s.giveUp(s.a)
		s.linkA.Fail(etcdtest.Delay)
		ctx, cancel := context.WithTimeout(s.ctx, 100*time.Millisecond)
		defer cancel()
		if err := s.a.ReleaseDoubtful(ctx); err == nil {
			t.Fatal("given back, though the request is on its way")
		}
		_, err := s.a.Take(s.ctx, nil)
		s.wants(err, claim.ErrInDoubt)
		if n := s.linkA.Land(); n != 1 {
			t.Fatalf("%d requests happened", n)
		}
		s.must(s.take(s.a).GiveBack(s.ctx))
	})
}

func TestGivingBackGoesOnUntilTheTicketIsGone(t *testing.T) {
	play(t, func(s *scene) {
		held := s.take(s.a)
		s.linkA.Fail(etcdtest.Delay, etcdtest.Refuse, etcdtest.LoseReply)
		s.must(held.GiveBack(s.ctx))
		s.must(s.a.Enrol(s.ctx, 1)) // the ticket of the same name
		again := s.take(s.a)
		s.landsInVain(s.linkA)
		s.must(again.Check())
		s.busy(s.b, "hosta")
		s.must(again.GiveBack(s.ctx))
	})
}

func TestPutThatLandsLateFreesNobody(t *testing.T) {
	play(t, func(s *scene) {
		s.must(s.take(s.a).GiveBack(s.ctx))
		s.linkA.Fail(etcdtest.Delay)
		if err := s.a.Enrol(s.ctx, 1); err == nil {
			t.Fatal("enrolled, though the answer was lost")
		}
		s.must(s.a.Enrol(s.ctx, 1))
		held := s.take(s.a)
		s.landsInVain(s.linkA)
		s.busy(s.b, "hosta")
		s.must(held.GiveBack(s.ctx))
	})
}

func TestDeadlineComesBeforeTheLeaseEnds(t *testing.T) {
	play(t, func(s *scene) {
		held := s.take(s.a)
		begin := time.Now()
		<-held.Context().Done()
		if took := time.Since(begin); took != 50*time.Second {
			t.Errorf("lost after %s, want the TTL of a minute less a sixth", took)
		}
		s.wants(context.Cause(held.Context()), claim.ErrLost)
		s.wants(held.Check(), claim.ErrLost)
		s.busy(s.b, "hosta") // the ticket is there for the margin still
		time.Sleep(11 * time.Second)
		s.must(s.b.Enrol(s.ctx, 2)) // its lease has expired as well
		s.must(s.take(s.b).GiveBack(s.ctx))
		s.must(held.GiveBack(s.ctx))
	})
}

func TestKeepalivesFollowTheWorkLoop(t *testing.T) {
	play(t, func(s *scene) {
		defer s.run(s.a)()
		held := s.take(s.a)
		s.a.Allow(time.Now().Add(10 * time.Minute))
		time.Sleep(9 * time.Minute)
		s.must(held.Check())
		s.linkA.Cut(true)
		time.Sleep(30 * time.Second)
		s.linkA.Cut(false)
		time.Sleep(15 * time.Second) // 45 s after the cut: the retries have helped
		s.must(held.Check())
		time.Sleep(90 * time.Second) // the loop hangs
		s.wants(held.Check(), claim.ErrLost)
		s.must(s.b.Enrol(s.ctx, 2))
		s.must(s.take(s.b).GiveBack(s.ctx))
	})
}

func TestKeepalivesAreFewWhenTheLoopIsBusy(t *testing.T) {
	play(t, func(s *scene) {
		counting := &countingLeases{Leases: s.linkA}
		b := claim.New(s.linkA, counting, s.opts, claim.Identity{}, claim.NewEphemeralSession())
		s.must(b.Enrol(s.ctx, 3))
		defer s.run(b)()
		for range 600 {
			b.Allow(time.Now().Add(time.Minute))
			time.Sleep(500 * time.Millisecond)
		}
		if n := counting.keepalives.Load(); n < 30 || n > 32 {
			t.Errorf("%d keepalives in 5 minutes, want one in 10 s", n)
		}
	})
}

type countingLeases struct {
	claim.Leases
	keepalives atomic.Int64
}

func (c *countingLeases) KeepAlive(ctx context.Context, id claim.LeaseID) (time.Duration, error) {
	c.keepalives.Add(1)
	return c.Leases.KeepAlive(ctx, id)
}

func TestSuspendedMachineLosesTheClaim(t *testing.T) {
	play(t, func(s *scene) {
		var suspended atomic.Int64
		s.a.SetBootClock(func() time.Duration { return time.Duration(suspended.Load()) })
		held := s.take(s.a)
		suspended.Store(int64(49 * time.Second))
		s.must(held.Check())
		suspended.Store(int64(51 * time.Second))
		time.Sleep(2 * time.Second)
		s.wants(context.Cause(held.Context()), claim.ErrLost)
	})
}

func TestLeaseThatIsGoneIsForgotten(t *testing.T) {
	play(t, func(s *scene) {
		defer s.run(s.a)()
		held := s.take(s.a)
		s.a.Allow(time.Now().Add(time.Hour))
		s.kv.Expire()
		begin := time.Now()
		<-held.Context().Done()
		if took := time.Since(begin); took > 12*time.Second {
			t.Errorf("lost after %s, want soon after the next keepalive", took)
		}
		s.wants(held.Check(), claim.ErrLost)
		if s.claims(s.a).Enrolled {
			t.Error("enrolled without a lease")
		}
		_, err := s.a.Take(s.ctx, nil)
		s.wants(err, claim.ErrNotEnrolled)
		s.must(s.a.Enrol(s.ctx, 1))
		s.must(s.take(s.a).GiveBack(s.ctx))
	})
}

func TestLeaseThatExpiredUnnoticedIsReplacedByEnrol(t *testing.T) {
	play(t, func(s *scene) {
		s.kv.Expire() // nobody renews, and its life counts as certain still
		s.must(s.a.Enrol(s.ctx, 1))
		s.must(s.take(s.a).GiveBack(s.ctx))
	})
}

func TestForeignKeysAreLeftAloneAndOwnJunkIsNot(t *testing.T) {
	play(t, func(s *scene) {
		foreign := []string{"claim/1/note", "claim/1/0000000000000001/00/begin/x", "claim/1/0000000000000001/1/end", "claim/x/0000000000000001/01/end", "other"}
		s.commit(s.put(foreign...), true)
		// a's first ticket loses its end by hand; it must not be taken, nor hide
		// that the next one is.
		s.commit(s.delete("claim/1/0000000000000001/00/end"), true)
		held := s.take(s.a)
		s.busy(s.b, "hosta")
		s.must(held.GiveBack(s.ctx))
		s.must(s.a.Enrol(s.ctx, 1)) // clears the junk
		s.must(s.a.Enrol(s.ctx, 1)) // and makes the ticket anew
		if n := len(s.read().Keys); n != 2*2*3+len(foreign) {
			t.Errorf("%d keys, want two full books and %d foreign ones:\n%s", n, len(foreign), s.kv)
		}
	})
}

func TestTooManyBooksAreNotGuessedAt(t *testing.T) {
	play(t, func(s *scene) {
		s.opts.Tickets = 1
		for i := 3; i <= 120; i++ {
			s.enrol(s.linkB, "host", cluster.MemberID(i))
		}
		s.must(s.take(s.a).GiveBack(s.ctx))
		s.enrol(s.linkB, "host", 121)
		_, err := s.a.Take(s.ctx, nil)
		var many *claim.TooManyBooksError
		if !errors.As(err, &many) || many.Books != 121 || !strings.Contains(err.Error(), "/test/claim/") {
			t.Errorf("error %v, want 121 books", err)
		}
	})
}

func TestBookOfManyTicketsIsPutWhole(t *testing.T) {
	play(t, func(s *scene) {
		s.opts.Tickets = 100
		s.enrol(s.linkA, strings.Repeat("h", 1000), 3)
		last := s.read().Keys[2*2*3+2*100-1]
		if !strings.HasSuffix(last.Key, "/99/end") || len(last.Value) > 200 {
			t.Errorf("the last key is %s with %d bytes", last.Key, len(last.Value))
		}
	})
}

func TestLeaseThatCannotBeKeptIsNotUsed(t *testing.T) {
	play(t, func(s *scene) {
		dir := t.TempDir()
		session, err := claim.OpenSession(dir, "machine", "boot")
		s.must(err)
		s.must(os.RemoveAll(dir))
		b := claim.New(s.kv, s.kv, s.opts, claim.Identity{}, session)
		before := s.kv.String()
		if err := b.Enrol(s.ctx, 3); err == nil {
			t.Error("enrolled, though the next process could not resume")
		}
		if after := s.kv.String(); after != before {
			t.Errorf("keys were put:\n%s", after)
		}
		s.must(session.Close())
	})
}

func TestMemberThatComesBackUnderAnotherIDIsWatched(t *testing.T) {
	play(t, func(s *scene) {
		s.must(s.a.Enrol(s.ctx, 9))
		if got := fmt.Sprint(s.claims(s.a).Watched); got != "[1 2 9]" {
			t.Errorf("watched %s", got)
		}
		held := s.take(s.a)
		s.busy(s.b, "hosta")
		s.must(held.GiveBack(s.ctx))
	})
}

func TestWatchersTellWhoStandsBehindAMember(t *testing.T) {
	play(t, func(s *scene) {
		if _, err := s.a.Take(s.ctx, nil); err != nil {
			s.Fatal(err)
		}
		before := s.kv.String()
		who, err := s.b.Watchers(s.ctx)
		s.must(err)
		want := []claim.Watcher{
			{Member: 1, Host: "hosta", Process: 7, Tickets: s.opts.Tickets - 1, Holds: true},
			{Member: 2, Host: "hostb", Process: 7, Tickets: s.opts.Tickets},
		}
		if !slices.Equal(who, want) {
			s.Errorf("got %+v, want %+v", who, want)
		}
		if after := s.kv.String(); after != before {
			s.Errorf("asking changed the store from\n%s\nto\n%s", before, after)
		}
	})
}
