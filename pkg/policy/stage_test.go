package policy_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

const mib = 1 << 20

// begin is when every stage begins: a Monday at noon, far from any change of
// the clocks.
var begin = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)

// stage is the smallest cluster that a decision can change, and the watchdogs
// that look at it. Compaction leaves what is live and the history that is kept,
// on every member, but only the one that serves it tells so before the next
// write; defragmentation leaves what is in use; NOSPACE comes back as soon as
// time passes while a file is over its quota. Every decision made on it is held
// against the invariants.
type stage struct {
	t         testing.TB
	limits    policy.Limits
	now       time.Time
	actors    []actor // sorted by id
	leader    cluster.MemberID
	revision  int64
	alarms    []cluster.Alarm
	claims    cluster.Claims
	enrolled  []cluster.MemberID
	problem   string
	term      uint64             // of the leader
	apart     []cluster.MemberID // watchdogs that are not next to their member
	watchdogs []*watchdog
	done      []cluster.Step
	load      load
}

// actor is a member and what no look at it tells.
type actor struct {
	cluster.Member
	live int64 // what a compaction leaves, besides the history that is kept
	each int64 // what one revision of history takes; 0: all of it goes with any compaction
	kept int64 // the pages in use in truth
	real int64 // the quota that the server runs with; 0: the one that is shown
	lag  uint64
	lost bool // it knows no leader
	sick bool // it answers, and every defragmentation of it fails
}

// watchdog is the watchdog of one member.
type watchdog struct {
	local    cluster.MemberID
	memory   policy.Memory
	inDoubt  bool
	disk     cluster.Disk
	decision policy.Decision
	shown    string // the last line about it in the transcript
	standing string // the same of what lasts
}

func newStage(t testing.TB) *stage {
	limits := policy.DefaultLimits()
	limits.AssumedSpeed = 0 // else it would be the looks' distance in most scripts
	return &stage{
		t: t, limits: limits, now: begin, revision: 5000, leader: 1, term: 2,
		claims: cluster.Claims{Known: true},
	}
}

// actor returns the member of that id, which is made if there is none.
func (s *stage) actor(id cluster.MemberID) *actor {
	i, found := slices.BinarySearchFunc(s.actors, id, func(a actor, id cluster.MemberID) int { return cmp.Compare(a.ID, id) })
	if !found {
		made := actor{Member: cluster.Member{ID: id, Name: fmt.Sprintf("m%d", id), Contact: cluster.Answered, Version: "3.6.16"}}
		s.actors = slices.Insert(s.actors, i, made)
	}
	return &s.actors[i]
}

func (s *stage) watchdog(id cluster.MemberID) *watchdog {
	i := slices.IndexFunc(s.watchdogs, func(w *watchdog) bool { return w.local == id })
	if i < 0 {
		s.t.Fatalf("nobody watches member %s", id)
	}
	return s.watchdogs[i]
}

// view is what a watchdog sees now.
func (s *stage) view(w *watchdog) cluster.View {
	local := w.local
	v := cluster.View{At: s.now, Ended: s.now, ClusterID: 0xc, Local: local, Beside: !slices.Contains(s.apart, local), Alarms: slices.Clone(s.alarms), Claims: s.claims, Disk: w.disk, Problem: s.problem}
	v.Claims.Watched = slices.Clone(s.claims.Watched)
	v.Claims.Enrolled, v.Claims.InDoubt = slices.Contains(s.enrolled, local), w.inDoubt
	v.Claims.Term = s.term
	if !s.claims.Known {
		v.Claims = cluster.Claims{}
	}
	for _, a := range s.actors {
		m := a.Member
		switch m.Contact {
		case cluster.Answered:
			m.Leader, m.RaftTerm, m.AppliedIndex, m.Revision = s.leader, 2, 100_000-a.lag, s.revision
			if a.lost {
				m.Leader = 0
			}
		default:
			// The fields that only an answer fills.
			m = cluster.Member{ID: m.ID, Name: m.Name, Learner: m.Learner, Contact: m.Contact, Problem: "connection refused", Blocked: m.Blocked}
		}
		v.Members = append(v.Members, m)
	}
	return v
}

