package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Who works on what among those who have tickets.
func TestOrderUnderTheClaim(t *testing.T) {
	const full = "watch 1 2 3; members 3 513/100 of 512; alarm 1; compacted;"
	own := func(id string) string { return "nospace_armed " + id + ": defragment " + id + " [claim] urgent" }
	const waits = "another_members_turn "
	tell(t, []story{
		{"each its own, the claim is the order; the leader waits", full, []string{waits + "2", own("2"), own("3")}},
		{"whoever is the fullest", full + "member 3 530/100; leader 2", []string{own("1"), waits + "3", own("3")}},
		{"the leader as well", full + "member 1 600/100", []string{waits + "2", own("2"), own("3")}},
		{"the leadership moves to a voter that is done", full + "member 2 100/100; member 3 100/100", []string{
			"nospace_armed 1: move-leader 1>2, defragment 1 [claim] urgent", waits + "1", waits + "1"}},
		{"of those to the one that is most up to date", full + "member 2 100/100 lag 3; member 3 100/100 lag 1", []string{
			"nospace_armed 1: move-leader 1>3, defragment 1 [claim] urgent", waits + "1", waits + "1"}},
		{"the leader does not wait for ever", full + "look; wait 2m; compacted", []string{"adopted 2: defragment 2 [claim] urgent", own("2"), own("3")}},
		{"nor for one that backs off", full + "member 2 100/100; watch 1; books 1 3; look; wait 2m; compacted; member 3 sick; look; do 1", []string{
			"nospace_armed 1: move-leader 1>2, defragment 1 [claim] urgent"}},
		{"never to a learner", full + "member 2 gone; watch 1 3; member 3 gone; watch 1; member 4 learner 100/100 of 512; compacted", []string{
			"nospace_armed 1: defragment 1 [single voter] urgent"}},
		{"move-leader: false", full + "limit move-leader false; member 2 100/100; member 3 100/100", []string{own("1"), waits + "1", waits + "1"}},
		{"another watchdog holds the claim", full + "holder 3", []string{"waiting_for_claim 3", "waiting_for_claim 3", "waiting_for_claim 3"}},
		{"small files are left alone", full + "member 3 460/100", []string{waits + "2", own("2"), waits + "2"}},
		{"one member was asked for", full + "limit only 3", []string{waits + "3", waits + "3", own("3")}},
	})
}

// Members that their own watchdogs do not work on are adopted.
func TestAdoption(t *testing.T) {
	const lone = "watch 2; members 3 513/100 of 512; alarm 1; compacted;"
	adopt3 := []string{"adopted 3: defragment 3 [claim] urgent"}
	const two = "watch 2 3; members 5 100/100 of 512; member 1 513/100; leader 5; alarm 1; compacted;"
	const adopt1, waits1 = "adopted 1: defragment 1 [claim] urgent", "another_members_turn 1"
	const early = "adopted 1: compact 1@4000, defragment 1 [claim] urgent"
	tell(t, []story{
		{"one's own member first", lone, []string{"nospace_armed 2: defragment 2 [claim] urgent"}},
		{"under NOSPACE a member without tickets at once: it can get none", lone + "look; do 2", adopt3},
		{"the leader last, moved away", lone + "look; do 2; look; do 2", []string{"adopted 1: move-leader 1>2, defragment 1 [claim] urgent"}},
		{"a leader goes after those that it adopts", "watch 1; members 3 513/100 of 512; alarm 1; compacted", []string{"adopted 2: defragment 2 [claim] urgent"}},
		{"each of several may: the claim is the order", two, []string{adopt1, adopt1}},
		{"whose member does not answer does not", two + "member 2 silent; look; wait 6m", []string{"member_unreachable 2", adopt1}},
		{"nor does a learner's", "watch 2 4; members 3 100/100 of 512; member 2 learner; member 4 100/100 of 512; member 1 513/100; leader 3; alarm 1; compacted; wait 2m", []string{
			"waiting_for_claim", adopt1}},
		{"a watched member that makes no progress, by the first", two + "books 1 2 3; look; wait 2m", []string{adopt1, waits1}},
		{"and not before", two + "books 1 2 3; look; wait 1m55s", []string{waits1, waits1}},
		{"and after twice the time by any", two + "books 1 2 3; wait 4m", []string{adopt1, adopt1}},
		{"an adopt-after of one's own", two + "books 1 2 3; limit adopt-after 10s; wait 10s", []string{adopt1, waits1}},
		{"a claim that is held is no progress by itself", two + "books 1 2 3; wait 1m; holder 1; look; holder none; look; wait 1m59s", []string{adopt1, waits1}},
		{"a file that shrinks is progress", two + "books 1 2 3; wait 1m; member 1 512/100; look; wait 1m59s", []string{waits1, waits1}},
		{"that of any member", two + "books 1 2 3; wait 1m; member 5 99/99; look; wait 1m59s", []string{waits1, waits1}},
		{"without need a watched member is left to its own", "watch 2 3; members 3 100/100 of 512; member 1 450/100; leader 3; books 1 2 3; look; wait 1h", []string{waits1, waits1}},
		{"from urgent-at on it is not", "watch 2 3; members 3 100/100 of 512; member 1 490/100; leader 3; books 1 2 3; look; wait 2m", []string{early, waits1}},
		{"an unwatched one is adopted without need, too", "watch 2; members 3 100/100 of 512; member 1 450/100; leader 3; look; wait 2m", []string{
			"adopted 1: compact 1@4000, defragment 1 [claim]"}},
		{"and not before adopt-after", "watch 2; members 3 100/100 of 512; member 1 450/100; leader 3; look; wait 1m59s", []string{waits1}},
	})
}

