package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Whose turn it is among those who have tickets: the fullest first, the leader
// last.
func TestTurnsUnderTheClaim(t *testing.T) {
	const full = "watch 1 2 3; members 3 513/100 of 512; alarm 1; compacted;"
	tell(t, []story{
		{"alike: the lowest id but the leader", full, []string{
			"another_members_turn 2", "nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent", "another_members_turn 2"}},
		{"the fullest first", full + "member 3 530/100; leader 2", []string{
			"another_members_turn 3", "another_members_turn 3", "nospace_armed 3: compact 3@5000, defragment 3 [claim] urgent"}},
		{"by the share of its own quota", full + "member 3 513/100 of 400", []string{
			"another_members_turn 3", "another_members_turn 3", "nospace_armed 3: compact 3@5000, defragment 3 [claim] urgent"}},
		{"less than a hundredth is no difference", full + "member 3 514/100", []string{
			"another_members_turn 2", "nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent", "another_members_turn 2"}},
		{"the leader last, though it is the fullest", full + "member 1 600/100", []string{
			"another_members_turn 2", "nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent", "another_members_turn 2"}},
		{"the leadership moves to a voter that is done", full + "member 2 100/100; member 3 100/100", []string{
			"nospace_armed 1: compact 1@5000, move-leader 1>2, defragment 1 [claim] urgent", "another_members_turn 1", "another_members_turn 1"}},
		{"of those to the one that is most up to date", full + "member 2 100/100 lag 3; member 3 100/100 lag 1", []string{
			"nospace_armed 1: compact 1@5000, move-leader 1>3, defragment 1 [claim] urgent", "another_members_turn 1", "another_members_turn 1"}},
		{"never to a learner", full + "member 2 gone; watch 1 3; member 3 gone; watch 1; member 4 learner 100/100 of 512; compacted", []string{
			"nospace_armed 1: compact 1@5000, defragment 1 [single voter] urgent"}},
		{"move-leader: false", full + "limit move-leader false; member 2 100/100; member 3 100/100", []string{
			"nospace_armed 1: compact 1@5000, defragment 1 [claim] urgent", "another_members_turn 1", "another_members_turn 1"}},
		{"somebody else holds the claim", full + "holder 3", []string{"waiting_for_claim 3", "waiting_for_claim 3", "waiting_for_claim 3"}},
		{"small files are left alone", full + "member 3 460/100", []string{
			"another_members_turn 2", "nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent", "another_members_turn 2"}},
		{"one member was asked for", full + "limit only 3", []string{
			"another_members_turn 3", "another_members_turn 3", "nospace_armed 3: compact 3@5000, defragment 3 [claim] urgent"}},
	})
}

// Members that nobody works on are adopted.
func TestAdoption(t *testing.T) {
	const lone = "watch 2; members 3 513/100 of 512; alarm 1; compacted;"
	adopt3 := []string{"adopted 3: compact 3@5000, defragment 3 [claim] urgent"}
	const two = "watch 2 3; members 5 100/100 of 512; member 1 513/100; leader 5; alarm 1; compacted;"
	tell(t, []story{
		{"one's own member first", lone, []string{"nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent"}},
		{"not at once", lone + "look; do 2", []string{"another_members_turn 1"}},
		{"not before adopt-after", lone + "look; do 2; wait 1m50s", []string{"another_members_turn 1"}},
		{"then, the leader last", lone + "look; do 2; wait 2m", adopt3},
		{"an adopt-after of one's own", lone + "limit adopt-after 10s; look; do 2; wait 10s", adopt3},
		{"and the leader, moved away", lone + "look; do 2; wait 2m; look; do 2", []string{"adopted 1: compact 1@5000, move-leader 1>2, defragment 1 [claim] urgent"}},
		{"a leader does not go before those it may adopt", "watch 1; members 3 513/100 of 512; alarm 1; compacted", []string{"another_members_turn 3"}},
		{"the lowest of several does it", two + "wait 2m", []string{"adopted 1: compact 1@5000, defragment 1 [claim] urgent", "another_members_turn 1"}},
		{"whose member does not answer does not", two + "wait 2m; member 2 silent; look; wait 6m", []string{"member_unreachable 2", "adopted 1: compact 1@5000, defragment 1 [claim] urgent"}},
		{"nor does a learner's", "watch 2 4; members 3 100/100 of 512; member 2 learner; member 4 100/100 of 512; member 1 513/100; leader 3; alarm 1; compacted; wait 2m", []string{
			"waiting_for_claim", "adopted 1: compact 1@5000, defragment 1 [claim] urgent"}},
		{"a watched member that makes no progress", two + "books 1 2 3; wait 2m", []string{"adopted 1: compact 1@5000, defragment 1 [claim] urgent", "another_members_turn 1"}},
		{"as long as somebody holds the claim, there is progress", two + "books 1 2 3; wait 1m; holder 1; look; holder none; wait 1m59s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"a file that shrinks is progress", two + "books 1 2 3; wait 1m; member 1 512/100; look; wait 1m59s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"a member that does not answer may be worked on", two + "books 1 2 3; wait 1m; member 1 silent; look; member 1 answers; wait 1m59s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"without need a watched member is left to its own", "watch 2 3; members 3 100/100 of 512; member 1 450/100; leader 3; books 1 2 3; look; wait 1h", []string{
			"another_members_turn 1", "another_members_turn 1"}},
		{"from urgent-at on it is not", "watch 2 3; members 3 100/100 of 512; member 1 490/100; leader 3; books 1 2 3; look; wait 1h", []string{
			"adopted 1: compact 1@4000, defragment 1 [claim] urgent", "another_members_turn 1"}},
		{"an unwatched one is adopted without need, too", "watch 2; members 3 100/100 of 512; member 1 450/100; leader 3; look; wait 2m", []string{
			"adopted 1: compact 1@4000, defragment 1 [claim]"}},
		{"nobody looked for books: nobody is without one", "watch 2; members 3 100/100 of 512; member 1 450/100; leader 3; claims unknown; look; wait 2m; claims known", []string{"another_members_turn 1"}},
	})
}

