package scenario

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// graceful is a short grace, for worlds in which a member does not answer.
const graceful = "watch:\n  poll-interval: 1s\n  unreachable-grace: 4s\n"

// A voter that always takes longer for Status than the others is not late.
func TestSlowStatus(t *testing.T) {
	rules := new(wire.Rules)
	rules.Add(wire.SlowStatus("m1", 1400*time.Millisecond))
	onLines(t, "3.4", 3, func(s *scene) {
		for _, m := range s.Members() {
			s.addAt(m.AdvertisedURL, "dog-"+m.Name, settings{})
		}
		s.dogs.Start()
		s.eachDog("enrolled", 1)
		s.write()
		s.unwatched(s.fill)
		s.healed()
		s.unclaimed()
		s.end(s.each())
		s.ticketsTaken(len(s.Members()))
	}, proxied(t, rules))
}

// A machine on which everything is slow: a load of 15.
func TestBusyMachine(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		s.write()
		busy, err := realetcd.StartBusy(15)
		s.must(err)
		s.t.Cleanup(func() { s.must(busy.Stop()) })
		s.unwatched(s.fill)
		s.healed()
		s.unclaimed()
		s.end(s.each())
		s.ticketsTaken(len(s.Members()))
	})
}

// A voter that accepts connections and never answers is left out after the
// grace, and healed when it answers again.
func TestVoterThatNeverAnswers(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{other: graceful})
		s.write()
		hung := s.Member(2)
		s.unwatched(func() {
			s.must(hung.Suspend())
			s.fillWith(20 * mebibyte)
		})
		s.until("the others to be healed", func() (bool, string) {
			ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
			defer cancel()
			_, err := s.Client(0).Put(ctx, "probe", "x")
			return err == nil, fmt.Sprint(err)
		})
		s.ticketsTaken(2)
		s.must(hung.Resume())
		s.defragmented(hung, time.Time{})
		s.healed()
		s.unclaimed()
		s.safe()
	})
}

// A learner that never answers costs nothing, not even the grace.
func TestLearnerThatNeverAnswers(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		s.write()
		s.unwatched(func() {
			learner, err := s.AddLearner(s.t.Context())
			s.must(err)
			s.must(learner.Suspend())
			s.fill()
		})
		s.healed()
		s.unclaimed()
		s.end(map[int]int{0: 1, 1: 1, 2: 1})
		s.ticketsTaken(3)
	})
}

// Neither does a second client URL at which nothing ever answers, whichever of
// the two comes first.
func TestSecondURLThatNeverAnswers(t *testing.T) {
	for name, host := range map[string]string{"listed first": "127.0.0.10", "listed last": "127.0.0.1"} {
		t.Run(name, func(t *testing.T) {
			silent, err := realetcd.ListenSilent(host)
			if err != nil {
				t.Skip(err) // 127.0.0.10 is an address of its own on some systems
			}
			t.Cleanup(func() { _ = silent.Close() }) // nothing is lost with it
			onLines(t, "3.4", 3, func(s *scene) {
				s.watch(settings{})
				s.write()
				s.unwatched(s.fill)
				s.healed()
				s.unclaimed()
				s.end(s.each())
				s.ticketsTaken(3)
				s.never("member_unreachable")
			}, func(c *realetcd.Config) {
				c.Advertise = func(_, clientURL string) (string, error) { return silent.URL() + "," + clientURL, nil }
			})
		})
	}
}

// A member that cannot log answers Status, and its compaction hangs: the others
// are healed at once, and it is healed when its log flows.
func TestMemberThatCannotLog(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{etcd: map[string]string{"compact-timeout": "5s"}})
		_, followers := s.leads()
		stuck := followers[0]
		var since time.Time
		s.unwatched(func() {
			s.fill()
			s.must(stuck.HoldLog())
			since = time.Now()
		})
		for _, m := range s.Members() {
			if m != stuck {
				s.defragmented(m, since)
			}
		}
		if took := time.Since(since); took > 20*time.Second+busyHost {
			s.t.Errorf("the others were healed after %v, want at once", took)
		}
		s.until("a watchdog to report the compaction", func() (bool, string) {
			return s.warned("compaction_long", "") > 0, s.dogs.Transcript()
		})
		s.must(stuck.LetLogFlow())
		s.healed()
		s.unclaimed()
		s.safe()
	}, func(c *realetcd.Config) { c.LogPipe = true })
}

