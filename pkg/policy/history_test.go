package policy_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Rule 4: nothing is refused yet, and pages in use are too many.
func TestCompactAlone(t *testing.T) {
	const calm = "members 3 100/100 of 1000;"
	const over = calm + "member 1 600/600/100;"
	compact := []string{"near_quota 1: compact 1@4000"}
	tell(t, []story{
		{"at compact-at", over, compact},
		{"below it", calm + "member 1 600/599/100", []string{"below_threshold"}},
		{"however large the file is", calm + "member 1 799/599/100", []string{"near_quota 1"}},
		{"by a configured quota", over + "member 1 configured", compact},
		{"never by an assumed one", "members 3 900/900 of 1000 assumed", []string{"below_threshold"}},
		{"never without a quota", "members 3 900/900 of none", []string{"below_threshold"}},
		{"another member's pages", calm + "member 3 600/600/100", []string{"near_quota 3: compact 3@4000"}},
		{"the worst of several", calm + "member 2 600/600/100; member 3 601/601/100", []string{"near_quota 3: compact 3@4000"}},
		{"one's own before a worse one's", over + "member 3 700/700/100", compact},
		{"a learner's pages don't count", calm + "member 4 learner 900/900 of 1000", []string{"below_threshold"}},
		{"a learner's watchdog does not", over + "watch 4; member 4 learner 100/100 of 1000; look; wait 1m", []string{"below_threshold"}},
		{"an absent voter is no reason to let it fill", over + "member 3 silent; look; wait 1h", compact},
		{"nor is one that is behind", over + "member 3 lag 5000", compact},
		{"nor a claim that can't be read", over + "claims unknown", compact},
		{"nor one that is held", over + "holder 3", compact},
		{"nor a full disk", over + "disk 1 0", compact},
		{"nor a faulty version", over + "members 3 version 3.5.0", compact},
		{"without a quorum it can't be done", over + "leader 0", []string{"not_quorate"}},
		{"a doubt does not keep it", over + "doubt 1 2", []string{"near_quota 1: compact 1@4000"}},
		{"under NOSPACE it is rule 6", over + "member 1 1000/1000/100; alarm 1", []string{"nospace_armed 1: compact 1@5000 urgent"}},
		{"and with a file that is small, rule 5", over + "alarm 1", []string{"nospace_armed 1: disarm 1 urgent"}},
		{"another member was asked for", over + "limit only 2", []string{"below_threshold"}},
		{"keep-revisions: 0", over + "limit keep-revisions 0", []string{"near_quota 1: compact 1@5000"}},
		{"more is to be kept than is there", over + "revision 300", []string{"near_quota 1: compact 1@50"}},
		{"exactly so much is there", over + "revision 1000", []string{"near_quota 1: compact 1@500"}},
		{"nothing is there", over + "revision 0", []string{"below_threshold"}},
		{"a larger file than defragment-at waits until it is compacted", calm + "watch 2; member 2 900/600/100", []string{"near_quota 2: compact 2@4000"}},
		{"and is defragmented then", calm + "watch 2; member 2 900/600/100; compacted", []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}},
	})
}

// One watchdog compacts for all; the next steps in when it does not.
func TestWhoCompactsFirst(t *testing.T) {
	const over = "watch 1 2 3; members 3 600/600/100 of 1000;"
	first, second, third := "near_quota 1: compact 1@4000", "near_quota 2: compact 2@4000", "near_quota 3: compact 3@4000"
	const rests, rests2 = "below_threshold", "near_quota 3"
	tell(t, []story{
		{"the lowest id", over, []string{first, rests, rests}},
		{"a second later the next as well", over + "look; wait 1s", []string{first, second, rests}},
		{"and another one later the third", over + "look; wait 2s", []string{first, second, third}},
		{"the clock begins when pages are too many", over + "members 3 100/100; look; wait 1h; members 3 600/600/100", []string{first, rests, rests}},
		{"all at once when it is late", "watch 1 2 3; members 3 800/800/100 of 1000", []string{first, second, third}},
		{"whoever has no book does not count", "watch 2 3; members 3 600/600/100 of 1000", []string{second, rests}},
		{"nobody knows who has one: by the members", over + "claims unknown", []string{first, rests, rests}},
		{"who has none takes its turn by the members", over + "books 1 2", []string{first, rests, rests}},
		{"and steps in", over + "books 1 2; look; wait 2s", []string{first, second, third}},
		{"nobody defragments what is to be compacted first", "watch 1 2 3; members 3 425/320/50 of 500", []string{first, "another_members_turn 2", "another_members_turn 3"}},
		{"the clock begins when a compaction is due", "watch 1 2 3; members 3 740/740 of 1000 each 1; compacted; wait 1h; write 1000; member 2 790/790; look", []string{
			"near_quota 1: compact 1@5500", rests2, rests2}},
		{"what the first one wins, the others see", over + "look; do 1; wait 1s", []string{rests, rests, rests}},
	})
}

