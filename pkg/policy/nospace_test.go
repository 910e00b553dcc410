package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Rule 5: every voter is there and small, so the alarm goes.
func TestDisarm(t *testing.T) {
	const small = "members 3 100/100 of 500; alarm 1;"
	disarm := []string{"nospace_armed 1: disarm 1 urgent"}
	compact := []string{"nospace_armed 1: compact 1@5000 urgent"}
	tell(t, []story{
		{"all small", small, disarm},
		{"just below disarm-below", small + "member 2 449/100", disarm},
		{"at disarm-below", small + "member 2 450/100", compact},
		{"each by its own quota", small + "member 2 100/100 of 111", compact},
		{"no quota counts as below", small + "member 2 9000/9000 of none", disarm},
		{"a configured quota is as good as a learnt one", small + "member 2 configured", disarm},
		{"an assumed quota calls nobody healed", small + "member 2 assumed", compact},
		{"however small the file is beside others", small + "member 1 400/100; member 2 assumed", compact},
		{"every alarm by its own id", small + "alarm 2; alarm 3", []string{"nospace_armed 1: disarm 1, disarm 2, disarm 3 urgent"}},
		{"the alarm of a removed member", "members 3 100/100 of 500; alarm 9", []string{"nospace_armed 1: disarm 9 urgent"}},
		{"no other kind of alarm", small + "alarm 2 other", disarm},
		{"that of no id as well", small + "alarm 0", []string{"nospace_armed 1: disarm 0, disarm 1 urgent"}},
		{"a full learner", small + "member 4 learner 500/500 of 500", []string{"learner_full 4"}},
		{"a learner that is not full", small + "member 4 learner 499/499 of 500", disarm},
		{"a learner of an assumed quota", small + "member 4 learner 500/500 of 500 assumed", disarm},
		{"a learner that does not answer", small + "member 4 learner silent", disarm},
		{"a voter does not answer", small + "member 3 silent; compacted", []string{"member_unreachable 3"}},
		{"a voter is behind: its file is seen all the same", small + "member 3 lag 5000", disarm},
		{"no ticket is needed", small + "watch 1 2; enrolled 2", []string{"nospace_armed 1: disarm 1 urgent", "nospace_armed 2: disarm 1 urgent"}},
	})
}

// Under NOSPACE a voter that has been absent for longer than unreachable-grace
// is left out, unless it leads.
func TestAbsentMembers(t *testing.T) {
	const absent = "members 3 100/100 of 500; alarm 1; member 3 silent; compacted;"
	disarm := []string{"nospace_armed 1: disarm 1 urgent"}
	tell(t, []story{
		{"within the grace", absent + "wait 4m57s", []string{"member_unreachable 3"}},
		{"beyond it", absent + "wait 4m59s", disarm}, // the compaction took a second
		{"it was there for a moment in between", absent + "wait 4m; member 3 answers lag 5000; limit only 9; look; member 3 silent; wait 2m", disarm},
		{"it was back in between", absent + "wait 4m; alarm 3 corrupt; member 3 answers; look; wait 2m; look; no-alarms; alarm 1; member 3 silent; wait 2m", []string{"member_unreachable 3"}},
		{"a grace of one's own", absent + "limit unreachable-grace 1m; wait 1m", disarm},
		{"another one has just gone", "members 5 100/100 of 500; alarm 1; member 3 silent; compacted; wait 5m; member 4 silent", []string{"member_unreachable 4"}},
		{"the leader is never left out", "watch 1; members 3 100/100 of 500; alarm 1; leader 3; member 3 silent; compacted; wait 1h", []string{"member_unreachable 3"}},
		{"the others are defragmented", "watch 2; members 3 513/100 of 512; alarm 1; member 3 silent; compacted; wait 5m", []string{
			"nospace_armed 2: defragment 2 [claim] urgent"}},
		{"not before", "watch 2; members 3 513/100 of 512; alarm 1; member 3 silent; compacted; wait 4m", []string{"member_unreachable 3"}},
		{"compaction waits for nobody", "watch 2; members 3 513/100 of 512; alarm 1; member 3 silent", []string{"nospace_armed 2: compact 2@5000 urgent"}},
		{"without an alarm nobody is left out", "watch 2; members 3 490/100 of 512; member 3 silent; look; wait 1h", []string{"member_unreachable 3"}},
		{"a member that catches up is no absent one", "watch 2; members 3 513/100 of 512; alarm 1; member 3 lag 1001; compacted; wait 1h", []string{"member_catching_up 3"}},
		{"a thousand entries are no distance", "watch 2; members 3 513/100 of 512; alarm 1; member 3 lag 1000; compacted", []string{
			"nospace_armed 2: defragment 2 [claim] urgent"}},
	})
}

