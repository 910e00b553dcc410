package policy_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// decide is policy.Decide held against the invariants. They are written down
// here once more, from the rules and not from the code, and hold for whatever
// is looked at.
func decide(t testing.TB, l policy.Limits, now time.Time, v cluster.View, mem policy.Memory) policy.Decision {
	t.Helper()
	view, memory := v.Clone(), cloneMemory(mem)
	d := policy.Decide(l, now, v, mem)
	if again := policy.Decide(l, now, v.Clone(), cloneMemory(mem)); !reflect.DeepEqual(d, again) {
		t.Errorf("I9: equal inputs, and once %+v, once %+v", d, again)
	}
	if !reflect.DeepEqual(view, v.Clone()) || !reflect.DeepEqual(memory, cloneMemory(mem)) {
		t.Error("I9: an input was modified")
	}
	j := judge{t, l, now, v, mem, d}
	j.stillness()
	j.distance()
	j.steps()
	j.permits()
	j.disarming()
	j.defragmenting()
	j.voluntary()
	if t.Failed() {
		t.Fatalf("decided: %s\nlimits: %+v\nview: %+v\nmemory: %+v", brief(d), l, v, mem)
	}
	return d
}

func cloneMemory(m policy.Memory) policy.Memory {
	m.Members, m.Doubts = slices.Clone(m.Members), slices.Clone(m.Doubts)
	return m
}

// judge holds one decision against the invariants.
type judge struct {
	testing.TB
	l   policy.Limits
	now time.Time
	v   cluster.View
	mem policy.Memory
	d   policy.Decision
}

func (j judge) require(holds bool, invariant string) {
	j.Helper()
	if !holds {
		j.Error(invariant)
	}
}

func (j judge) armed() bool { return j.v.Alarmed(cluster.AlarmNoSpace) }

// excused: absent beyond the grace, under NOSPACE, and not the leader.
func (j judge) excused(m cluster.Member) bool {
	since, ready := j.mem.Of(m.ID).AwaySince, j.mem.Of(m.ID).ReadySince
	if !ready.IsZero() {
		return false
	}
	return j.armed() && m.Contact != cluster.Mismatched && !m.Blocked && m.ID != j.v.Leader() && !since.IsZero() && !j.now.Before(since.Add(j.l.UnreachableGrace))
}

// healthy: it answers, and has caught up with a leader.
func (j judge) healthy(m cluster.Member) bool {
	return m.Contact == cluster.Answered && m.Leader == j.v.Leader() && m.Leader != 0 && m.AppliedIndex+1000 >= j.v.AppliedIndex()
}

// stillness: when nothing at all may be done.
func (j judge) stillness() {
	local, _ := j.v.Member(j.v.Local)
	for when, still := range map[string]bool{
		"I2: CORRUPT is listed":                      j.v.Alarmed(cluster.AlarmCorrupt),
		"rule 3: a defragmentation is in doubt":      len(j.mem.Doubts) > 0,
		"rule 3: a ticket of this host is in doubt":  j.v.Claims.InDoubt,
		"nobody knows the members":                   j.v.Problem != "",
		"the cluster has no quorum":                  j.v.Leader() == 0,
		"I13: the local member is not the one asked": local.Contact != cluster.Answered,
	} {
		compactsOnly := strings.HasPrefix(when, "rule 3") && !j.d.Has(cluster.StepDefragment) && !j.d.Has(cluster.StepMoveLeader) && !j.d.Has(cluster.StepDisarm)
		j.require(!still || !j.d.Acts() || compactsOnly, "steps although "+when)
	}
	j.require(j.d.Reason != "", "no reason")
	j.require(!j.l.Observe || !j.d.Acts(), "steps although nothing but observing was asked for")
	j.require(!j.v.Pause.Holds(j.now) || !j.d.Acts(), "steps although this host is paused")
	j.require(slices.IsSortedFunc(j.d.Standing, func(a, b policy.Condition) int {
		if a.Reason == b.Reason && a.Member >= b.Member || a.Reason > b.Reason {
			return 1 // the same condition twice is out of order, too
		}
		return -1
	}), "what lasts is not sorted, or is said twice")
}

// distance: when the next look is.
func (j judge) distance() {
	next := j.d.Next
	j.require(j.l.MinPollInterval <= next && next <= j.l.PollInterval, "the next look is at no distance between the configured two")
	armed := j.armed() && !j.v.Alarmed(cluster.AlarmCorrupt)
	j.require(!j.d.Acts() && !armed || next == j.l.MinPollInterval, "work, or an alarm, is not looked after closely")
	for _, m := range j.v.Voters() {
		if m.Contact == cluster.Answered && m.Quota.Trusted() && m.Quota.Bytes > 0 && next > j.l.MinPollInterval {
			written := j.mem.Of(m.ID).Growth.Speed() * next.Seconds()
			j.require(written == 0 || float64(m.InUseBytes)+4*written <= float64(m.Quota.Bytes), "the quota can be reached before there is time for a look and for work")
		}
	}
}