// The fixed order of those who met NOSPACE without tickets.
func TestFixedOrder(t *testing.T) {
	const full = "watch 1 2 3; enrolled none; members 3 513/100 of 512; leader 3; alarm 1; compacted;"
	goes1 := "nospace_armed 1: compact 1@5000, defragment 1 [fixed order] urgent"
	goes2 := "nospace_armed 2: compact 2@5000, defragment 2 [fixed order] urgent"
	goes3 := "nospace_armed 3: compact 3@5000, move-leader 3>1, defragment 3 [fixed order] urgent"
	waits := func(id string) string { return strings.TrimSpace("another_members_turn " + id) }
	tell(t, []story{
		{"the lowest id goes", full + "wait 1s", []string{goes1, waits("1"), waits("1")}},
		{"however full the others are", full + "member 3 600/100; look; wait 1s", []string{goes1, waits("1"), waits("1")}},
		{"not at the first look", full + "member 2 520/100", []string{waits("1"), waits("1"), waits("1")}},
		{"not half a poll later", full + "member 2 520/100; look; wait 499ms", []string{waits("1"), waits("1"), waits("1")}},
		{"but a poll later", full + "member 2 520/100; look; wait 500ms", []string{goes1, waits("1"), waits("1")}},
		{"a change of leader begins the look anew", full + "wait 1s; leader 2", []string{waits("1"), waits("1"), waits("1")}},
		{"an alarm more, too", full + "wait 1s; alarm 2", []string{waits("1"), waits("1"), waits("1")}},
		{"and a moment without the alarm", full + "wait 1s; no-alarms; look; alarm 1; compacted", []string{goes1, waits("1"), waits("1")}},
		{"done: the next", full + "wait 1s; look 1; do 1; look; wait 1s", []string{waits("2"), goes2, waits("2")}},
		{"the leader at its own turn", full + "member 1 100/100; member 2 100/100; look; wait 1s", []string{waits("3"), waits("3"), goes3}},
		{"a leader whose turn comes first moves away, though nobody is done", full + "leader 1; look; wait 1s", []string{
			"nospace_armed 1: compact 1@5000, move-leader 1>2, defragment 1 [fixed order] urgent", waits("1"), waits("1")}},
		{"a watchdog that has gone is passed over by the next alone", full + "watch 2 3; enrolled none; compacted; wait 2m", []string{goes2, waits("2")}},
		{"a member that makes no progress is passed over", full + "look; wait 2m", []string{waits("2"), goes2, waits("2")}},
		{"who waited for another's work is not passed over as soon as that is done", full + "wait 1m28s; look; wait 1s; member 1 100/100; look; wait 1m27s", []string{waits("2"), goes2, waits("2")}},
		{"but later, and then it goes behind", full + "wait 1m28s; look; wait 1s; member 1 100/100; look; wait 2m", []string{waits("3"), waits("3"), goes3}},
		{"nor does it go while the others pass it over", full + "wait 1m28s; look; wait 1s; member 1 100/100; look; wait 1m30s", []string{waits("2"), waits("3"), waits("2")}},
		{"as soon as somebody has a book the others stand still", full + "watch 1 2; enrolled 2; look; wait 1s; compacted", []string{
			"waiting_for_claim", "nospace_armed 2: compact 2@5000, defragment 2 [claim] urgent"}},
		{"an empty book is none", full + "watch 1 2; enrolled none; books 2; look; wait 1s", []string{"waiting_for_claim", "waiting_for_claim"}},
		{"the claim can't be read", full + "claims unknown", []string{"waiting_for_claim", "waiting_for_claim", "waiting_for_claim"}},
		{"disarm looks twice as well", full + "members 3 100/100", []string{waits(""), waits(""), waits("")}},
		{"and then anybody may", full + "members 3 100/100; look; wait 500ms", []string{
			"nospace_armed 1: disarm 1 [fixed order] urgent", "nospace_armed 2: disarm 1 [fixed order] urgent", "nospace_armed 3: disarm 1 [fixed order] urgent"}},
		{"with an old server it is the order of all", full + "enrolled 1 2 3; member 2 version 3.5.6; look; wait 1s", []string{goes1, waits("1"), waits("1")}},
		{"and a claim held from better times is respected", full + "enrolled 1 2 3; member 2 version 3.5.6; holder 2; look; wait 1s", []string{
			"waiting_for_claim 2", waits("1"), waits("1")}},
	})
}