// Rule 6 when the files cannot become small: room enough is enough, and else
// there is a verdict and no work.
func TestFutility(t *testing.T) {
	disarm := []string{"nospace_armed 1: disarm 1 urgent"}
	tooLarge := []string{"live_data_too_large 1"}
	const looked = "; alarm 1; compacted; proven; wait 5s; look; wait 5s"
	tell(t, []story{
		{"97 % of the quota", "members 3 497/497 of 512" + looked, tooLarge},
		{"16 MiB below it", "members 3 496/496 of 512" + looked, disarm},
		{"a large quota: 2 % below it", "members 3 9800/9800 of 10000" + looked, disarm},
		{"a large quota: less than that", "members 3 9801/9801 of 10000" + looked, tooLarge},
		{"a small quota: a quarter below it", "limit only 1; members 3 59/59 of 64" + looked, tooLarge},
		{"the one that is too large is named", "members 3 100/100 of 512; member 2 505/505" + looked, []string{"live_data_too_large 2"}},
		{"a hundredth of the quota is worth it", "watch 2; members 3 505/499 of 512; alarm 1; compacted; wait 5s; look; wait 5s", []string{"nospace_armed 2: defragment 2 [claim] urgent"}},
		{"but not once more under the same alarm", "watch 2; members 3 505/481 of 512; alarm 1; compacted; proven; wait 5s; look; wait 5s", []string{"live_data_too_large 2"}},
		{"unless it is a twentieth", "watch 2; members 3 505/479 of 512; alarm 1; compacted; proven; wait 5s; look; wait 5s", []string{"nospace_armed 2: defragment 2 [claim] urgent"}},
		{"less is not", "watch 2; members 3 505/500 of 512; alarm 1; compacted; proven; wait 5s; look; wait 5s", []string{"live_data_too_large 2"}},
		{"of an assumed quota it is said that it is one", "members 3 8193/4000 of 2048 assumed; member 1 4000/4000; member 2 4000/4000; member 3 4000/4000; alarm 1; compacted; proven; wait 10s", []string{"quota_assumed 1"}},
	})
}

func TestFutilityTellsWhatHelps(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 497/497 of 512; alarm 1; compacted; proven; wait 10s")
	d := s.look(s.watchdogs[0])
	// 497 MiB − 90 % of 512 MiB are 36.2 MiB; 497 MiB are 60 % of 828 MiB.
	for _, want := range []string{"m1 (1)", "497 MiB", "512 MiB", "delete 36.2 MiB", "--quota-backend-bytes=869269504 (829 MiB)"} {
		if !strings.Contains(d.Detail, want) {
			t.Errorf("%q does not tell %q", d.Detail, want)
		}
	}
}