// A compaction that takes many times its time-out is asked for again, and
// reported once.
func TestCompactionThatTakesLong(t *testing.T) {
	for _, timeout := range []string{"8s", "2s"} { // of about 40 s
		t.Run(timeout, func(t *testing.T) {
			onLines(t, "3.4", 3, func(s *scene) {
				s.watch(settings{etcd: map[string]string{"compact-timeout": timeout}})
				s.unwatched(s.fill)
				var ended time.Time
				realetcd.Eventually(s.t, 3*within, "the compaction to end", func() (bool, string) {
					for _, m := range s.Members() {
						all, err := m.Compactions()
						s.must(err)
						if len(all) == 0 {
							return false, m.Name
						}
						ended = all[len(all)-1].At
					}
					return true, ""
				})
				s.healed()
				if took := time.Since(ended); took > time.Minute+busyHost {
					s.t.Errorf("healed %v after the compaction had ended, want within a minute", took)
				}
				for _, dog := range s.dogs.Dogs {
					if n := len(s.of(dog, "compaction_long")) + len(s.of(dog, "compaction_failed")); n > 1 {
						s.t.Errorf("%s reports the compaction %d times, want once", dog.Name, n)
					}
				}
				s.unclaimed()
				s.safe()
			}, slowCompaction)
		})
	}
}

// slowCompaction has members rest after each revision that they delete.
func slowCompaction(c *realetcd.Config) {
	flag := "--compaction-batch-limit=1"
	if c.Line.Name < "3.6" {
		flag = "--experimental-compaction-batch-limit=1"
	}
	c.Args = append(c.Args, flag)
}

// heldUp has the member's defragmentation last until the returned function is
// called: a snapshot is being read. The member answers pings in the meantime.
func (s *scene) heldUp(m *realetcd.Member) (end func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	s.t.Cleanup(cancel)
	stream, err := pb.NewMaintenanceClient(m.Client().ActiveConnection()).Snapshot(ctx, &pb.SnapshotRequest{})
	s.must(err)
	_, err = stream.Recv()
	s.must(err)
	return cancel
}

// lasts lets a defragmentation of that member last for so long.
func (s *scene) lasts(length time.Duration) {
	s.t.Helper()
	_, followers := s.leads()
	m := followers[0]
	var end func()
	s.unwatched(func() {
		s.fillWith(40 * mebibyte)
		end = s.heldUp(m)
	})
	s.until(m.Name+" to be defragmented", func() (bool, string) { return s.defragmenting(m), "it is not yet" })
	s.passes(length)
	end()
	s.healed()
	s.unclaimed()
	s.end(s.each())
}

// Tokens end several times while a defragmentation lasts: the claim is kept.
func TestTokensExpireDuringDefragmentation(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.user("root", "secret", "root")
		_, err := s.Client(0).AuthEnable(s.t.Context())
		s.must(err)
		s.watch(settings{
			etcd:  map[string]string{"user": "root", "password-file": s.file("secret"), "request-timeout": "2s"},
			other: graceful + "claim:\n  ttl: 30s\n",
		})
		s.lasts(40 * time.Second)
		s.never("claim_lost")
	}, func(c *realetcd.Config) {
		tokens, err := realetcd.JWT(t.TempDir(), 4*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		c.TLS, c.Args = true, append(c.Args, tokens) // the scene's own clients are root by their certificate
	})
}

// A server that allows one ping a minute does not cut a defragmentation off.
func TestServerThatAllowsFewPings(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{other: graceful})
		s.lasts(50 * time.Second)
		s.never("defragmentation_unknown", "defragmentation_failed")
	}, func(c *realetcd.Config) { c.Args = append(c.Args, "--grpc-keepalive-min-time=60s") })
}
