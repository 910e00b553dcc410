package policy_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// dice makes choices of bytes, so that a fuzzer can make them. Where the bytes
// end, every choice is the first, which is the ordinary one.
type dice struct{ bytes []byte }

func (d *dice) roll(sides int) int {
	if len(d.bytes) == 0 {
		return 0
	}
	b := d.bytes[0]
	d.bytes = d.bytes[1:]
	return int(b) % sides
}

func pick[T any](d *dice, from ...T) T { return from[d.roll(len(from))] }

// seldom is true once in n.
func (d *dice) seldom(n int) bool { return d.roll(n) == n-1 }

// ago is a moment before now, or never.
func (d *dice) ago(now time.Time, from ...time.Duration) time.Time {
	if i := d.roll(len(from) + 1); i > 0 {
		return now.Add(-from[i-1])
	}
	return time.Time{}
}

// FuzzDecide holds decisions about any view, after any memory, against the
// invariants; `go test -fuzz FuzzDecide ./pkg/policy` looks for one that breaks
// them.
func FuzzDecide(f *testing.F) {
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) { decideAnything(t, data) })
}

// TestDecideAnything does the same with bytes from a seed, and sees to it that
// the choices reach all that can be decided: else the invariants would hold by
// themselves.
func TestDecideAnything(t *testing.T) {
	t.Parallel()
	seen := map[any]int{}
	for seed := range uint64(20_000) {
		d := decideAnything(t, randomBytes(seed, 200))
		seen[d.Reason]++
		seen[d.Permit]++
		for _, s := range d.Steps {
			seen[s.Kind]++
		}
	}
	for _, want := range everyDecision {
		if seen[want] == 0 {
			t.Errorf("%v was never decided: the choices do not reach it", want)
		}
	}
}

var everyDecision = []any{
	policy.BelowThreshold, policy.NearQuota, policy.NospaceArmed, policy.CorruptArmed, policy.IdentityMismatch,
	policy.NotQuorate, policy.MemberUnreachable, policy.MemberCatchingUp, policy.DefragmentationUnknown,
	policy.CoolingDown, policy.OutsideWindow, policy.StallBudget, policy.NothingToReclaim, policy.LiveDataTooLarge,
	policy.LearnerFull, policy.QuotaAssumed, policy.WaitingForClaim, policy.AnotherMembersTurn, policy.Adopted,
	policy.VersionGuard, policy.DiskTooSmall, policy.Observing, policy.Paused,
	policy.NoPermit, policy.Claim, policy.Term, policy.SingleVoter, policy.Alone,
	cluster.StepCompact, cluster.StepMoveLeader, cluster.StepDefragment, cluster.StepDisarm,
}

