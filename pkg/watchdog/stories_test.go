package watchdog_test

import (
	"context"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// story is one heal, from its beginning to a cluster that is left alone.
type story struct {
	name, tells string
	members     int
	config      func(*etcdtest.Config)
	act         func(*stage)
}

// slowly makes a defragmentation of the 64 MiB that are live take 6.4 s.
func slowly(c *etcdtest.Config) { c.DefragmentBytesPerSecond = 10 * mib }

var stories = []story{
	{"members-1", "One member: no claim is needed, and the cluster pauses meanwhile.", 1, nil, watchedAndFull},
	{"members-2", "Two members: each pauses the cluster.", 2, nil, watchedAndFull},
	{"members-3", "Three watched members fill up.", 3, nil, watchedAndFull},
	{"members-5", "Five watched members fill up.", 5, nil, watchedAndFull},
	{"started-late", "The watchdogs are started on a cluster that is full: no watchdog can have a ticket, so the one next to the leader works, under its term.", 3, nil, startedLate},
	{"lone", "One of three members is watched; its watchdog adopts the others.", 3, nil, lone},
	{"lone-started-late", "One of three members is watched, and only since the cluster is full.", 3, nil, loneStartedLate},
	{"member-down", "A member is down when the cluster fills up. It is healed without it, and again when it comes back.", 3, nil, memberDown},
	{"holder-killed-and-restarted", "The holder of the claim is killed in the middle of a defragmentation and restarted at once.", 3, slowly, holderRestarted},
	{"holder-killed", "The holder of the claim is killed in the middle of a defragmentation and does not come back.", 3, slowly, holderGone},
	{"leader-fullest", "The leader's member is the fullest; it is worked on last, and leads no more then.", 3, leaderFullest, leaderLast},
	{"removed-member", "The alarm of a member that was removed is listed, and every file is small.", 3, nil, removedMember},
	{"by-hand", "Somebody defragments a member by hand when the cluster fills up.", 3, slowly, byHand},
	{"learner-full", "A full learner keeps the alarm up until it is removed.", 3, nil, learnerFull},
	{"corrupt-before", "CORRUPT is listed beside NOSPACE until a person has dealt with it.", 3, nil, corruptBefore},
	{"corrupt-during", "CORRUPT is listed while a member is being defragmented.", 3, slowly, corruptDuring},
	{"identity-mismatch", "Two watchdogs reach themselves when they ask for the third member.", 3, nil, mismatch},
	{"no-quorum", "Two of three members are down when the cluster is full, and come back.", 3, nil, noQuorum},
	{"quota-assumed-too-large", "The quota is 512 MiB and cannot be learnt, so 2 GiB are assumed.", 3, assumed(512 * mib), watchedAndFull},
	{"quota-assumed-too-small", "The quota is 8 GiB and cannot be learnt, so the file looks larger than its quota.", 3, assumed(8192 * mib), assumedTooSmall},
	{"live-data-too-large", "97 % of the quota are live data, until a person deletes half of them.", 3, almostAllLive, liveDataTooLarge},
}

func TestTranscripts(t *testing.T) {
	for _, st := range stories {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			config := etcdtest.DefaultConfig(st.members)
			if st.config != nil {
				st.config(&config)
			}
			var got string
			play(t, config, func(s *stage) {
				st.act(s)
				got = s.transcript()
				s.jobsEnd(t)
			})
			golden(t, st.name, st.tells, got)
		})
	}
}

// once checks that every voter was defragmented exactly once.
func (s *stage) once() {
	s.Helper()
	for _, m := range s.etcd.View().Voters() {
		if n := s.etcd.History().Defragmentations()[m.ID]; n != 1 {
			s.Errorf("member %s was defragmented %d times", m.ID, n)
		}
	}
}

// order returns the members in the order in which they were defragmented.
func (s *stage) order() []cluster.MemberID {
	var order []cluster.MemberID
	for _, e := range s.etcd.History().Of(etcdtest.DefragmentBegin) {
		order = append(order, e.Member)
	}
	return order
}

