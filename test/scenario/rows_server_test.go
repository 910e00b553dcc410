package scenario

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// A member whose process dies at each defragmentation is tried a few times, and
// the others get their turn.
func TestMemberDiesAtEachDefragmentation(t *testing.T) {
	fill := func(s *scene) { s.fillWith(40 * mebibyte) }
	for name, prepare := range map[string]func(*scene){"under NOSPACE": fill, "in peace": (*scene).leavePages} {
		for role, of := range map[string]func(*scene) *realetcd.Member{"follower": (*scene).follower, "leader": (*scene).leader} {
			t.Run(name+", "+role, func(t *testing.T) {
				onLines(t, "3.4", 3, func(s *scene) { s.diesAtEach(of(s), prepare) })
			})
		}
	}
}

func (s *scene) leader() *realetcd.Member {
	leader, _ := s.leads()
	return leader
}

func (s *scene) follower() *realetcd.Member {
	_, followers := s.leads()
	return followers[0]
}

func (s *scene) diesAtEach(m *realetcd.Member, prepare func(*scene)) {
	s.t.Helper()
	s.watch(settings{etcd: short})
	var crashes *realetcd.Crashes
	s.unwatched(func() {
		prepare(s)
		var err error
		crashes, err = m.CrashAt("defragmenting", time.Second)
		s.must(err)
	})
	s.passes(150 * time.Second)
	if times := crashes.Times(); len(times) == 0 || len(times) > 4 {
		s.t.Errorf("%s died %d times in 150 s, want at least once and 4 times at most: %v", m.Name, len(times), times)
	}
	for _, other := range s.Members() {
		if other != m {
			s.defragmented(other, time.Time{})
		}
	}
	if n := s.warned("defragmentation_failed", fmt.Sprintf("%x", m.ID())); n < len(crashes.Times())-1 {
		s.t.Errorf("%d warnings name %s after %d deaths", n, m.Name, len(crashes.Times()))
	}
	s.must(crashes.Stop())
	s.defragmented(m, time.Now().Add(-time.Second))
	s.healed()
	s.safe()
}

// leavePages has the file at 86 % of the quota and most of it free, without an
// alarm.
func (s *scene) leavePages() {
	s.t.Helper()
	_, err := s.WriteLive(s.t.Context(), realetcd.Load{Prefix: "data", LiveBytes: 54 * mebibyte, ValueBytes: 16 << 10, Seed: 1})
	s.must(err)
	_, err = s.Client(0).Delete(s.t.Context(), "data/000", clientv3.WithPrefix())
	s.must(err)
	s.compact()
}

// The quota cannot be read from afar (3.5) and each watchdog reads its own
// member's. Full of live data, and then restarted with a larger quota everywhere:
// writes are accepted soon.
func TestLargerQuotaAndSeparateMetrics(t *testing.T) {
	onLines(t, "3.5", 3, func(s *scene) {
		for _, m := range s.Members() {
			s.addAt(m.ClientURL, "dog-"+m.Name, settings{etcd: map[string]string{"metrics-url": m.HTTPURL + "/metrics"}})
		}
		s.dogs.Start()
		s.eachDog("enrolled", 1)
		s.live(0.96)
		s.fillWith(mebibyte)
		s.until("a watchdog to name the flag", func() (bool, string) {
			return s.warned("live_data_too_large", "--quota-backend-bytes") > 0, s.dogs.Transcript()
		})
		for _, m := range s.Members() {
			s.must(m.Stop())
			s.must(m.Start(fmt.Sprintf("--quota-backend-bytes=%d", 2*quota)))
			s.must(m.AwaitReady(s.t.Context()))
		}
		restarted := time.Now()
		s.healed()
		if took := time.Since(restarted); took > 30*time.Second+busyHost {
			s.t.Errorf("writes are accepted after %v, want within 30 s", took)
		}
		s.unclaimed()
		s.safe()
	}, func(c *realetcd.Config) { c.SeparateHTTP = true })
}

// NOSPACE that names no member, as the gateway can raise it.
func TestNoSpaceWithoutAMember(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		s.raise(pb.AlarmType_NOSPACE, 0)
		s.healed()
		s.polls(2)
		s.calm(10)
		if all := s.defragmentations(); len(all) > 0 {
			s.t.Errorf("members with room were defragmented: %v", all)
		}
		s.safe()
	})
}

// CORRUPT that names no member: nothing is touched, and nothing proposed.
func TestCorruptWithoutAMember(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		s.unwatched(func() {
			s.fill()
			s.raise(pb.AlarmType_CORRUPT, 0)
		})
		before := s.alarms()
		s.eachDog("corrupt_armed", 1)
		s.polls(2)
		s.calm(10)
		s.untouched()
		s.stillListed(before)
	})
}

// Tickets are put in transactions that the server allows.
func TestFewOperationsInATransaction(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		if n, want := len(s.tickets()), 3*2*16; n != want {
			s.t.Errorf("there are %d keys of tickets, want %d", n, want)
		}
		s.write()
		s.unwatched(func() {
			_, err := s.Fill(s.t.Context(), realetcd.Load{Prefix: "data", LiveBytes: 20 * mebibyte, ValueBytes: 128 << 10, Seed: 1})
			s.must(err)
		})
		s.healed()
		s.unclaimed()
		s.end(s.each())
		s.never("enrol_failed")
	}, func(c *realetcd.Config) { c.Args = append(c.Args, "--max-txn-ops=16") })
}

