package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Rules 7 to 9: nothing is refused yet, so there is a choice. Noon is minute
// 720 of the day.
func TestVoluntary(t *testing.T) {
	const large = "watch 2; members 3 100/100 of 500; member 2 400/100;"
	work := []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}
	urgent := []string{"near_quota 2: compact 2@4000, defragment 2 [claim] urgent"}
	tell(t, []story{
		{"rule 8: at defragment-at", large, work},
		{"below it", large + "member 2 399/100", []string{"near_quota 2"}},
		{"just worth it", large + "member 2 400/300; compacted", work},
		{"compacted first, to know whether it is", large + "member 2 400/301/100", []string{"near_quota 2: compact 2@4000"}},
		{"then it is", large + "member 2 400/301/100; compacted", work},
		{"then it is not", large + "member 2 400/301/301; compacted", []string{"nothing_to_reclaim 2"}},
		{"nor a minute later", large + "member 2 400/301/301; compacted; wait 1m; revision 9000", []string{"nothing_to_reclaim 2"}},
		{"ten minutes later it may be", large + "member 2 400/301/301; compacted; wait 10m; revision 9000", []string{"near_quota 2: compact 2@8500"}},
		{"but not of the same history", large + "member 2 400/301/301; compacted; wait 10m", []string{"nothing_to_reclaim 2"}},
		{"or after 5 % of the quota were written", large + "member 2 400/301/301; compacted; revision 9000; member 2 400/326", []string{"near_quota 2: compact 2@8500"}},
		{"less history than keep-revisions is given up by half", large + "member 2 400/301/100; revision 1000", []string{"near_quota 2: compact 2@500"}},
		{"history takes space on all members: anybody may compact", large + "watch 3; member 2 400/301/100; look; wait 2s", []string{"near_quota 2: compact 2@4000"}},
		{"work without history to give up", large + "revision 900", []string{"near_quota 2: defragment 2 [claim]"}},
		{"a voter is absent", large + "member 3 silent; look; wait 1h", []string{"member_unreachable 3"}},
		{"a voter is behind", large + "member 3 lag 1001", []string{"member_catching_up 3"}},
		{"no ticket yet", large + "enrolled none", []string{"waiting_for_claim"}},
		{"nobody knows who holds the claim", large + "claims unknown", []string{"waiting_for_claim"}},
		{"somebody holds the claim", large + "holder 3", []string{"waiting_for_claim 3"}},
		{"rule 7: at urgent-at", large + "member 2 475/100; limit window 60-300; limit stall-budget 1s", urgent},
		{"below it", large + "member 2 474/100; limit window 60-300", []string{"outside_window 2"}},
		{"half of min-reclaim is enough then", large + "member 2 475/425; compacted", urgent},
		{"less is not", large + "member 2 475/426; revision 900; compacted", []string{"nothing_to_reclaim 2"}},
		{"in a window", large + "limit window 720-721", work},
		{"a minute after it", large + "limit window 660-720", []string{"outside_window 2"}},
		{"in one of several", large + "limit window 60-300; limit window 700-800", work},
		{"asked for now", large + "limit window 60-300; limit stall-budget 1ms; limit immediate true", work},
		{"another member was asked for", large + "limit only 3", []string{"near_quota 2"}},
		{"50 MiB a second are the first guess", large + "limit stall-budget 2s", work},
		{"a longer stall than the budget", large + "limit stall-budget 1999ms", []string{"stall_budget 2"}},
		{"in a window no stall is too long", large + "limit stall-budget 1ms; limit window 700-800", work},
	})
}

// The leader is worked on last, and in place only in a window.
func TestVoluntaryLeader(t *testing.T) {
	const large = "watch 1; members 3 100/100 of 500; member 1 400/100;"
	moved := []string{"near_quota 1: compact 1@4000, move-leader 1>2, defragment 1 [claim]"}
	inPlace := []string{"near_quota 1: compact 1@4000, defragment 1 [claim]"}
	tell(t, []story{
		{"moved first", large, moved},
		{"move-leader: false", large + "limit move-leader false", []string{"outside_window 1"}},
		{"even when it is urgent", large + "limit move-leader false; member 1 490/100", []string{"outside_window 1"}},
		{"even when it was asked for now", large + "limit move-leader false; limit immediate true", []string{"outside_window 1"}},
		{"in place in a window", large + "limit move-leader false; limit window 700-800", inPlace},
		{"one voter has nowhere to move it to", "members 1 490/100 of 500", []string{"near_quota 1: compact 1@4000, defragment 1 [single voter] urgent"}},
		{"the others first", large + "member 2 400/100; watch 1 2", []string{"another_members_turn 2", "near_quota 2: compact 2@4000, defragment 2 [claim]"}},
		{"those that won't be done keep nobody waiting", large + "member 2 400/399; member 3 400/399; revision 900; watch 1; compacted", []string{"near_quota 1: move-leader 1>2, defragment 1 [claim]"}},
	})
}