func watchedAndFull(s *stage) {
	all := ids(len(s.etcd.View().Members))
	s.watch(all...)
	s.enrolled(all...)
	s.fill(1)
	s.healed(time.Minute)
	s.once()
	if n := len(s.journal.of(event.Healed)); n != 1 {
		s.Errorf("%d watchdogs say that they have healed the cluster", n)
	}
	if n := s.tickets().whole; n != s.claim.Tickets*len(all) {
		s.Errorf("%d tickets afterwards, want full books", n)
	}
}

func startedLate(s *stage) {
	s.fill(1)
	s.watch(1, 2, 3)
	s.healed(time.Minute)
	s.once()
	if o := s.order(); o[0] != 2 || o[1] != 3 || o[2] != 1 {
		s.Errorf("order %v, want the leader last", o)
	}
	if began := s.etcd.History().Of(etcdtest.DefragmentBegin)[0].At.Sub(s.began); began > s.limits.Settled()+2*s.limits.MinPollInterval {
		s.Errorf("the first step was sent %s after the start, want within S and two polls", began)
	}
	if s.tickets().whole != 3*s.claim.Tickets {
		s.Error("not enrolled afterwards")
	}
}

func lone(s *stage) {
	s.watch(2)
	s.enrolled(2)
	s.fill(1)
	s.healed(15 * time.Minute)
	s.once()
}

func loneStartedLate(s *stage) {
	s.fill(1)
	s.watch(2)
	s.healed(30 * time.Minute)
	s.once()
}

func memberDown(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.etcd.Kill(3)
	s.fill(1)
	s.healed(s.limits.UnreachableGrace + time.Minute)
	if n := s.etcd.History().Defragmentations(); n[1] != 1 || n[2] != 1 || n[3] != 0 {
		s.Errorf("defragmentations %v, want one each of the members that are there", n)
	}
	s.etcd.Start(3, 2*time.Second)
	s.until("the member is as full as the others were", 10*time.Second, func() bool {
		m, _ := s.etcd.View().Member(3)
		return m.SizeBytes > 512*mib
	})
	s.fill(3)
	s.healed(time.Minute)
	s.once()
}

// begun waits for a defragmentation, and then somewhat longer.
func (s *stage) begun(by cluster.MemberID) {
	s.Helper()
	s.until("a defragmentation has begun", time.Minute, func() bool {
		for _, e := range s.etcd.History().Of(etcdtest.DefragmentBegin) {
			if e.By == by {
				return true
			}
		}
		return false
	})
	time.Sleep(2 * time.Second)
}

func holderRestarted(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	s.begun(2)
	s.bury(s.running[2])
	s.watch(2)
	s.healed(2 * time.Minute)
	s.once()
	if len(s.journal.of(event.Resumed)) != 1 || len(s.journal.of(event.TicketInDoubt)) != 1 {
		s.Error("the restarted watchdog did not find its ticket")
	}
}

func holderGone(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	s.begun(2)
	s.bury(s.running[2])
	s.healed(10 * time.Minute)
	s.once()
}

func leaderFullest(c *etcdtest.Config) { c.Members[0].FreeBytes = 200 * mib }

func leaderLast(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	if err := s.etcd.Overwrite(s.Context(), 2, 420*mib); err != nil {
		s.Fatal(err)
	}
	s.fill(1)
	s.healed(time.Minute)
	s.once()
	if o := s.order(); o[2] != 1 {
		s.Errorf("order %v, want the leader last", o)
	}
	if stall := s.etcd.History().LeaseStall(); stall > 0 {
		s.Errorf("no lease could be renewed for %s", stall)
	}
}

func removedMember(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.etcd.Raise(cluster.Alarm{Member: 0xdead, Kind: cluster.AlarmNoSpace})
	s.healed(time.Minute)
	if o := s.order(); len(o) > 0 {
		s.Errorf("defragmented %v", o)
	}
}

func byHand(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	go func() {
		step := cluster.Step{Kind: cluster.StepDefragment, Member: 3}
		_ = s.etcd.Operator(0).Do(context.Background(), step) // its end is in the history
	}()
	s.healed(3 * time.Minute)
}

