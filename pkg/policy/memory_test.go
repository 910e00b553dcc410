package policy_test

import (
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// What observations show of NOSPACE. Only a disarm of this watchdog counts.
func TestMemoryOfAlarm(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 513/100 of 512; look")
	w := s.watchdogs[0]
	expect := func(script string, since, disarmed time.Time, disarms int, top int64) {
		t.Helper()
		s.run(script)
		m := w.memory
		if !m.ArmedSince.Equal(since) || !m.DisarmedAt.Equal(disarmed) || m.Disarms != disarms || m.ArmedTopSize != top*mib {
			t.Errorf("%s: armed since %s, disarmed at %s, %d times, at most %d MiB", script, m.ArmedSince, m.DisarmedAt, m.Disarms, m.ArmedTopSize/mib)
		}
	}
	at := func(d time.Duration) time.Time { return begin.Add(d) }
	var never time.Time
	expect("look", never, never, 0, 0)
	expect("alarm 1; wait 10s; look", at(10*time.Second), never, 0, 513)
	expect("wait 10s; member 2 530/100; look", at(10*time.Second), never, 0, 530)
	expect("wait 10s; members 3 100/100; look", at(10*time.Second), never, 0, 530)
	expect("no-alarms; member 1 silent; member 2 silent; member 3 silent; look", at(10*time.Second), never, 0, 530) // no member says that it went
	expect("member 1 answers; member 2 answers; member 3 answers; wait 10s; look", never, never, 0, 530)            // another tool has disarmed it
	expect("alarm 1; wait 10s; look; wait 1s; look; do 1", never, at(51*time.Second), 1, 100)
	expect("alarm 1; wait 10m; look", at(10*time.Minute+51*time.Second), at(51*time.Second), 1, 100)
	expect("no-alarms; look; alarm 1; wait 1s; look", at(10*time.Minute+52*time.Second), at(51*time.Second), 0, 100) // it stayed away for long enough
	expect("problem unreachable; no-alarms; look", at(10*time.Minute+52*time.Second), at(51*time.Second), 0, 100)
}

func TestMemoryOfMembers(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 100/100 of 512; look")
	w := s.watchdogs[0]
	expect := func(script string, id cluster.MemberID, away, ready, large time.Duration) {
		t.Helper()
		s.run(script)
		since := func(t time.Time) time.Duration {
			if t.IsZero() {
				return -1
			}
			return t.Sub(begin)
		}
		if m := w.memory.Of(id); since(m.AwaySince) != away || since(m.ReadySince) != ready || since(m.LargeSince) != large {
			t.Errorf("%s: member %s is away since %s, ready since %s, large since %s", script, id, since(m.AwaySince), since(m.ReadySince), since(m.LargeSince))
		}
	}
	const never, min = time.Duration(-1), time.Minute
	s.run("member 3 lag 1001; look; member 3 lag 0; look")
	expect("", 3, never, 0, never)
	expect("wait 1m; member 3 silent; member 1 450/100; look", 3, min, never, never)
	expect("", 1, never, -policy.LooksApart, min)
	expect("wait 1m; member 3 answers; member 1 440/100; look", 3, min, 2*min, never) // back for a moment
	expect("", 1, never, -policy.LooksApart, 2*min)                                   // a file that shrinks is progress
	expect("wait 1m; member 3 silent; look; wait 1m; member 3 answers; look", 3, min, 4*min, never)
	expect("wait 2m; look", 3, never, 4*min, never)
	expect("member 3 lag 1001; look", 3, never, never, never)
	expect("member 3 took 3100ms; look", 3, 6*min, never, never)
	expect("member 3 blocked; look", 3, never, never, never)
	expect("member 1 100/100; look", 1, never, -policy.LooksApart, never)
}

// A revision that goes back is a restored cluster, and another cluster id
// another one: what was remembered is about something else.
func TestMemoryOfARestoredCluster(t *testing.T) {
	for _, change := range []string{"revision 4000", "another cluster"} {
		s := newStage(t)
		s.run("watch 1; members 3 100/100 of 512; member 1 450/100; look; wait 1s; look; do 1; look")
		w := s.watchdogs[0]
		if w.memory.Of(1).WorkedAt.IsZero() || w.memory.Of(1).CompactedRevision == 0 {
			t.Fatal("nothing was done")
		}
		v := s.view(w)
		if w.memory.Rewound(v) {
			t.Error("called restored without a reason")
		}
		if change == "another cluster" {
			v.ClusterID = 0xd
		} else {
			s.run(change)
			v = s.view(w)
		}
		if !w.memory.Rewound(v) {
			t.Errorf("%s: not noticed", change)
		}
		after := w.memory.WithLook(s.limits, v)
		if mm := after.Of(1); !mm.WorkedAt.IsZero() || mm.CompactedRevision != 0 || after.Revision != v.Revision() || after.ClusterID != v.ClusterID {
			t.Errorf("%s: %+v is remembered", change, mm)
		}
	}
	s := newStage(t)
	s.run("watch 1; members 3 100/100 of 512; look; leader 0; revision 4000")
	if s.watchdogs[0].memory.Rewound(s.view(s.watchdogs[0])) {
		t.Error("without a leader a lower revision proves nothing")
	}
}

func TestMemoryOfDoubts(t *testing.T) {
	closed := begin.Add(time.Minute)
	m := policy.Memory{}.WithDoubt(policy.Doubt{Member: 3}).WithDoubt(policy.Doubt{Member: 1}).WithDoubt(policy.Doubt{Member: 3, Closed: closed})
	if len(m.Doubts) != 2 || m.Doubts[0].Member != 1 || m.Doubts[1] != (policy.Doubt{Member: 3, Closed: closed}) {
		t.Errorf("two doubts, sorted, the later one about member 3: %+v", m.Doubts)
	}
	o := policy.Outcome{Doubt: &policy.Doubt{Member: 2}}
	if with := m.WithOutcome(policy.DefaultLimits(), o); len(with.Doubts) != 3 || with.Doubts[1].Member != 2 || len(m.Doubts) != 2 {
		t.Errorf("after an unknown outcome: %+v, before: %+v", with.Doubts, m.Doubts)
	}
	if m = m.WithoutDoubt(3); len(m.Doubts) != 1 || m.Doubts[0].Member != 1 {
		t.Errorf("member 3's is settled: %+v", m.Doubts)
	}
}

// A doubt is settled by evidence, or by quiet that lasts; delivery is 10 s, and
// the first look is 10 s after the connection was closed.
func TestSettle(t *testing.T) {
	before := cluster.Evidence{Known: true, Completed: 4, ProcessStart: 1000}
	same, blind := before, cluster.Evidence{}
	running := cluster.Evidence{Known: true, Completed: 4, InFlight: true, ProcessStart: 1000}
	completed := cluster.Evidence{Known: true, Completed: 5, ProcessStart: 1000}
	restarted := cluster.Evidence{Known: true, Completed: 0, ProcessStart: 1001}
	const answers, silent, mismatched = cluster.Answered, cluster.Silent, cluster.Mismatched
	type look struct {
		after   time.Duration // since the connection was closed
		contact cluster.Contact
		said    cluster.Evidence
	}
	for _, tt := range []struct {
		name   string
		before cluster.Evidence
		looks  []look
		want   int // the look that settles it, from 1 on; 0: none
	}{
		{"completed", before, []look{{0, answers, completed}}, 1},
		{"restarted", before, []look{{0, answers, restarted}}, 1},
		{"completed, and the next runs", before, []look{{0, answers, cluster.Evidence{Known: true, Completed: 5, InFlight: true, ProcessStart: 1000}}}, 0},
		{"nothing known from before", blind, []look{{0, answers, completed}, {10 * time.Second, answers, completed}, {11 * time.Second, answers, completed}}, 3},
		{"quiet, but it may be on its way", before, []look{{0, answers, same}, {5 * time.Second, answers, same}, {9999 * time.Millisecond, answers, same}}, 0},
		{"quiet after that, twice", before, []look{{10 * time.Second, answers, same}, {11 * time.Second, answers, same}}, 2},
		{"twice in a row is once", before, []look{{10 * time.Second, answers, same}, {10999 * time.Millisecond, answers, same}}, 0},
		{"quiet, running, quiet", before, []look{{10 * time.Second, answers, same}, {12 * time.Second, answers, running}, {14 * time.Second, answers, same}}, 0},
		{"quiet, silent, quiet", before, []look{{10 * time.Second, answers, same}, {12 * time.Second, silent, blind}, {14 * time.Second, answers, same}}, 0},
		{"quiet, another member, quiet", before, []look{{10 * time.Second, answers, same}, {12 * time.Second, mismatched, blind}, {14 * time.Second, answers, same}}, 0},
		{"without metrics four times", before, []look{{10 * time.Second, answers, blind}, {12 * time.Second, answers, blind}, {14 * time.Second, answers, blind}, {16 * time.Second, answers, blind}}, 4},
		{"another member answers for long", before, []look{{0, mismatched, blind}, {300 * time.Second, mismatched, blind}}, 2},
		{"another member's completion", before, []look{{0, mismatched, completed}}, 0},
		{"silent within the grace", before, []look{{0, silent, blind}, {299 * time.Second, silent, blind}}, 0},
		{"absent", before, []look{{0, silent, blind}, {300 * time.Second, silent, blind}}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, mem := policy.DefaultLimits(), policy.Memory{}
			doubt := policy.Doubt{Member: 2, Before: tt.before, Closed: begin}
			for i, look := range tt.looks {
				v := cluster.View{At: begin.Add(look.after), Members: []cluster.Member{{ID: 2, Contact: look.contact}}}
				mem = mem.WithLook(l, v)
				var how policy.Settlement
				doubt, how = doubt.Settle(l, v, mem, look.said)
				if settled := how != policy.Unsettled; settled != (i+1 == tt.want) {
					t.Fatalf("look %d: settled %v (%s), want %d", i+1, settled, how, tt.want)
				}
			}
		})
	}
}