// Behind a balancer the watchdog's own member is now this one and now that: it
// is refused with a sentence, nothing is written any more, and no quota is taken
// for that of another member.
func TestBalancerAsEndpoint(t *testing.T) {
	quotas := func(i int) int64 { return int64(i+1) * quota }
	onLines(t, "3.4", 3, func(s *scene) {
		balancer, err := realetcd.StartBalancer(s.Endpoints(), 3*time.Second)
		s.must(err)
		s.t.Cleanup(func() { s.must(balancer.Close()) })
		dog := s.addAt(balancer.URL(), "dog", settings{})
		s.must(dog.Start())
		s.said(dog, "balancer")
		revision := func() int64 {
			got, err := s.Client(0).Get(s.t.Context(), "none")
			s.must(err)
			return got.Header.Revision
		}
		before := revision()
		s.passes(20 * time.Second)
		if after := revision(); after != before {
			s.t.Errorf("the revision went from %d to %d", before, after)
		}
		s.untouched()
		for _, e := range s.dogs.Entries() {
			var told struct {
				Bytes  int64  `json:"quota_bytes"`
				Source string `json:"quota_source"`
			}
			if json.Unmarshal([]byte(e.Line), &told) != nil || told.Source != "learnt" {
				continue
			}
			for i, m := range s.Members() {
				if e.MemberID == fmt.Sprintf("%x", m.ID()) && told.Bytes != quotas(i) {
					s.t.Errorf("%s has a quota of %d, and this was learnt: %s", m.Name, quotas(i), e.Line)
				}
			}
		}
	}, func(c *realetcd.Config) {
		c.QuotaBytes = 0
		c.MemberArgs = func(i int) []string { return []string{fmt.Sprintf("--quota-backend-bytes=%d", quotas(i))} }
	})
}

// Live data that nearly fill a small quota, and nobody writes: no member is
// defragmented for next to nothing, and NOSPACE is disarmed.
func TestTightSmallQuota(t *testing.T) {
	const valueBytes = 15 << 10 // two of them fill 8 pages, so that little is lost between
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{})
		for n, inUse := range []float64{12.1, 13.6} { // MiB
			live := realetcd.Load{Prefix: "data", LiveBytes: int64(inUse*mebibyte) / 16 * 15, ValueBytes: valueBytes, Seed: 1}
			s.unwatched(func() {
				_, err := s.Fill(s.t.Context(), live)
				s.must(err)
			})
			s.healed()
			s.unclaimed()
			for _, m := range s.Members() {
				all, err := m.Defragmentations()
				s.must(err)
				if most := 2 * (n + 1); len(all) > most {
					s.t.Errorf("%s was defragmented %d times at %v MiB, want %d times at most: %v", m.Name, len(all), inUse, most, all)
				}
			}
		}
		s.ticketsTaken(12)
		s.never("live_data_too_large")
		s.safe()
	}, func(c *realetcd.Config) { c.QuotaBytes = 16 * mebibyte })
}

// Another tool disarms again and again while a voter is away. Those disarms are
// not the watchdogs' own, and no reason to defragment again.
func TestAnotherToolDisarms(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{etcd: short, other: graceful})
		away := s.Member(2)
		s.unwatched(func() {
			s.fill()
			s.must(away.Kill())
		})
		s.write()
		for range 4 {
			var alarms []string
			s.until("an alarm to be listed", func() (bool, string) {
				alarms = s.alarms()
				return len(alarms) > 0, "none is"
			})
			for _, alarm := range alarms {
				var id uint64
				_, err := fmt.Sscanf(strings.TrimSuffix(alarm, ":NOSPACE"), "%x", &id)
				s.must(err)
				s.disarm(pb.AlarmType_NOSPACE, id)
			}
		}
		s.must(away.Start())
		s.must(away.AwaitReady(s.t.Context()))
		s.defragmented(away, time.Time{})
		s.healed()
		s.unclaimed()
		s.end(s.each())
	})
}

// A member that was added and never started: what is waited for, and until
// when, is the same in the journal and in the plan.
func TestMemberThatNeverStarted(t *testing.T) {
	onLines(t, "3.4", 3, func(s *scene) {
		s.watch(settings{etcd: short, other: "watch:\n  poll-interval: 1s\n  unreachable-grace: 20s\n"})
		s.write()
		s.unwatched(func() {
			s.fill()
			_, err := s.Client(0).MemberAdd(s.t.Context(), []string{"http://127.0.0.1:1"})
			s.must(err)
		})
		for _, dog := range s.dogs.Dogs {
			s.said(dog, "never started")
		}
		for _, command := range []string{"plan", "status"} {
			if said, _ := s.command(s.Member(0), command); !strings.Contains(said, "never started") {
				s.t.Errorf("%s does not say that a member has never started: %s", command, said)
			}
		}
		s.healed()
		s.unclaimed()
		s.end(s.each())
	})
}