// steps: what may be asked of whom, whatever the reason.
func (j judge) steps() {
	for i, s := range j.d.Steps {
		j.require(i == 0 || j.d.Steps[i-1].Kind < s.Kind || s.Kind == cluster.StepDisarm, "steps in disorder, or one kind twice")
		j.require(s.Kind != cluster.StepDefragment || i == len(j.d.Steps)-1, "a step after the defragmentation")
		if s.Kind == cluster.StepDisarm {
			continue
		}
		m, listed := j.v.Member(s.Member)
		j.require(listed && m.Contact == cluster.Answered, "I13: a step for a member that does not answer as itself")
		j.require(!m.Learner, "I5: a step for a learner")
		j.require(s.Member == j.d.Member, "a step for another member than the one worked on")
		switch s.Kind {
		case cluster.StepCompact:
			kept := j.l.KeepRevisions
			if j.armed() || j.d.Routine {
				kept = 0 // see routine
			}
			j.require(s.Revision > 0 && s.Revision <= j.v.Revision()-kept, "I4: compaction beyond what may be given up")
		case cluster.StepMoveLeader:
			to, listed := j.v.Member(s.To)
			j.require(j.l.MoveLeader && s.Member == j.v.Leader(), "a leadership is moved that is not there, or shall stay")
			j.require(listed && !to.Learner && s.To != s.Member && j.healthy(to), "the leadership moves to nobody fit for it")
			if s.To == j.v.Local && j.d.Permit == policy.Term {
				continue // a takeover
			}
			j.require(j.d.Has(cluster.StepDefragment), "a leadership is moved for nothing")
			better := slices.ContainsFunc(j.v.Voters(), func(m cluster.Member) bool { return m.ID != s.Member && j.healthy(m) && j.done(m) })
			j.require(j.done(to) || !better, "the leadership moves to a voter that is not done, and another one is")
		}
	}
}

// done: a member that nothing is left to do for under NOSPACE.
func (j judge) done(m cluster.Member) bool {
	full := j.armed() && j.l.Only == 0 && m.Quota.Trusted() && policy.Share(m.Usage()) >= j.l.DisarmBelow
	return !full || float64(m.ReclaimableBytes()) < j.least(m)*float64(m.Quota.Bytes)
}

// least is the share of the quota that has to be won under NOSPACE.
func (j judge) least(m cluster.Member) float64 {
	mm := j.mem.Of(m.ID)
	proven := !mm.ShrankAt.IsZero() && !mm.ShrankAt.Before(j.mem.ArmedSince) || !mm.WorkedAt.IsZero() && !mm.WorkedAt.Before(j.mem.ArmedSince)
	if proven {
		return 0.05
	}
	return 0.01
}

// permits: under what right the work is done.
func (j judge) permits() {
	if !j.d.Acts() {
		return
	}
	voters, claims := j.v.Voters(), j.v.Claims
	alone := len(voters) == 1 && voters[0].ID == j.v.Local
	old := slices.ContainsFunc(voters, func(m cluster.Member) bool {
		return m.Contact == cluster.Answered && slices.Contains(oldVersions, m.Version)
	})
	compactsOnly := len(j.d.Steps) == 1 && j.d.Has(cluster.StepCompact)
	disarmsOnly := !slices.ContainsFunc(j.d.Steps, func(s cluster.Step) bool { return s.Kind != cluster.StepDisarm })
	switch j.d.Permit {
	case policy.NoPermit:
		j.require(compactsOnly || disarmsOnly, "work without any right to it")
	case policy.Claim:
		j.require(claims.Known && claims.Enrolled && !j.now.Before(claims.UsableAt), "a claim without a ticket that may be taken")
		j.require(!old || !j.armed(), "a claim, and a full member refuses to let it be taken")
	case policy.Term:
		q := j.mem.Quiet
		j.require(claims.Known && j.armed() && len(claims.Watched) == 0, "the leader's term, and tickets may exist")
		j.require(j.v.Beside, "the leader's term, and this watchdog is not next to its member")
		j.require(q.Leader == j.v.Leader() && q.Term == claims.Term && q.Term != 0, "the leader's term, and it is not known")
		j.require(!q.Since.IsZero() && (j.v.At.Sub(q.Since) >= 15*time.Second || j.l.TakeAtOnce && j.v.Leader() != j.v.Local), "the leader's term, and it was not quiet for long enough")
		j.require((j.v.Leader() == j.v.Local) == j.d.Has(cluster.StepDefragment), "a defragmentation next to a follower, or a takeover next to the leader")
	case policy.SingleVoter:
		j.require(alone, "another member may be at work")
	case policy.Alone:
		j.require(j.l.Alone && j.armed(), "alone, and the operator has not stated it")
	}
	j.require(claims.Known || alone || compactsOnly || disarmsOnly, "work, and it is not known who holds the claim")
	j.require(!j.d.Has(cluster.StepDefragment) || claims.Holder == "", "I1: another watchdog holds the claim")
}