// A turn is over a quarter of adopt-after before the next one's begins, whenever
// in it the work is begun.
func TestTurnsEndBeforeTheNextBegin(t *testing.T) {
	s := newStage(t)
	s.run("watch 1 2 3; enrolled none; members 3 513/100 of 512; leader 3; alarm 1; compacted; look; wait 1s")
	first, second := s.watchdogs[0], s.watchdogs[1]
	d := s.look(first)
	ends := d.TurnEnds
	if !d.Has(cluster.StepDefragment) || !ends.After(s.now) {
		t.Fatalf("%s, its turn ends at %s", brief(d), ends)
	}
	s.run("wait 40s")
	if d = s.look(first); !d.TurnEnds.Equal(ends) {
		t.Errorf("%s, its turn ends at %s, and before that it ended at %s", brief(d), d.TurnEnds, ends)
	}
	for !s.look(second).Has(cluster.StepDefragment) {
		s.pass(time.Second)
	}
	if gap := s.now.Sub(ends); gap < 29*time.Second || gap > 31*time.Second {
		t.Errorf("the second begins %s after the first one's turn, want 30s", gap)
	}
	s.run("watch 1; compacted; look; wait 1s")
	if d := s.look(s.watchdogs[0]); !d.Has(cluster.StepDefragment) || !d.TurnEnds.IsZero() {
		t.Errorf("with a claim: %s, its turn ends at %s, want no end", brief(d), d.TurnEnds)
	}
}

// A leader that is lost for a moment, as when the leadership moves, is seen by some
// and not by others: it must not make the turns of two overlap. One that is lost
// for long lets all of them begin to wait when it is back.
func TestHindrancesDoNotMakeTurnsOverlap(t *testing.T) {
	const full = "watch 2 3; enrolled none; members 3 513/100 of 512; leader 3; alarm 1; compacted; look; wait 60s; look;"
	for name, tt := range map[string]struct {
		script string
		turns  map[int]time.Duration // when each begins to work, from the script's end
	}{
		"short, seen by one":  {full + "leader 0; look 2; wait 1s; leader 3", map[int]time.Duration{2: 120 * time.Second, 3: 180 * time.Second}},
		"short, seen by all":  {full + "leader 0; look; wait 1s; leader 3", map[int]time.Duration{2: 120 * time.Second}},
		"long, seen by all":   {full + "leader 0; look; wait 60s; look; leader 3", map[int]time.Duration{2: 120 * time.Second, 3: 240 * time.Second}},
		"silent, seen by one": {full + "member 2 silent; look 2; wait 1s; member 2 answers", map[int]time.Duration{2: 120 * time.Second, 3: 180 * time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run(tt.script)
			begin, works := s.now, map[int][]time.Duration{}
			for s.now.Sub(begin) < 300*time.Second {
				s.pass(time.Second)
				for _, id := range []int{2, 3} {
					if d := s.look(s.watchdog(cluster.MemberID(id))); d.Has(cluster.StepDefragment) {
						works[id] = append(works[id], s.now.Sub(begin))
					}
				}
			}
			for _, at := range works[2] {
				for _, other := range works[3] {
					if gap := at - other; gap.Abs() < 10*time.Second {
						t.Fatalf("the second works at %s and the third at %s", at, other)
					}
				}
			}
			for id, want := range tt.turns {
				if len(works[id]) == 0 || (works[id][0]-want).Abs() > 8*time.Second {
					t.Errorf("watchdog %d works at %v, want from %s on", id, works[id], want)
				}
			}
		})
	}
}