// What watchdogs without tickets do: the one next to the leader works on every
// member, its own last, once the leader's term has been quiet for S.
func TestLeadersTerm(t *testing.T) {
	// The term is a new one when the script goes on: nothing has been quiet yet.
	const bare = "watch 1 2 3; enrolled none; members 3 513/100 of 512; leader 3; alarm 1;"
	const full = bare + "compacted; wait 6s; compacted; leader 3;"
	const two, first, second = bare + "watch 1 2; enrolled none; compacted; leader 3;", bare + "watch 1; enrolled none; compacted; leader 3;", bare + "watch 2; enrolled none; compacted; leader 3;"
	const w1, w2 = "waiting_for_claim 1", "waiting_for_claim 1"
	goes := func(id string) string { return "adopted " + id + ": defragment " + id + " [term] urgent" }
	tell(t, []story{
		{"not before S", full + "look; wait 14s", []string{w1, w2, "waiting_for_claim 1"}},
		{"then the watchdog next to the leader, the fullest member first", full + "member 2 600/100; look; wait 15s", []string{"waiting_for_claim 2", "waiting_for_claim 2", goes("2")}},
		{"and one after the other without another wait", full + "look; wait 15s; look; do 3; look 3", []string{"waiting_for_claim 2", "waiting_for_claim 2", goes("2")}},
		{"its own member last, with the leadership moved away", full + "look; wait 15s; look; do 3; look; do 3; look 3", []string{
			"waiting_for_claim 3", "waiting_for_claim 3", "nospace_armed 3: move-leader 3>1, defragment 3 [term] urgent"}},
		{"a new term begins the wait again", full + "look; wait 15s; leader 2; compacted", []string{w1, "waiting_for_claim 1", w1}},
		{"so does a new term of the same leader", full + "look; wait 15s; leader 3", []string{w1, w2, "waiting_for_claim 1"}},
		{"and a member that does not answer", full + "look; wait 14s; member 2 silent; look; member 2 answers; look; wait 14s", []string{w1, w2, "waiting_for_claim 1"}},
		{"or answers late", full + "look; wait 14s; member 2 took 1100ms; look; member 2 took 10ms; look; wait 14s", []string{w1, w2, "waiting_for_claim 1"}},
		{"and a file that another tool makes smaller", full + "look; wait 14s; member 2 480/100; look; wait 2s", []string{w1, w2, "waiting_for_claim 1"}},
		{"and CORRUPT", full + "look; wait 14s; alarm 1 corrupt; look; no-alarms; alarm 1; look; wait 14s", []string{w1, w2, "waiting_for_claim 1"}},
		{"not next to its member", full + "apart 3; look; wait 15s", []string{w1, w2, "waiting_for_claim"}},
		{"move-leader false: the leader in place", full + "limit move-leader false; member 1 100/100; member 2 100/100; look; look; wait 15s", []string{
			"waiting_for_claim 3", "waiting_for_claim 3", "nospace_armed 3: defragment 3 [term] urgent"}},
		{"the first by id takes the leadership after 30 s", two + "look; wait 29s", []string{w1, "waiting_for_claim 1"}},
		{"that is now", two + "look; wait 30s", []string{
			"nospace_armed 3: move-leader 3>1 [term] urgent", "waiting_for_claim 1"}},
		{"the next one 15 s later", second + "look; wait 44s", []string{"waiting_for_claim 1"}},
		{"that is now, too", second + "look; wait 45s", []string{"adopted 3: move-leader 3>2 [term] urgent"}},
		{"after a takeover S begins", first + "look; wait 30s; look; do 1; compacted; leader 1; look; wait 14s", []string{"waiting_for_claim 2"}},
		{"and then it works", first + "look; wait 30s; look; do 1; compacted; leader 1; look; wait 15s", []string{goes("2")}},
		{"a watchdog with tickets does all", full + "watch 1 2; enrolled 2; look; wait 1m; compacted", []string{
			"waiting_for_claim", "nospace_armed 2: defragment 2 [claim] urgent"}},
		{"an empty book of another watchdog", two + "books 2; look; wait 1m", []string{"waiting_for_claim", "waiting_for_claim"}},
		{"the claim can't be read", full + "claims unknown", []string{"waiting_for_claim", "waiting_for_claim", "waiting_for_claim"}},
		{"disarming needs no permit", full + "members 3 100/100; look; wait 1s", []string{
			"nospace_armed 1: disarm 1 urgent", "nospace_armed 2: disarm 1 urgent", "nospace_armed 3: disarm 1 urgent"}},
		{"an old server: those with tickets give them up first", full + "enrolled 1 2 3; member 2 version 3.5.6; look; wait 1s", []string{"waiting_for_claim", "waiting_for_claim", "waiting_for_claim"}},
		{"one pass, alone", second + "limit alone true; look; wait 1s; compacted", []string{"adopted 1: defragment 1 [alone] urgent"}},
	})
}

