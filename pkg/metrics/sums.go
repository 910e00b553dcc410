package metrics

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// sample is the value of one counter with its labels.
type sample struct {
	of     *Series
	labels []string
	value  float64
}

// piece is a step that has begun and not ended.
type piece struct {
	member   cluster.MemberID
	name     string
	reason   string
	began    time.Time
	expected time.Duration
}

// sums is every counter. Those that can be foreseen begin with 0, since
// Prometheus does not see an increase from nothing.
type sums struct {
	values   map[string]sample
	compacts int    // compactions in progress: 0 or 1
	defrag   *piece // the defragmentation in progress
}

// The label values of steps.
const (
	kindCompact    = "compact"
	kindLeader     = "move_leader"
	kindDefragment = "defragment"
	kindDisarm     = "disarm"

	outcomeDone    = "done"
	outcomeFailed  = "failed"
	outcomeUnknown = "unknown"
)

var kinds = []string{kindCompact, kindLeader, kindDefragment, kindDisarm}

func newSums() sums {
	s := sums{values: map[string]sample{}}
	for _, c := range []*Series{claimsTaken, claimsLost, defragsLong, heals, healTime, alarmsBack, unclaimedWork} {
		s.add(c, 0)
	}
	for _, result := range []string{"good", "failed"} {
		s.add(polls, 0, result)
	}
	for _, kind := range kinds {
		s.add(workTime, 0, kind)
		for _, outcome := range []string{outcomeDone, outcomeFailed} {
			for _, reason := range []policy.Reason{policy.NospaceArmed, policy.NearQuota} {
				s.add(works, 0, kind, outcome, string(reason))
			}
		}
	}
	s.add(works, 0, kindDefragment, outcomeUnknown, string(policy.NospaceArmed))
	s.add(freed, 0, kindCompact)
	s.add(freed, 0, kindDefragment)
	for _, c := range event.Categories() {
		s.add(errorsSeen, 0, string(c))
	}
	return s
}

func (s *sums) add(of *Series, n float64, labels ...string) {
	key := of.Name + "\x00" + strings.Join(labels, "\x00")
	one := s.values[key]
	s.values[key] = sample{of, labels, one.value + n}
}

func (s *sums) all() []sample {
	all := make([]sample, 0, len(s.values))
	for _, key := range slices.Sorted(maps.Keys(s.values)) {
		all = append(all, s.values[key])
	}
	return all
}

func (s *sums) work() *piece {
	if s.defrag == nil {
		return nil
	}
	copied := *s.defrag
	return &copied
}

func (s *sums) waits() map[string]bool {
	return map[string]bool{kindCompact: s.compacts > 0, kindDefragment: s.defrag != nil}
}

// record counts one event that happened at that time.
func (s *sums) record(e event.Event, now time.Time) {
	if category, is := e.ErrorCategory(); is {
		s.add(errorsSeen, 1, string(category))
	}
	switch e.Kind {
	case event.CompactionStarted:
		s.compacts = 1
	case event.CompactionCompleted, event.RoutineCompaction:
		s.ended(kindCompact, outcomeDone, e)
		s.add(freed, float64(max(0, e.WonBytes)), kindCompact)
	case event.CompactionFailed:
		s.ended(kindCompact, outcomeFailed, e)
	case event.LeaderMoved:
		s.ended(kindLeader, outcomeDone, e)
	case event.LeaderMoveFailed:
		s.ended(kindLeader, outcomeFailed, e)
	case event.AlarmDisarmed:
		s.ended(kindDisarm, outcomeDone, e)
	case event.DisarmFailed:
		s.ended(kindDisarm, outcomeFailed, e)
	case event.DefragmentationStarted, event.DefragmentationLong, event.DefragmentationCompleted, event.DefragmentationFailed, event.DefragmentationUnknown:
		s.recordDefragmentation(e, now)
	default:
		s.recordRest(e)
	}
}

func (s *sums) recordDefragmentation(e event.Event, now time.Time) {
	switch e.Kind {
	case event.DefragmentationStarted:
		s.defrag = &piece{e.Member, e.MemberName, e.Reason, now, e.Expected}
	case event.DefragmentationLong:
		s.add(defragsLong, 1)
	case event.DefragmentationCompleted:
		s.ended(kindDefragment, outcomeDone, e)
		s.add(freed, float64(max(0, e.BeforeBytes-e.SizeBytes)), kindDefragment)
	case event.DefragmentationFailed:
		s.ended(kindDefragment, outcomeFailed, e)
	case event.DefragmentationUnknown:
		// The condition also begins for members that an earlier process may
		// have left in doubt. Only the one that was begun here is counted.
		if s.defrag == nil || s.defrag.member != e.Member {
			return
		}
		e.Reason, e.Took = s.defrag.reason, now.Sub(s.defrag.began)
		s.ended(kindDefragment, outcomeUnknown, e)
	}
}

func (s *sums) recordRest(e event.Event) {
	switch e.Kind {
	case event.ClaimTaken:
		s.add(claimsTaken, 1)
	case event.ClaimLost:
		s.add(claimsLost, 1)
	case event.WithoutClaim:
		s.add(unclaimedWork, 1)
	case event.DisarmRepeated:
		s.add(alarmsBack, 1)
	case event.Healed:
		s.add(heals, 1)
		s.add(healTime, max(0, e.Took.Seconds()))
	}
}

// ended counts the end of a step.
func (s *sums) ended(kind, outcome string, e event.Event) {
	switch kind {
	case kindCompact:
		s.compacts = 0
	case kindDefragment:
		s.defrag = nil
	}
	s.add(works, 1, kind, outcome, reasonLabel(policy.Reason(e.Reason)))
	s.add(workTime, max(0, e.Took.Seconds()), kind)
}

// Recorder returns a Recorder that counts each event and hands it on to next.
// now tells the time.
func (s *State) Recorder(next event.Recorder, now func() time.Time) event.Recorder {
	return counting{s, next, now}
}

type counting struct {
	state *State
	next  event.Recorder
	now   func() time.Time
}

// Record implements event.Recorder.
func (c counting) Record(e event.Event) {
	c.state.mu.Lock()
	c.state.sums.record(e, c.now())
	c.state.mu.Unlock()
	c.next.Record(e)
}