func randomBytes(seed uint64, n int) []byte {
	r, b := rand.New(rand.NewPCG(seed, 1)), make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// decideAnything makes a world of bytes and decides in it.
func decideAnything(t testing.TB, data []byte) policy.Decision {
	d := &dice{data}
	l := anyLimits(d)
	v := anyView(d)
	before := anyMemory(d, v)
	if d.seldom(20) {
		v.Pause = cluster.Pause{Until: v.At.Add(time.Hour)}
	}
	kept := cloneMemory(before)
	after := before.WithLook(l, v)
	if !reflect.DeepEqual(before, kept) {
		t.Fatal("I9: the memory was modified by a look")
	}
	if len(v.Members) > 0 && len(after.Members) != len(v.Members) {
		t.Fatalf("%d members are remembered of %d", len(after.Members), len(v.Members))
	}
	decision := decide(t, l, v.At, v, after)
	for _, m := range v.Members { // the question is put to any member, at any moment
		policy.Unfit(l, v.At, v, after, m.ID)
		policy.CaughtUp(v, m.ID)
	}
	explainAnything(t, l, v, after, decision)
	o := policy.Outcome{At: v.At, Decision: decision, Done: decision.Steps, View: v, Took: time.Second, Before: 600 * mib}
	kept = cloneMemory(after)
	after.WithOutcome(l, o).WithDoubt(policy.Doubt{Member: 4}).WithoutDoubt(2)
	if !reflect.DeepEqual(after, kept) {
		t.Fatal("I9: the memory was modified by an outcome or a doubt")
	}
	return decision
}

// explainAnything: what is due for this host's own member is what is decided, and
// the other way round.
func explainAnything(t testing.TB, l policy.Limits, v cluster.View, mem policy.Memory, d policy.Decision) {
	kept := cloneMemory(mem)
	for _, p := range policy.Explain(l, v.At, v, mem) {
		if p.Due && len(p.Steps) == 0 {
			t.Fatalf("member %s: due, and nothing is to be done: %+v", p.Member, p)
		}
		if m, _ := v.Member(p.Member); m.Learner || m.Contact != cluster.Answered || p.Member != v.Local {
			continue
		}
		if acts := d.Acts() && d.Member == p.Member; p.Due != acts || acts && !reflect.DeepEqual(p.Steps, d.Steps) {
			t.Fatalf("announced %+v, decided %+v", p, d)
		}
	}
	policy.Standing(l, v.At, v, mem)
	if !reflect.DeepEqual(mem, kept) {
		t.Fatal("I9: the memory was modified by an explanation")
	}
}

func anyLimits(d *dice) policy.Limits {
	l := policy.DefaultLimits()
	l.MoveLeader = !d.seldom(4)
	l.Immediate = d.seldom(8)
	l.Observe = d.seldom(20)
	l.Alone, l.TakeAtOnce = d.seldom(6), d.seldom(12)
	if d.seldom(10) {
		l.Only = pick[cluster.MemberID](d, 2, 4)
	}
	if d.seldom(4) { // each in its order, as the configuration has it
		l.CompactAt, l.DefragmentAt = pick[policy.Share](d, 0.1, 0.6, 0.7), pick[policy.Share](d, 0.75, 0.8, 0.91)
		l.UrgentAt, l.DisarmBelow = pick[policy.Share](d, 0.92, 0.95, 1), pick[policy.Share](d, 0.5, 0.85, 0.91)
		l.MinReclaim = pick[policy.Share](d, 0.2, 0, 0.5)
	}
	l.KeepRevisions = pick[int64](d, 1000, 0, 100_000)
	everyDay := [7]bool{true, true, true, true, true, true, true}
	switch d.roll(4) { // it is noon
	case 2:
		l.Windows = []policy.Window{{Days: everyDay, From: 11 * 60, To: 13 * 60, Location: time.UTC}}
	case 3:
		l.Windows = []policy.Window{{Days: everyDay, From: 1 * 60, To: 5 * 60, Location: time.UTC}}
	}
	return l
}

// anyView is a look that an observation can have; members 2, 4, ... vote.
func anyView(d *dice) cluster.View {
	v := cluster.View{At: begin, Ended: begin, ClusterID: 0xc, Beside: !d.seldom(6), Local: pick[cluster.MemberID](d, 2, 2, 2, 4, 4, 6)}
	voters, leader := pick(d, 3, 3, 3, 1, 2, 5), pick[cluster.MemberID](d, 2, 2, 4, 6, 10)
	all := pick(d, "3.6.16", "3.6.16", "3.6.16", "3.6.16", "3.5.6", "3.5.5")
	mixed := d.seldom(16)
	size, spread, troubled, assumed := anySize(d), d.seldom(2), d.seldom(2), d.seldom(6)
	if assumed {
		size, spread = pick(d, size, [2]int64{513 * mib, 509 * mib}, [2]int64{513 * mib, 511 * mib}), false
	}
	for i := range voters {
		m := anyMember(d, cluster.MemberID(2*i+2), leader, troubled)
		m.SizeBytes, m.InUseBytes = size[0], size[1]
		if spread {
			own := anySize(d)
			m.SizeBytes, m.InUseBytes = own[0], own[1]
		}
		if m.Version = all; assumed {
			m.Quota = cluster.Quota{Bytes: cluster.DefaultQuotaBytes}
		}
		if mixed {
			m.Version, m.DowngradeTo = pick(d, all, "3.7.3"), pick(d, "", "", "3.5.0")
		}
		v.Members = append(v.Members, onlyAnswers(m))
	}
	if d.seldom(12) {
		v.Disk = cluster.Disk{Known: true, FreeBytes: pick[int64](d, 50, 164, 600) * mib}
	}
	if d.seldom(5) {
		m := anyMember(d, 11, leader, false)
		m.Learner, m.SizeBytes, m.InUseBytes = true, pick[int64](d, 100*mib, 513*mib), 100*mib
		v.Members = append(v.Members, onlyAnswers(m))
		if d.seldom(3) {
			v.Local = 11
		}
	}
	if d.seldom(2) {
		v.Alarms = pick(d, []cluster.Alarm{{Member: 2, Kind: cluster.AlarmNoSpace}},
			[]cluster.Alarm{{Member: 2, Kind: cluster.AlarmNoSpace}, {Member: 4, Kind: cluster.AlarmNoSpace}},
			[]cluster.Alarm{{Member: 99, Kind: cluster.AlarmNoSpace}},
			[]cluster.Alarm{{Member: 0, Kind: cluster.AlarmNoSpace}, {Member: 2, Kind: cluster.AlarmNoSpace}},
			[]cluster.Alarm{{Member: 2, Kind: cluster.AlarmOther}, {Member: 4, Kind: cluster.AlarmNoSpace}},
			[]cluster.Alarm{{Member: 2, Kind: cluster.AlarmNoSpace}, {Member: 4, Kind: cluster.AlarmCorrupt}})
	}
	v.Claims = anyClaims(d, v.Local)
	if d.seldom(40) {
		v.Members, v.Problem = nil, "no member answers"
	}
	return v
}

// anySize is a file and what is in use of it, for a quota of 512 MiB.
func anySize(d *dice) [2]int64 {
	s := pick(d, [2]int64{100, 100}, [2]int64{513, 100}, [2]int64{513, 400}, [2]int64{513, 509}, [2]int64{440, 100}, [2]int64{440, 300},
		[2]int64{470, 469}, [2]int64{496, 496}, [2]int64{497, 497}, [2]int64{489, 410}, [2]int64{370, 20})
	return [2]int64{s[0] * mib, s[1] * mib}
}

func anyMember(d *dice, id, leader cluster.MemberID, troubled bool) cluster.Member {
	m := cluster.Member{ID: id, Contact: cluster.Answered, Leader: leader, RaftTerm: 2, AppliedIndex: 100_000, Revision: 5000}
	m.Quota = cluster.Quota{Bytes: pick[int64](d, 512, 512, 512, 512, 512, 560, 64) * mib, Source: cluster.QuotaLearnt}
	switch d.roll(16) {
	case 14:
		m.Quota.Bytes = -1
	case 15:
		m.Quota = cluster.Quota{Bytes: cluster.DefaultQuotaBytes}
	}
	if !troubled {
		return m
	}
	switch d.roll(12) {
	case 6:
		m.Contact = cluster.Mismatched
	case 7, 8:
		m.Contact = cluster.Silent
	case 9:
		m.AppliedIndex = pick[uint64](d, 98_999, 99_000, 0)
	case 10:
		m.Leader = 0
	case 11:
		m.RaftTerm, m.Revision = 3, 5010
	case 5:
		m.Took = pick(d, 1200*time.Millisecond, 4*time.Second)
	case 4:
		m.Contact, m.Blocked = cluster.Silent, true
	}
	return m
}

// onlyAnswers empties what only an answer fills.
func onlyAnswers(m cluster.Member) cluster.Member {
	if m.Contact == cluster.Answered {
		return m
	}
	return cluster.Member{ID: m.ID, Learner: m.Learner, Contact: m.Contact, Problem: "connection refused", Blocked: m.Blocked}
}

func anyClaims(d *dice, local cluster.MemberID) cluster.Claims {
	all := []cluster.MemberID{2, 4, 6, 8, 10, 11}
	c := cluster.Claims{Known: true, Enrolled: true, Watched: all, Term: 2}
	switch d.roll(8) {
	case 3:
		c.Watched = []cluster.MemberID{local}
	case 4:
		c.Enrolled, c.Watched = false, nil
	case 5:
		c.Enrolled, c.Watched = false, slices.DeleteFunc(slices.Clone(all), func(id cluster.MemberID) bool { return id == local })
	case 6:
		c = cluster.Claims{}
	case 7:
		c.Enrolled, c.Watched = false, nil
	}
	if c.Known && d.seldom(8) {
		c.UsableAt = begin.Add(pick(d, -time.Second, time.Second))
	}
	if c.Known && d.seldom(8) {
		c.Holder, c.HolderMember = "host4", 4
	}
	c.InDoubt = c.Known && d.seldom(24)
	return c
}

// anyMemory is a memory that earlier looks at the same members can have left.
func anyMemory(d *dice, v cluster.View) policy.Memory {
	var mem policy.Memory
	if d.seldom(4) {
		return mem
	}
	now := v.At
	for _, m := range v.Members {
		mm := policy.MemberMemory{
			ID:             m.ID,
			AwaySince:      d.ago(now, time.Minute, 5*time.Minute, time.Hour),
			ReadySince:     d.ago(now, time.Minute, time.Second),
			LargeSince:     d.ago(now, time.Minute, 3*time.Minute, 20*time.Minute),
			SizeBytes:      m.SizeBytes,
			InUseBytes:     pick(d, m.InUseBytes, m.SizeBytes),
			InUseSince:     d.ago(now, time.Second, time.Minute),
			WorkedAt:       d.ago(now, time.Minute, 24*time.Hour, -time.Hour),
			BytesPerSecond: pick[float64](d, 0, 1<<20, 500<<20),
			Growth:         anyGrowth(d, m, now),
			Cooldown:       pick(d, 0, 6*time.Hour, 48*time.Hour),
		}
		if mm.CompactedAt = d.ago(now, time.Second, time.Minute, time.Hour); !mm.CompactedAt.IsZero() {
			mm.CompactedRevision = pick[int64](d, 5000, 4000, 1000, 4938)
			mm.KeptRevisions = pick[int64](d, 0, 0, 0, 1000, 62)
			mm.CompactedInUse = pick(d, m.InUseBytes, m.InUseBytes/2, m.InUseBytes-m.InUseBytes/50)
			mm.CompactionWon = pick[int64](d, 0, 10, 200) * mib
		}
		mem.Members = append(mem.Members, mm)
	}
	mem.DueSince = d.ago(now, time.Second, time.Minute)
	mem.ProgressAt = d.ago(now, time.Second, 3*time.Minute)
	if len(v.Members) > 0 {
		mem.Quiet = policy.Quiet{Leader: v.Leader(), Term: pick[uint64](d, 2, 3), Since: d.ago(now, time.Second, 16*time.Second, 2*time.Minute)}
		for _, m := range v.Voters() {
			mem.Quiet.Voters = append(mem.Quiet.Voters, m.ID)
		}
	}
	if d.seldom(2) {
		mem.Disarms, mem.DisarmedAt = d.roll(6), now.Add(-pick(d, time.Second, 2*time.Minute, 6*time.Minute, 11*time.Minute))
	}
	if d.seldom(2) {
		mem.ArmedSince, mem.ArmedTopSize = now.Add(-pick(d, time.Second, 2*time.Minute, 20*time.Minute)), 513*mib
	}
	if d.seldom(12) && len(v.Members) > 0 {
		mem = mem.WithDoubt(policy.Doubt{Member: pick(d, v.Members...).ID, Closed: now.Add(-time.Minute)})
	}
	if d.seldom(2) { // the same observation, a while ago
		earlier := v.Clone()
		earlier.At = now.Add(-pick(d, time.Second, 16*time.Second, 3*time.Minute))
		earlier.Ended = earlier.At
		mem = mem.WithLook(policy.DefaultLimits(), earlier)
	}
	return mem
}

// anyGrowth is how a member came to its size.
func anyGrowth(d *dice, m cluster.Member, now time.Time) forecast.History {
	var h forecast.History
	each := pick(d, time.Hour, 500*time.Millisecond, 10*time.Second)
	slope := pick[int64](d, 0, 1<<10, 1<<20, 32<<20) // bytes from one to the next
	for i := range int64(pick(d, 0, 2, 30)) {
		less := i * slope
		h = h.Add(forecast.Sample{At: now.Add(-time.Duration(30-i) * each), SizeBytes: max(mib, m.SizeBytes-30*slope+less), InUseBytes: max(mib, m.InUseBytes-30*slope+less)})
	}
	return h
}