// A takeover that comes to nothing makes the next one wait twice as long.
func TestTakeoversLieFurtherAndFurtherApart(t *testing.T) {
	s := newStage(t)
	s.run("watch 1; enrolled none; members 3 513/100 of 512; leader 3; alarm 1; compacted; look")
	var moved []time.Duration
	for s.now.Before(begin.Add(time.Hour)) {
		w := s.watchdogs[0]
		if d := s.look(w); d.Has(cluster.StepMoveLeader) {
			moved = append(moved, s.now.Sub(begin))
			s.act(w)
			s.run("leader 3") // it goes back before anything was done
		}
		s.now = s.now.Add(time.Second)
	}
	for i := range len(moved) - 1 {
		want := min(time.Duration(30<<(i+1))*time.Second, 10*time.Minute)
		if gap := moved[i+1] - moved[i]; (gap - want).Abs() > 3*time.Second {
			t.Errorf("takeovers at %s: the gap after the first %d is %s, want %s", moved, i+1, gap, want)
		}
	}
	if len(moved) < 7 {
		t.Errorf("%d takeovers in an hour", len(moved))
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
		"itself slow":           {"members 3 100/100 of 512; member 2 took 1100ms", policy.MemberUnreachable, "took 1.1s"},
		"another one blocked":   {"members 3 100/100 of 512; alarm 1; member 3 blocked; look; wait 1h", policy.MemberUnreachable, "m3 (3) is blocked"},
		"seen once":             {"members 3 100/100 of 512; member 3 lag 1001; look; member 3 lag 0", policy.MemberCatchingUp, "seen so again"},
		"excused":               {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m", "", ""},
		"too slow is absent":    {"members 3 100/100 of 512; alarm 1; member 3 took 3100ms; look; wait 5m", "", ""},
		"back for a moment":     {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m; member 3 answers; look; wait 1m59s; look; member 3 silent", "", ""},
		"back for good":         {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m; member 3 answers; look; wait 2m; look; member 3 silent", policy.MemberUnreachable, "does not answer"},
		"back and behind":       {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m; member 3 answers; look; wait 2m; look; member 3 lag 1001", policy.MemberCatchingUp, "98999"},
		"itself is not excused": {"members 3 100/100 of 512; alarm 1; member 2 silent; look; wait 5m", policy.MemberUnreachable, "m2 (2)"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1; members 3 100/100 of 512; look; wait 1s")
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