// An assumed quota is wrong in either direction, and the cluster is healed.
func TestAssumedQuota(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"it is 512 MiB in truth": {"members 3 513/400/100 of 2048 assumed real 512; alarm 1; watch 1 2 3; run 1m", "m1 100/100, m2 100/100, m3 100/100, leader 2, alarms []"},
		"it is 8 GiB in truth":   {"members 3 8193/4000/1000 of 2048 assumed real 8192; alarm 2; watch 1 2 3; run 5m", "m1 1000/1000, m2 1000/1000, m3 1000/1000, leader 2, alarms []"},
		"one of them is configured": {"members 3 513/400/100 of 2048 assumed real 512; member 2 of 512 configured; alarm 1; watch 1 2 3; run 1m",
			"m1 100/100, m2 100/100, m3 100/100, leader 2, alarms []"},
		"8 GiB in truth, and there is more than is assumed": {"members 3 8193/5000/4000 of 2048 assumed real 8192; alarm 2; watch 1 2 3; run 5m",
			"m1 4000/4000, m2 4000/4000, m3 4000/4000, leader 2, alarms [{2 NOSPACE}]"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			if got := s.run(tt.script); s.summary() != tt.want {
				t.Errorf("%s\nended with %s, want %s", got, s.summary(), tt.want)
			}
			if n := count(s.done, cluster.StepDisarm); n > 1 {
				t.Errorf("disarmed %d times", n)
			}
		})
	}
}

func count(steps []cluster.Step, kind cluster.StepKind) int {
	n := 0
	for _, s := range steps {
		if s.Kind == kind {
			n++
		}
	}
	return n
}

// A configured quota is larger than what the server runs with: every file looks
// small, so the alarm is disarmed, comes back, and only then is the work done.
// Of several watchdogs each may have to find that out for itself.
func TestDisarmedTooEarly(t *testing.T) {
	for watch, most := range map[string]int{"watch 2": 2, "watch 1 2 3": 4} {
		s := newStage(t)
		out := s.run("members 3 513/400/100 of 8192 configured real 512; alarm 1;" + watch + "; run 5m")
		for _, a := range s.actors {
			if a.SizeBytes != 100*mib || len(s.alarms) > 0 {
				t.Errorf("%s\nended with %s", out, s.summary())
			}
		}
		if n := count(s.done, cluster.StepDisarm); n < 2 || n > most {
			t.Errorf("%s\ndisarmed %d times, want 2 to %d", out, n, most)
		}
	}
}

// NOSPACE that comes back after our disarm although every file is small is
// disarmed again after 1, 5, 30 and again 30 minutes.
func TestDisarmBackoff(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 100/100 of 512; look; wait 10s")
	w := s.watchdogs[0]
	for round, want := range []time.Duration{0, time.Minute, 5 * time.Minute, 30 * time.Minute, 30 * time.Minute} {
		s.run("alarm 2")
		got := untilDisarm(s, w)
		if got < want || got > want+5*time.Second { // compactions take a few
			t.Fatalf("round %d: disarmed after %s, want %s", round, got, want)
		}
		s.run("do 1; look")
	}
	s.run("wait 10m1s; alarm 2")
	if got := untilDisarm(s, w); got > 0 {
		t.Errorf("it stayed away for ten minutes, and is disarmed only after %s", got)
	}
}

// Whoever restarts etcd where the alarm comes from, as he is told, does not have
// to wait half an hour for the next try: once a member that raises the alarm was
// away and is back, it comes a minute after the last one.
func TestDisarmAfterRestart(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 100/100 of 512; look; wait 10s")
	w := s.watchdogs[0]
	for range 2 {
		s.run("alarm 2")
		untilDisarm(s, w)
		s.run("do 1; look")
	}
	s.run("alarm 2; look; wait 20s; member 3 silent; look; member 3 answers; look")
	if w.decision.Has(cluster.StepDisarm) {
		t.Errorf("disarmed although the member that was away raised nothing: %s", brief(w.decision))
	}
	s.run("member 2 silent; look; wait 1s; member 2 answers")
	if got := untilDisarm(s, w); got > time.Minute {
		t.Errorf("the member is back, and the alarm is disarmed only after %s", got)
	}
	s.run("do 1; look; alarm 2; look; member 2 silent; look; wait 1s; member 2 answers")
	if got := untilDisarm(s, w); got < 50*time.Second || got > 65*time.Second {
		t.Errorf("gone and back once more, the alarm is disarmed after %s, want a minute", got)
	}
	s.run("do 1; look; alarm 2")
	if got := untilDisarm(s, w); got < 29*time.Minute {
		t.Errorf("disarmed once more after %s although the member was there all the time", got)
	}
}