// Without a claim nothing but time keeps two from adopting the same member: the
// first voter's watchdog waits for twice adopt-after, each one after it longer, and
// then they take turns.
func TestFixedOrderAdoptsStaggered(t *testing.T) {
	s := newStage(t)
	s.run("watch 2 3; enrolled none; members 3 100/100 of 512; member 1 513/100; leader 3; alarm 1; compacted")
	s.now = s.watchdog(2).memory.Of(1).WorkSince
	for _, tt := range []struct {
		wait string
		want []string
	}{
		{"5m59s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"1s", []string{"adopted 1: compact 1@5000, defragment 1 [fixed order] urgent", "another_members_turn 1"}},
		{"1m29s", []string{"adopted 1: compact 1@5000, defragment 1 [fixed order] urgent", "another_members_turn 1"}},
		{"29s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"3s", []string{"another_members_turn 1", "adopted 1: compact 1@5000, defragment 1 [fixed order] urgent"}},
		{"1m26s", []string{"another_members_turn 1", "adopted 1: compact 1@5000, defragment 1 [fixed order] urgent"}},
		{"5s", []string{"another_members_turn 1", "another_members_turn 1"}},
		{"2m28s", []string{"adopted 1: compact 1@5000, defragment 1 [fixed order] urgent", "another_members_turn 1"}},
	} {
		s.run("wait " + tt.wait)
		for i, w := range s.watchdogs {
			if got := brief(s.look(w)); got != tt.want[i] {
				t.Errorf("+%s, watchdog %s: %s, want %s", s.now.Sub(begin), w.local, got, tt.want[i])
			}
		}
	}
}

func TestUnfit(t *testing.T) {
	for name, tt := range map[string]struct {
		script string
		reason policy.Reason
		words  string
	}{
		"fit":                   {"members 3 100/100 of 512", "", ""},
		"CORRUPT":               {"members 3 100/100 of 512; alarm 3 corrupt", policy.CorruptArmed, "CORRUPT"},
		"no quorum":             {"members 3 100/100 of 512; leader 0", policy.NotQuorate, "more than half"},
		"itself silent":         {"members 3 100/100 of 512; member 2 silent", policy.MemberUnreachable, "m2 (2)"},
		"itself mismatched":     {"members 3 100/100 of 512; member 2 mismatched", policy.IdentityMismatch, "m2 (2)"},
		"itself behind":         {"members 3 100/100 of 512; member 2 lag 1001", policy.MemberCatchingUp, "98999 of 100000"},
		"another one silent":    {"members 3 100/100 of 512; member 3 silent", policy.MemberUnreachable, "m3 (3)"},
		"another one lost":      {"members 3 100/100 of 512; member 3 lost", policy.MemberCatchingUp, "m3 (3)"},
		"a learner silent":      {"members 3 100/100 of 512; member 4 learner silent", "", ""},
		"itself gone":           {"members 3 100/100 of 512; member 2 gone", policy.MemberUnreachable, "not among the voters"},
		"itself a learner":      {"members 3 100/100 of 512; member 2 learner", policy.MemberUnreachable, "not among the voters"},
		"excused":               {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m", "", ""},
		"itself is not excused": {"members 3 100/100 of 512; alarm 1; member 2 silent; look; wait 5m", policy.MemberUnreachable, "m2 (2)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1")
			s.run(tt.script)
			s.look(s.watchdogs[0])
			reason, words := policy.Unfit(s.limits, s.now, s.view(s.watchdogs[0]), s.watchdogs[0].memory, 2)
			if reason != tt.reason || !strings.Contains(words, tt.words) {
				t.Errorf("%s: %q, want %s: %q", reason, words, tt.reason, tt.words)
			}
		})
	}
}

func TestCaughtUp(t *testing.T) {
	s := newStage(t)
	s.run("members 5 100/100 of 512; member 2 lag 1000; member 3 lag 1001; member 4 lost; member 5 silent")
	for id, want := range map[cluster.MemberID]bool{1: true, 2: true, 3: false, 4: false, 5: false, 9: false} {
		if got := policy.CaughtUp(s.view(&watchdog{local: 1}), id); got != want {
			t.Errorf("member %s has caught up: %v, want %v", id, got, want)
		}
	}
}