// A disarm of ours counts once, whatever the looks after it show. An alarm that
// is still listed a second later is one that came back.
func TestDisarmsAreCountedOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		shows bool // that it went, in the look right after it
		then  string
		armed bool // again
	}{
		{"it shows at once", true, "wait 1s; look", false},
		{"and comes back", true, "wait 1s; alarm 1; look", true},
		{"it does not show at once", false, "wait 900ms; look; no-alarms; wait 1s; look", false},
		{"nobody answers meanwhile", false, "member 1 silent; member 2 silent; member 3 silent; look; no-alarms; wait 1s; member 1 answers; look", false},
		{"it comes back before a look", false, "wait 1s; look", true},
		{"it goes later, and comes back", false, "look; no-alarms; wait 2s; look; alarm 1; wait 1s; look", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1; members 3 100/100 of 500; alarm 1; look; wait 100ms")
			w, at := s.watchdogs[0], s.now
			o := policy.Outcome{At: at, Decision: w.decision, Done: w.decision.Steps, View: s.view(w)}
			if tt.shows {
				s.run("no-alarms")
				o.View = s.view(w)
			}
			w.memory = w.memory.WithOutcome(s.limits, o)
			if !tt.shows && s.look(w).Acts() {
				t.Errorf("decided at once: %s", brief(w.decision))
			}
			s.run(tt.then)
			m := w.memory
			if m.Disarms != 1 || !m.DisarmedAt.Equal(at) || !m.ArmedSince.IsZero() && m.ArmedSince.After(at) != tt.armed || m.ArmedSince.IsZero() == tt.armed {
				t.Errorf("%d disarms, the last at %s; armed since %s", m.Disarms, m.DisarmedAt, m.ArmedSince)
			}
		})
	}
}
