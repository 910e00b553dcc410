package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// The small worlds are all of these together: each of three members has one of
// these files, of a quota of 512 MiB, and the rest is as one line of each list.
var (
	smallFiles = []string{"100/100", "513/100", "513/513/100", "505/505", "480/480"}
	smallAlarm = []string{"", "alarm 1", "alarm 1; alarm 2; alarm 3", "alarm 9", "alarm 2 corrupt; alarm 1"}
	smallReach = []string{"", "member 1 silent", "member 3 silent", "member 2 lag 2000", "member 3 mismatched"}
	smallBooks = []string{"enrolled 1 2 3", "enrolled 2", "enrolled none", "claims unknown"}
	smallHeads = []cluster.MemberID{1, 3}
)

// smallWorlds calls f with every combination of files.
func smallWorlds(t *testing.T, f func(world string, of []string)) {
	for _, one := range smallFiles {
		for _, two := range smallFiles {
			for _, three := range smallFiles {
				f(fmt.Sprintf("watch 1 2 3; members 3 %s of 512; member 2 %s; member 3 %s;", one, two, three), []string{one, two, three})
			}
		}
	}
}

// In every small world all three watchdogs decide from one view. Each decision
// holds the invariants (see decide); without claims only one of them may go.
func TestSmallWorldsOneAtATime(t *testing.T) {
	t.Parallel()
	smallWorlds(t, func(files string, _ []string) {
		for _, alarm := range smallAlarm {
			for _, reach := range smallReach {
				for _, books := range smallBooks {
					oneAtATime(t, files+alarm+";"+reach+";"+books)
				}
			}
		}
	})
}

func oneAtATime(t *testing.T, script string) {
	t.Helper()
	s := newStage(t)
	s.run(script)
	for _, leader := range smallHeads {
		s.leader = leader
		for _, w := range s.watchdogs {
			w.memory = compactedMemory(s).WithLook(s.limits, s.view(w))
		}
		s.now = s.now.Add(16 * time.Second) // S has passed
		var going, able []cluster.MemberID
		for _, w := range s.watchdogs {
			d := s.look(w)
			if d.Has(cluster.StepDefragment) && d.Permit == policy.Term {
				going = append(going, w.local)
			}
			if d.Acts() {
				able = append(able, w.local)
			}
		}
		if len(going) > 1 {
			t.Fatalf("%s; leader %s: the watchdogs of %v go at once without a claim", script, leader, going)
		}
		healthy := s.alarms != nil && !slices.ContainsFunc(s.actors, func(a actor) bool { return a.Contact != cluster.Answered || a.lag > 0 }) &&
			!slices.ContainsFunc(s.alarms, func(a cluster.Alarm) bool { return a.Kind == cluster.AlarmCorrupt })
		if healthy && s.claims.Known && len(able) == 0 && !s.stuck() && len(s.enrolled) != 1 {
			t.Fatalf("%s; leader %s: nobody does anything", script, leader)
		}
	}
}

// compactedMemory is that of a watchdog that has compacted everywhere a while
// ago, under the same alarm.
func compactedMemory(s *stage) policy.Memory {
	var m policy.Memory
	if len(s.alarms) > 0 {
		m.ArmedSince = begin.Add(-time.Minute)
	}
	for _, a := range s.actors {
		m.Members = append(m.Members, policy.MemberMemory{
			ID: a.ID, CompactedAt: begin.Add(-30 * time.Second), CompactedRevision: s.revision, InUseBytes: a.InUseBytes, InUseSince: begin.Add(-30 * time.Second),
		})
	}
	return m
}

// stuck reports that no work can help: a file is too close to its quota, and
// none can become smaller.
func (s *stage) stuck() bool {
	tight := false
	for _, a := range s.actors {
		if a.SizeBytes >= 461*mib && a.SizeBytes > a.InUseBytes {
			return false
		}
		tight = tight || a.SizeBytes > 496*mib
	}
	return tight
}

// Every small world whose members answer is healed in the end, by as many
// pieces of work as there are large files, and the alarms are disarmed once; or, if the live data
// are too large, everything that helps is done once and the alarm stays.
func TestSmallWorldsHeal(t *testing.T) {
	t.Parallel()
	smallWorlds(t, func(files string, of []string) {
		for _, books := range []string{"", "enrolled 2", "enrolled none", "watch 3", "watch 1; enrolled none"} {
			heal(t, files+"alarm 1; alarm 9;"+books, of)
		}
	})
}

func heal(t *testing.T, script string, of []string) {
	t.Helper()
	s := newStage(t)
	s.run(script)
	for idle := 0; idle < 20; idle++ { // ten minutes in which nothing happens
		if s.round() {
			idle = 0
		}
		if len(s.done) > 60 {
			t.Fatalf("%s: there is no end: %v", script, s.done)
		}
	}
	files := map[string]int{}
	for _, file := range of {
		files[file]++
	}
	// Of 505 and 480 MiB it is found out that they can't become smaller, now and
	// then by a defragmentation.
	tooLarge, large, maybe := files["505/505"], files["513/100"]+files["513/513/100"], files["505/505"]+files["480/480"]
	disarms, defragments := count(s.done, cluster.StepDisarm), count(s.done, cluster.StepDefragment)
	switch {
	case tooLarge > 0 && (disarms != 0 || len(s.alarms) == 0):
		t.Fatalf("%s: disarmed although the live data are too large: %v", script, s.done)
	case tooLarge == 0 && (disarms != 2 || len(s.alarms) > 0):
		t.Fatalf("%s: not healed, or %d alarms disarmed: %s, %v", script, disarms, s.summary(), s.done)
	case tooLarge > 0 && s.look(s.healer()).Reason != policy.LiveDataTooLarge:
		t.Fatalf("%s: ends with %s", script, brief(s.healer().decision))
	}
	if len(s.enrolled) == 0 {
		maybe *= len(s.watchdogs) // none knows what another one has found out
	}
	if defragments < large || defragments > large+maybe {
		t.Fatalf("%s: %d defragmentations for %d large files: %v", script, defragments, large, s.done)
	}
}

// healer is a watchdog that may do something.
func (s *stage) healer() *watchdog {
	for _, w := range s.watchdogs {
		if len(s.enrolled) == 0 || slices.Contains(s.enrolled, w.local) {
			return w
		}
	}
	return nil
}

// round lets each watchdog look once and act, and reports whether one did.
func (s *stage) round() bool {
	acted := false
	for _, w := range s.watchdogs {
		if s.look(w).Acts() {
			s.act(w)
			acted = true
		}
	}
	if acted {
		s.pass(time.Second)
	} else {
		s.pass(30 * time.Second)
	}
	return acted
}