func learnerFull(s *stage) {
	learner := etcdtest.DefaultConfig(4).Members[3]
	learner.Learner, learner.FreeBytes = true, 600*mib
	s.etcd.Add(learner)
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	time.Sleep(10 * time.Minute)
	if n := len(s.etcd.History().Of(etcdtest.Disarmed)); n > 0 {
		s.Errorf("disarmed %d times, and the learner raised the alarm each time", n)
	}
	s.etcd.Remove(learner.ID)
	s.healed(2 * time.Minute)
}

// overcome is what a person does about a CORRUPT alarm in the end.
func (s *stage) overcome(a cluster.Alarm) {
	s.Helper()
	step := cluster.Step{Kind: cluster.StepDisarm, Member: a.Member, Alarm: a.Kind}
	if err := s.etcd.Operator(0).Do(s.Context(), step); err != nil {
		s.Fatal(err)
	}
}

var corrupt = cluster.Alarm{Member: 3, Kind: cluster.AlarmCorrupt}

func corruptBefore(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	s.etcd.Raise(corrupt)
	time.Sleep(10 * time.Minute)
	if o := s.order(); len(o) > 0 {
		s.Errorf("defragmented %v", o)
	}
	s.overcome(corrupt)
	s.healed(time.Minute)
	s.once()
}

func corruptDuring(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	s.begun(2)
	s.etcd.Raise(corrupt)
	time.Sleep(10 * time.Minute)
	if o := s.order(); len(o) != 1 {
		s.Errorf("defragmented %v, want the one that was being worked on", o)
	}
	s.overcome(corrupt)
	s.healed(time.Minute)
	s.once()
}

func mismatch(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.etcd.Stray(1, 3, 1)
	s.etcd.Stray(2, 3, 2)
	s.fill(1)
	time.Sleep(5 * time.Minute)
	if len(s.journal.of(event.IdentityMismatch)) != 2 {
		s.Error("want the mismatch told by the two that see it")
	}
	s.etcd.Stray(1, 3, 0)
	s.etcd.Stray(2, 3, 0)
	s.healed(10 * time.Minute)
	s.once()
}

func noQuorum(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	s.etcd.Kill(2)
	s.etcd.Kill(3)
	time.Sleep(10 * time.Minute)
	if o := s.order(); len(o) > 0 {
		s.Errorf("defragmented %v without a quorum", o)
	}
	s.etcd.Start(2, time.Second)
	s.etcd.Start(3, time.Second)
	s.healed(5 * time.Minute)
	s.once()
}

func assumed(quota int64) func(*etcdtest.Config) {
	return func(c *etcdtest.Config) {
		for i := range c.Members {
			c.Members[i].QuotaBytes = quota
			c.Members[i].Seen = cluster.Quota{Bytes: cluster.DefaultQuotaBytes, Source: cluster.QuotaAssumed}
		}
	}
}

func assumedTooSmall(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	if err := s.etcd.Overwrite(s.Context(), 1, 4096*mib); err != nil {
		s.Fatal(err)
	}
	time.Sleep(2 * time.Hour)
	if h := s.etcd.History(); len(h) > 0 {
		s.Errorf("nothing was asked for, and yet:\n%s", h)
	}
}

func almostAllLive(c *etcdtest.Config) {
	for i := range c.Members {
		c.Members[i].LiveBytes, c.Members[i].OldBytes, c.Members[i].FreeBytes = 497*mib, 8*mib, 0
	}
}

func liveDataTooLarge(s *stage) {
	s.watch(1, 2, 3)
	s.enrolled(1, 2, 3)
	s.fill(1)
	time.Sleep(15 * time.Minute)
	if n := len(s.etcd.History().Of(etcdtest.Disarmed)); n > 0 {
		s.Errorf("disarmed %d times with no room to write", n)
	}
	if err := s.etcd.Delete(s.Context(), 1, 250*mib); err != nil {
		s.Fatal(err)
	}
	s.healed(5 * time.Minute)
}