// untilDisarm is how long it takes until a watchdog would disarm.
func untilDisarm(s *stage, w *watchdog) time.Duration {
	s.t.Helper()
	for from := s.now; s.now.Sub(from) < time.Hour; s.pass(500 * time.Millisecond) {
		d := s.look(w)
		if d.Has(cluster.StepDisarm) {
			return s.now.Sub(from)
		}
		if d.Acts() {
			s.act(w)
		} else if d.Reason != policy.NospaceArmed || d.Detail == "" {
			s.t.Fatalf("waits for another reason than the last disarm: %s", brief(d))
		}
	}
	s.t.Fatal("never disarmed")
	return 0
}

// The versions whose full members refuse deletions work without tickets, and
// only while that matters.
func TestOldVersions(t *testing.T) {
	for version, old := range map[string]bool{
		"3.4.19": true, "3.4.20": false, "3.4.38": false, "3.5.0": true, "3.5.6": true, "3.5.7": false, "3.5.35": false,
		"3.6.0": false, "3.6.0-rc.1": false, "3.5.6+patched": false, "3.3.27": true, "4.0.0": false, "": false, "3.5": false, "weird": false,
	} {
		s := newStage(t)
		s.run("watch 2; members 3 513/100 of 512; alarm 1; member 1 100/100; compacted; look; wait 1s")
		s.actor(3).Version = version
		want := map[bool]string{true: "waiting_for_claim", false: "defragment 2 [claim]"}[old]
		if got := brief(s.look(s.watchdogs[0])); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", version, got, want)
		}
		s.run("enrolled none; leader 2; look; wait 15s")
		if got := brief(s.look(s.watchdogs[0])); !strings.Contains(got, "defragment 3 [term]") {
			t.Errorf("%s, without tickets: %s", version, got)
		}
		s.run("enrolled 2; leader 1")
		for id := range cluster.MemberID(3) {
			s.actor(id + 1).Version = version
		}
		s.run("no-alarms; look")
		want = map[bool]string{true: "version_guard", false: "defragment 2 [claim]"}[version == "3.5.0"]
		if got := brief(s.watchdogs[0].decision); !strings.Contains(got, want) {
			t.Errorf("%s, and nothing is refused: %s", version, got)
		}
	}
}

// What lasts is said at every look, whatever else is decided.
func TestStanding(t *testing.T) {
	for script, want := range map[string][]string{
		"members 3 100/100 of 512":                                     nil,
		"members 3 100/100 of 512; member 2 400/390":                   {"near_quota 2"},
		"members 3 100/100 of 512; member 2 assumed":                   {"quota_assumed 2"},
		"members 3 100/100 of 512; member 3 silent":                    {"member_unreachable 3"},
		"members 3 100/100 of 512; member 3 silent; holder 3":          nil, // most likely being defragmented
		"members 3 100/100 of 512; member 3 mismatched":                {"identity_mismatch 3"},
		"members 3 100/100 of 512; alarm 1; alarm 2":                   {"nospace_armed 0"},
		"members 3 100/100 of 512; alarm 1; alarm 2 corrupt":           {"corrupt_armed 0", "nospace_armed 0"},
		"members 3 100/100 of 512; member 4 learner 512/512 of 512":    {"learner_full 4", "near_quota 4"},
		"members 3 450/100 of 512; watch 2; member 3 lag 5000":         {"member_catching_up 3", "near_quota 1", "near_quota 2", "near_quota 3"},
		"members 3 513/100 of 512; alarm 1; watch 2; compacted; look ": {"near_quota 1", "near_quota 2", "near_quota 3", "nospace_armed 0"},
	} {
		s := newStage(t)
		s.run("watch 1")
		s.run(script)
		var got []string
		for _, c := range s.look(s.watchdogs[0]).Standing {
			got = append(got, fmt.Sprintf("%s %s", c.Reason, c.Member))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q lasts, want %q", script, got, want)
		}
	}
}