// compactions lets a watchdog look and compact until it rests, and returns at
// which revisions it did.
func compactions(s *stage, w *watchdog) []int64 {
	s.t.Helper()
	var at []int64
	for d := s.look(w); d.Acts() && d.Routine; d = s.look(w) {
		at = append(at, d.Steps[0].Revision)
		if s.act(w); len(at) > 20 {
			s.t.Fatalf("there is no end: %v", at)
		}
	}
	return at
}

// History gives way by halves: as far as it must, and no further than it helps.
// The quota is 1000 MiB, the revision 5000.
func TestHistoryGivesWay(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		want         []int64
	}{
		{"keep-revisions fit", "600/600/100 each 16", []int64{4000}},
		{"half of them does", "700/700/300 each 512", []int64{4000, 4500}},
		{"an eighth of them does", "700/700/300 each 2048", []int64{4000, 4500, 4750, 4875}},
		{"half was nothing, and there is room: that is all", "741/741/740 each 1", []int64{4000, 4500}},
		{"halves that win little stop below defragment-at", "852/852/790 each 64", []int64{4000, 4500, 4750, 4875}},
		{"above it they go on, to none", "872/872/810 each 64", []int64{4000, 4500, 4750, 4875, 4938, 4969, 4985, 4993, 4997, 4999, 5000}},
		{"live data alone", "970/970/970", []int64{4000, 4500, 4750, 4875, 4938, 4969, 4985, 4993, 4997, 4999, 5000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1; members 3 of 1000 " + tt.script)
			if tt.name == "an eighth of them does" {
				s.actors[0].live, s.actors[0].kept = 300*mib, 900*mib // 300 revisions are there
				s.run("member 1 900/900/300")
			}
			if got := compactions(s, s.watchdogs[0]); !slices.Equal(got, tt.want) {
				t.Errorf("compacted at %v, want %v; %s", got, tt.want, s.summary())
			}
		})
	}
}

// However large the values: as long as the live data leave room, history gives
// way, and the pages in use stay far from the quota.
func TestLargeValuesAreNotRefused(t *testing.T) {
	for _, live := range []int{20, 300, 550} {
		for _, kib := range []int{16, 64, 512, 1500, 8192} {
			s := newStage(t)
			s.run(fmt.Sprintf("watch 1; members 3 %d/%d of 1000 each %d", live, live, kib))
			w, top := s.watchdogs[0], 0.0
			for s.revision < 6500 {
				s.run("write 1; wait 100ms")
				top = max(top, s.actors[0].InUseUsage())
				compactions(s, w)
			}
			if top > 0.86 || len(s.alarms) > 0 {
				t.Errorf("%d MiB live, values of %d KiB: up to %.0f %% in use", live, kib, 100*top)
			}
		}
	}
}

// History comes back when there is room: four times as much at each compaction.
func TestHistoryComesBack(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; members 3 300/300 of 1000 each 8192")
	w := s.watchdogs[0]
	kept := func(writes int) int64 {
		t.Helper()
		s.run(fmt.Sprintf("write %d; wait 1m", writes))
		if len(compactions(s, w)) == 0 {
			t.Fatalf("no compaction at %s", s.summary())
		}
		return w.memory.Of(1).KeptRevisions
	}
	for range 3 {
		kept(40)
	}
	small := kept(40)
	if small > 62 {
		t.Fatalf("%d revisions of 8 MiB are kept of 1000 MiB", small)
	}
	s.run("members 3 each 256; members 3 300/300")
	for range 3 {
		want := min(1000, max(4*small, 125))
		if got := kept(1300); got != want {
			t.Errorf("%d revisions are kept after %d, want %d", got, small, want)
		}
		small = want
	}
	if small != 1000 {
		t.Errorf("in the end %d revisions are kept", small)
	}
}