// look lets one watchdog look and decide.
func (s *stage) look(w *watchdog) policy.Decision {
	v := s.view(w)
	if w.memory.ClusterID == 0 { // the first of the two observations that show a member ready
		earlier := v.Clone()
		earlier.At, earlier.Ended = s.now.Add(-policy.LooksApart), s.now.Add(-policy.LooksApart)
		w.memory = w.memory.WithLook(s.limits, earlier)
	}
	w.memory = w.memory.WithLook(s.limits, v)
	w.decision = decide(s.t, s.limits, s.now, v, w.memory)
	w.memory = w.memory.WithDecision(w.decision)
	return w.decision
}

// act carries the last decision of one watchdog out.
func (s *stage) act(w *watchdog) {
	o := policy.Outcome{Decision: w.decision, Took: max(w.decision.Expected, time.Second)}
	for _, step := range w.decision.Steps {
		switch step.Kind {
		case cluster.StepCompact:
			o.InUseBefore = s.actor(step.Member).InUseBytes
		case cluster.StepDefragment:
			o.Before = s.actor(step.Member).SizeBytes
			if s.actor(step.Member).sick {
				o.Err = errors.New("no space left on device")
			}
		}
		if o.Err != nil {
			break
		}
		s.apply(step)
		s.done = append(s.done, step)
		o.Done = append(o.Done, step)
	}
	o.At, o.View = s.now, s.view(w)
	w.memory = w.memory.WithOutcome(s.limits, o)
}

// apply does one step, which takes its time.
func (s *stage) apply(step cluster.Step) {
	if step.Kind == cluster.StepDisarm {
		s.alarms = slices.DeleteFunc(s.alarms, func(a cluster.Alarm) bool { return a == cluster.Alarm{Member: step.Member, Kind: step.Alarm} })
		return
	}
	m := s.actor(step.Member)
	if m.Contact != cluster.Answered || m.Learner {
		s.t.Fatalf("%s: such a member refuses it", step)
	}
	switch step.Kind {
	case cluster.StepCompact:
		for i := range s.actors {
			s.actors[i].compact(s.revision - step.Revision)
		}
		m.InUseBytes = m.kept
	case cluster.StepMoveLeader:
		s.leader = step.To
		s.term++
	case cluster.StepDefragment:
		m.SizeBytes, m.InUseBytes = m.kept, m.kept
	}
	s.pass(time.Second)
}

// compact takes the history away that is not kept.
func (a *actor) compact(kept int64) { a.kept = min(a.kept, a.live+kept*a.each) }

// write adds revisions, and to the live data, and lets a file grow that has no
// free pages left.
func (s *stage) write(revisions, live int64) {
	s.revision += revisions
	for i := range s.actors {
		a := &s.actors[i]
		a.live, a.kept = a.live+live, a.kept+live+revisions*a.each
		a.SizeBytes, a.InUseBytes = max(a.SizeBytes, a.kept), a.kept
	}
}

// pass lets time pass. A file over its quota meets a write meanwhile.
func (s *stage) pass(d time.Duration) {
	s.load.act(s, d)
	s.now = s.now.Add(d)
	if d <= 0 || slices.ContainsFunc(s.alarms, func(a cluster.Alarm) bool { return a.Kind == cluster.AlarmNoSpace }) {
		return
	}
	for i, a := range s.actors {
		s.actors[i].InUseBytes = a.kept
		quota := cmp.Or(a.real, a.Quota.Bytes)
		if a.Contact == cluster.Answered && quota > 0 && a.SizeBytes >= quota {
			s.alarms = append(s.alarms, cluster.Alarm{Member: a.ID, Kind: cluster.AlarmNoSpace})
			return
		}
	}
}

// brief is a decision in one line without its words for people.
func brief(d policy.Decision) string {
	var b strings.Builder
	b.WriteString(string(d.Reason))
	if d.Member != 0 {
		fmt.Fprintf(&b, " %s", d.Member)
	}
	separator := ": "
	for _, step := range d.Steps {
		fmt.Fprintf(&b, "%s%s %s", separator, step.Kind, step.Member)
		switch step.Kind {
		case cluster.StepCompact:
			fmt.Fprintf(&b, "@%d", step.Revision)
		case cluster.StepMoveLeader:
			fmt.Fprintf(&b, ">%s", step.To)
		}
		separator = ", "
	}
	b.WriteString(map[policy.Permit]string{policy.Claim: " [claim]", policy.Term: " [term]", policy.Alone: " [alone]", policy.SingleVoter: " [single voter]"}[d.Permit])
	if d.Urgent {
		b.WriteString(" urgent")
	}
	return b.String()
}