// The cooldown doubles while little is won, up to seven days, and falls back as
// soon as much is.
func TestCooldown(t *testing.T) {
	s := newStage(t)
	s.run("watch 2; members 3 100/100 of 500; limit immediate true")
	w := s.watchdogs[0]
	work := func(size, left string) time.Duration {
		t.Helper()
		s.run("member 2 " + size + "/" + left + "; look")
		if !w.decision.Has(cluster.StepDefragment) {
			t.Fatalf("decided %s", brief(w.decision))
		}
		s.run("do 2")
		return w.memory.Of(2).Cooldown
	}
	for i, want := range []time.Duration{6, 12, 24, 48, 96, 168, 168} {
		if got := work("450", "251"); got != want*time.Hour { // 199 of 500 MiB are less than 2 × 20 %
			t.Fatalf("after %d times of little: %s, want %d h", i+1, got, want)
		}
	}
	if got := work("450", "250"); got != 6*time.Hour {
		t.Errorf("after much was won: %s", got)
	}

	s.run("limit immediate false; member 2 450/100")
	for _, tt := range []struct{ wait, want string }{
		{"5h59m59s", "cooling_down 2"},
		{"1s", "near_quota 2: compact 2@4000, defragment 2 [claim]"},
	} {
		s.run("wait " + tt.wait)
		if got := brief(s.look(w)); got != tt.want {
			t.Errorf("%s after the last one: %s, want %s", s.now.Sub(w.memory.Of(2).WorkedAt), got, tt.want)
		}
	}
	s.run("do 2; member 2 450/100; limit window 0-1439")
	if got := brief(s.look(w)); got != "cooling_down 2" {
		t.Errorf("a window does not end a cooldown: %s", got)
	}
	s.run("member 2 480/100")
	if got := brief(s.look(w)); got != "near_quota 2: compact 2@4000, defragment 2 [claim] urgent" {
		t.Errorf("what is urgent does not wait for a cooldown: %s", got)
	}
}

// A member's own speed, once it is known, tells how long it will be blocked.
func TestStallIsLearnt(t *testing.T) {
	s := newStage(t)
	s.run("watch 2; members 3 100/100 of 500; member 2 450/100; look")
	w := s.watchdogs[0]
	if w.decision.Expected != 2*time.Second {
		t.Errorf("100 MiB at 50 MiB a second: %s", w.decision.Expected)
	}
	o := policy.Outcome{At: s.now, Decision: w.decision, Done: w.decision.Steps, Took: 10 * time.Second, Before: 450 * mib}
	s.run("member 2 100/100")
	o.View = s.view(w)
	w.memory = w.memory.WithOutcome(s.limits, o)
	s.run("wait 7h; member 2 450/200; limit stall-budget 20s; look")
	if !w.decision.Has(cluster.StepDefragment) || w.decision.Expected != 20*time.Second {
		t.Errorf("200 MiB at 10 MiB a second: %s in %s", brief(w.decision), w.decision.Expected)
	}
	s.run("limit stall-budget 19s; look")
	if got := brief(w.decision); got != "stall_budget 2" {
		t.Error(got)
	}
}

// A cooldown is counted by the clock on the wall, since a restart or a reboot
// comes in between. However that clock is set, it lasts no longer than it does.
func TestCooldownOverClockSteps(t *testing.T) {
	const work = "near_quota 2: compact 2@4000, defragment 2 [claim]"
	for name, tt := range map[string]struct {
		script string // begins right after the work
		ready  time.Duration
	}{
		"no step":                        {"", 6 * time.Hour},
		"an hour forward":                {"wait 1h", 5 * time.Hour},
		"an hour back":                   {"wait -1h", 6 * time.Hour},
		"years back":                     {"wait -50000h", 6 * time.Hour},
		"back, and later forward again":  {"wait -48h; look; wait 1h; look; wait 1h", 4 * time.Hour},
		"a restart":                      {"wait 1h", 5 * time.Hour},
		"a restart, and three days back": {"wait -72h", 6 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 2; members 3 100/100 of 500; member 2 450/100; look; do 2")
			w := s.watchdogs[0]
			if strings.HasPrefix(name, "a restart") {
				mm := w.memory.Of(2)
				w.memory = policy.Memory{Members: []policy.MemberMemory{{ID: 2, WorkedAt: mm.WorkedAt, Cooldown: mm.Cooldown}}}
			}
			s.run(tt.script + "; member 2 450/100; look")
			for _, at := range []struct {
				wait time.Duration
				want string
			}{{0, "cooling_down 2"}, {tt.ready - time.Second, "cooling_down 2"}, {time.Second, work}} {
				s.now = s.now.Add(at.wait)
				s.look(w)
				s.now = s.now.Add(policy.LooksApart)
				if got := brief(s.look(w)); got != at.want {
					t.Errorf("%s after the work by the clock: %s, want %s", s.now.Sub(begin), got, at.want)
				}
			}
		})
	}
}