// oldVersions are those of the versions that tests use whose full members
// refuse even deletions.
var oldVersions = []string{"3.3.27", "3.4.19", "3.5.0", "3.5.2", "3.5.5", "3.5.6"}

// disarming: I6, I7.
func (j judge) disarming() {
	if !j.d.Has(cluster.StepDisarm) {
		return
	}
	var listed, disarmed []cluster.Alarm
	for _, a := range j.v.Alarms {
		if a.Kind == cluster.AlarmNoSpace {
			listed = append(listed, a)
		}
	}
	for _, s := range j.d.Steps {
		j.require(s.Kind == cluster.StepDisarm, "I7: disarm is not all that is done")
		disarmed = append(disarmed, cluster.Alarm{Member: s.Member, Kind: s.Alarm})
	}
	j.require(slices.Equal(listed, disarmed), "I6: disarmed is not what NOSPACE is listed for")
	back := j.mem.Disarms > 0 && !j.mem.ArmedSince.Before(j.mem.DisarmedAt) && j.mem.ArmedSince.Sub(j.mem.DisarmedAt) <= 10*time.Minute
	if back && !j.mem.ProgressAt.After(j.mem.DisarmedAt) {
		pause := []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}[min(j.mem.Disarms, 3)-1]
		restarted := slices.ContainsFunc(listed, func(a cluster.Alarm) bool { return j.mem.Of(a.Member).ReadySince.After(j.mem.DisarmedAt) })
		if restarted {
			pause = time.Minute
		}
		j.require(!j.now.Before(j.mem.DisarmedAt.Add(pause)), "the same alarm is disarmed over and over")
	}
	small, tight := !back, true
	for _, m := range j.v.Members {
		if m.Learner {
			full := m.Contact == cluster.Answered && m.Quota.Trusted() && m.Quota.Bytes > 0 && m.SizeBytes >= m.Quota.Bytes
			j.require(!full, "a learner is full and would raise the alarm again")
			continue
		}
		if j.excused(m) && (m.Contact != cluster.Answered || m.Took > 3*time.Second) {
			continue
		}
		j.require(m.Contact == cluster.Answered, "disarmed, and a voter is not there to be judged")
		if m.Quota.Bytes < 0 {
			small = small && m.Quota.Trusted()
			continue
		}
		disarmBelow := float64(j.l.DisarmBelow) * float64(m.Quota.Bytes)
		small = small && m.Quota.Trusted() && float64(m.SizeBytes) < disarmBelow
		margin := max(int64(0.02*float64(m.Quota.Bytes)), min(16*mib, m.Quota.Bytes/4))
		if m.Quota.Trusted() {
			tight = tight && (m.SizeBytes <= m.Quota.Bytes-margin || float64(m.SizeBytes) < disarmBelow)
			large := back || float64(m.SizeBytes) >= disarmBelow
			tight = tight && (!large || float64(m.ReclaimableBytes()) < j.least(m)*float64(m.Quota.Bytes) || j.l.Only != 0 && j.l.Only != m.ID)
		}
	}
	j.require(small || tight, "I6: disarmed while a file is too large, or can still be made smaller")
}

// defragmenting: I3.
func (j judge) defragmenting() {
	if !j.d.Has(cluster.StepDefragment) {
		return
	}
	for _, m := range j.v.Voters() {
		j.require(j.healthy(m) || m.ID != j.d.Member && j.excused(m), "I3: a defragmentation while a voter is absent or catching up")
	}
	reason, why := policy.Unfit(j.l, j.now, j.v, j.mem, j.d.Member)
	j.require(reason == "" && why == "", "decided, and then called unfit")
	j.require(j.l.Only == 0 || j.l.Only == j.d.Member, "another member was asked for")
	m, _ := j.v.Member(j.d.Member)
	room := m.InUseBytes + max(m.InUseBytes/10, 64*mib)
	j.require(!j.v.Disk.Known || j.v.Local != m.ID || j.v.Disk.FreeBytes >= room, "a defragmentation without room on the disk")
	j.require(!slices.Contains(gravelyFaulty, m.Version) || j.armed() && j.d.Risk != "", "a faulty version is defragmented without need, or without a word")
	for _, o := range j.v.Voters() {
		j.require(j.armed() || o.DowngradeTo == "" && (o.Contact != cluster.Answered || lineOf(o.Version) == lineOf(m.Version)), "voluntary work while versions change")
	}
}