// A compaction that won next to nothing is not repeated before 5 % of the quota
// or ten minutes, and never behind what is compacted already.
func TestHysteresis(t *testing.T) {
	const live = "watch 1; members 3 740/740 of 1000 each 1; compacted;" // at 4000 and 4500
	again := []string{"near_quota 1: compact 1@5500"}
	rests := []string{"near_quota 3"}
	tell(t, []story{
		{"not at once", live, rests},
		{"not before ten minutes", live + "write 1000; wait 9m59s", rests},
		{"ten minutes later", live + "write 1000; wait 10m", again},
		{"but not without new history", live + "wait 1h", rests},
		{"not before 5 %", live + "write 1000; member 1 789/789", rests},
		{"after 5 %", live + "write 1000; member 1 790/790", again},
		{"where it won much, it is repeated as soon as pages are too many", "watch 1; members 3 700/700/590 of 1000; compacted; write 1000; member 1 700/600", []string{
			"near_quota 1: compact 1@5000"}},
		{"after a restart nothing is known of it", live + "restart 1", []string{"near_quota 1: compact 1@4000"}},
	})

	s := newStage(t)
	s.run("watch 1; members 3 740/740 of 1000 each 1")
	w, n := s.watchdogs[0], 0
	for end := s.now.Add(24 * time.Hour); s.now.Before(end); s.run("write 50; wait 10s") {
		n += len(compactions(s, w))
	}
	if most := 24*6 + 1; n > most {
		t.Errorf("%d compactions in a day, want %d at most", n, most)
	}
}

// What is known of one member's history is not lost by work on it, or by an
// older compaction.
func TestKeptRevisions(t *testing.T) {
	s := newStage(t)
	s.run("watch 2; members 3 700/700/300 of 1000 each 512; look 2; do 2; look 2; do 2")
	w := s.watchdogs[0]
	o := policy.Outcome{
		At: s.now, Decision: policy.Decision{Member: 2, Revision: 5010}, View: s.view(w), InUseBefore: 700 * mib,
		Done: []cluster.Step{{Kind: cluster.StepCompact, Member: 2, Revision: 4010}},
	}
	if mm := w.memory.WithOutcome(s.limits, o).Of(2); mm.CompactedRevision != 4500 || mm.KeptRevisions != 510 {
		t.Errorf("compacted at 4500 and then at 4010 of 5010: at %d, %d kept", mm.CompactedRevision, mm.KeptRevisions)
	}
}

// Live data that leave no room, and nothing is refused yet: a verdict once all
// history is given up, which stands as long as it is true.
func TestVerdictInTime(t *testing.T) {
	const full = "watch 2; members 3 970/970 of 1000;"
	tell(t, []story{
		{"history first", full, []string{"near_quota 2: compact 2@4000"}},
		{"then the verdict", full + "compacted", []string{"live_data_too_large 2"}},
		{"a tenth of the quota left is room enough for none", "watch 2; members 3 899/899 of 1000; compacted", []string{"nothing_to_reclaim 2"}},
		{"it is compacted again, later", full + "compacted; write 125; wait 10m", []string{"near_quota 2: compact 2@5125"}},
		{"a minute later for a single revision", full + "compacted; write 1; wait 1m", []string{"near_quota 2: compact 2@5001"}},
		{"but not before", full + "compacted; write 1; wait 59s", []string{"live_data_too_large 2"}},
		{"and not for none", full + "compacted; wait 1h", []string{"live_data_too_large 2"}},
		{"and to no effect", full + "compacted; write 125; wait 10m; compacted", []string{"live_data_too_large 2"}},
		{"keys were deleted", full + "compacted; members 3 970/970/500; write 125; wait 10m; compacted", []string{"near_quota 2: compact 2@4125, defragment 2 [claim] urgent"}},
		{"the quota was raised", full + "compacted; members 3 of 2000", []string{"below_threshold"}},
	})

	s := newStage(t)
	s.run(full + "compacted; write 125; wait 10m; look")
	if w := s.watchdogs[0]; !w.decision.Routine || !slices.ContainsFunc(w.decision.Standing, func(c policy.Condition) bool { return c.Reason == policy.LiveDataTooLarge }) {
		t.Errorf("while it is compacted once more, lasts: %+v", w.decision.Standing)
	}
}