func lineOf(version string) string { return version[:max(0, strings.LastIndex(version, "."))] }

// gravelyFaulty are those of the versions that tests use whose defragmentation
// may cost data.
var gravelyFaulty = []string{"3.5.0", "3.5.2", "3.5.5"}

// voluntary: what is asked of work while nothing is refused yet.
func (j judge) voluntary() {
	m, _ := j.v.Member(j.d.Member)
	if j.armed() || !j.d.Acts() {
		return
	}
	usage, reclaim := policy.Share(m.Usage()), policy.Share(float64(m.ReclaimableBytes())/float64(max(1, m.Quota.Bytes)))
	urgent := usage >= j.l.UrgentAt
	open := slices.ContainsFunc(j.l.Windows, func(w policy.Window) bool { return w.Open(j.now) })
	if !j.d.Has(cluster.StepDefragment) {
		j.routine(m)
		return
	}
	j.require(!j.d.Routine, "a defragmentation is no routine")
	j.require(m.Quota.Trusted() && usage >= j.l.DefragmentAt, "voluntary work on a file that is not known to be large")
	j.require(reclaim >= j.l.MinReclaim || urgent && reclaim >= j.l.MinReclaim/2, "voluntary work that wins too little")
	inPlace := j.d.Member == j.v.Leader() && !j.d.Has(cluster.StepMoveLeader) && len(j.v.Voters()) > 1
	j.require(!inPlace || open, "the leader is worked on in place, outside a window and without need")
	if urgent || j.l.Immediate {
		return
	}
	mm := j.mem.Of(m.ID)
	j.require(mm.WorkedAt.IsZero() || !j.now.Before(mm.WorkedAt.Add(mm.Cooldown)), "voluntary work on a member that cools down")
	j.require(open || len(j.l.Windows) == 0 && len(j.v.Voters()) >= 3, "voluntary work outside a window")
	j.require(open || j.d.Expected <= j.l.StallBudget, "voluntary work beyond the stall budget")
}

// pressed: at its speed a member is full before the looks can have told more.
func (j judge) pressed(m cluster.Member) bool {
	speed := j.mem.Of(m.ID).Growth.Speed()
	return speed > 0 && float64(m.Quota.Bytes-m.InUseBytes)/speed/8 <= j.l.MinPollInterval.Seconds()
}

// routine: rule 4, and I4 for it: what history is given up while nothing is
// refused yet.
func (j judge) routine(m cluster.Member) {
	j.require(j.d.Routine && len(j.d.Steps) == 1 && !j.d.Urgent && j.d.Permit == policy.NoPermit, "compaction alone is more than that")
	inUse := policy.Share(m.InUseUsage())
	j.require(m.Quota.Trusted() && inUse >= j.l.CompactAt, "history is given up and pages in use are not known to be too many")
	mm, to := j.mem.Of(m.ID), j.d.Steps[0].Revision
	kept := j.v.Revision() - to
	j.require(to > mm.CompactedRevision, "a compaction behind what is compacted already")
	if mm.CompactedAt.IsZero() {
		j.require(kept == j.l.KeepRevisions || kept < j.l.KeepRevisions && 2*kept+1 >= j.v.Revision(), "I4: the first compaction gives up history that it need not")
		return
	}
	room := policy.Share(1 - float64(mm.CompactedInUse)/float64(m.Quota.Bytes))
	grown := policy.Share(float64(m.InUseBytes-mm.CompactedInUse)/float64(m.Quota.Bytes)) >= min(0.05, max(0, room/4))
	if grown || j.now.Sub(mm.CompactedAt) >= 10*time.Minute {
		return
	}
	little := policy.Share(float64(mm.CompactionWon)/float64(m.Quota.Bytes)) < 0.05
	late := inUse >= j.l.DefragmentAt || j.pressed(m)
	halves := mm.KeptRevisions > 0 && kept == mm.KeptRevisions/2 && (mm.KeptRevisions == j.l.KeepRevisions || late)
	verdict := mm.KeptRevisions == 0 && policy.Share(float64(mm.CompactedInUse)/float64(m.Quota.Bytes)) >= j.l.DisarmBelow
	verdict = verdict && inUse >= j.l.DisarmBelow && kept == 0 && j.now.Sub(mm.CompactedAt) >= time.Minute
	j.require(!little || halves || verdict, "a compaction that won next to nothing is repeated")
	j.require(kept >= mm.KeptRevisions/2 || late, "I4: more than half of the history is given up at once")
}
