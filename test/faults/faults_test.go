package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// TestFaults carries out some runs: a few in the selection, and with
// ETCD_WATCHDOG_E2E=1 as many as fit into a few minutes.
func TestFaults(t *testing.T) {
	s := suite{runs: 6, seed: 1, parallel: 2, length: 90 * time.Second, artefacts: artefacts(t)}
	if os.Getenv("ETCD_WATCHDOG_E2E") == "1" {
		s.runs, s.length = 2*len(faults), 7*time.Minute
	}
	results, err := s.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	outcomes := make([]outcome, 0, len(results))
	for _, res := range results {
		t.Log(res)
		outcomes = append(outcomes, res.outcome())
	}
	if verdict(outcomes) != 0 {
		t.Error(summary(outcomes))
	}
}

// artefacts is a directory that is kept if the test fails.
func artefacts(t *testing.T) string {
	dir, err := os.MkdirTemp("", "faults")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			_ = os.RemoveAll(dir) // a leftover is no reason to fail
		}
	})
	return dir
}

// What a seed chooses does not depend on what else is run.
func TestPlansFollowFromTheSeed(t *testing.T) {
	lines := []string{"3.4", "3.5", "3.6", "3.7"}
	met := map[string]int{}
	for seed := range uint64(len(faults) * len(lines)) {
		p := planOf(seed, lines)
		if again := planOf(seed, lines); again.String() != p.String() {
			t.Errorf("seed %d: %s, and then %s", seed, p, again)
		}
		met[p.fault.name+" on "+p.line]++
		if p.fault.phases != nil && p.phase.event == "" {
			t.Errorf("seed %d has no phase: %s", seed, p)
		}
		if p.length < p.fault.least || p.length > max(p.fault.least, p.fault.most) {
			t.Errorf("seed %d: the length is %v, not from %v to %v", seed, p.length, p.fault.least, p.fault.most)
		}
	}
	if len(met) != len(faults)*len(lines) {
		t.Errorf("%d pairs of fault and line in as many runs as there are pairs, want %d", len(met), len(faults)*len(lines))
	}
}

func TestBatchesShareWorlds(t *testing.T) {
	lines := []string{"3.4", "3.6"}
	var plans []plan
	for seed := range uint64(200) {
		plans = append(plans, planOf(seed, lines))
	}
	n := 0
	for _, b := range batchesOf(plans) {
		n += len(b)
		if len(b) > batch {
			t.Errorf("%d runs in one world, at most %d", len(b), batch)
		}
		for _, p := range b {
			if p.world() != b[0].world() {
				t.Errorf("%s in a world of %s", p, b[0].world())
			}
		}
	}
	if n != len(plans) {
		t.Errorf("%d runs in all batches, want %d", n, len(plans))
	}
}

func TestUsage(t *testing.T) {
	for _, args := range []string{"-runs -1", "-parallel 0", "-faults none", "-lines 2.3", "more", "-no"} {
		if status := command(strings.Fields(args)); status != 64 {
			t.Errorf("%q ends with %d, want 64", args, status)
		}
	}
}

func TestTable(t *testing.T) {
	run := func(fault int, line string, violations ...history.Violation) result {
		return result{plan: plan{fault: &faults[fault], line: line}, healed: 2 * time.Second, violations: violations}
	}
	var outcomes []outcome
	for _, res := range []result{
		run(0, "3.6"), run(0, "3.4"), run(1, "3.6", history.Violation{What: "x"}), run(1, "3.6", history.Violation{Unclosable: true}),
		{plan: plan{fault: &faults[0], line: "3.6"}, missed: "over", healed: time.Hour},
	} {
		outcomes = append(outcomes, res.outcome())
	}
	file := filepath.Join(t.TempDir(), "page.md")
	page := "before\n" + tableBegin + "\nold\n" + tableEnd + "\nafter\n"
	if err := os.WriteFile(file, []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeTable(file, outcomes); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n", "\nafter\n", "| fault | 3.4 | 3.6 | runs | violations | median time to healed |\n",
		fmt.Sprintf("| %s | 1 | 1 | 2 | 0 | 2.0 s |\n", faults[0].name),
		fmt.Sprintf("| %s | 0 | 2 | 2 | 1 | 2.0 s |\n", faults[1].name),
		"| all | 1 | 3 | 4 | 1 | 2.0 s |\n", "4 runs whose fault met a heal, 1 with a violation, 1 with an overlap",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "old") {
		t.Errorf("the old table stands still:\n%s", got)
	}
	if verdict(outcomes) != 1 || verdict(outcomes[:2]) != 0 || verdict(nil) != 1 {
		t.Error("the verdict does not follow the violations")
	}
}

// A table of a thousand runs is made in more than one go: what the ledger holds is
// not run again, and counts.
func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	for seed := range uint64(len(words)) {
		o := outcome{seed: 9 - seed, fault: faults[seed].name, line: "3.6", members: 3, word: words[seed], healed: 2300 * time.Millisecond}
		if err := enter(path, o); err != nil {
			t.Fatal(err)
		}
	}
	s := suite{runs: len(words) + 1, seed: 9 - uint64(len(words)), ledger: path}
	var err error
	if s.done, err = readLedger(path); err != nil || len(s.done) != len(words) {
		t.Fatalf("read back: %v, %v", s.done, err)
	}
	last := s.done[len(words)-1]
	if want := (outcome{9, faults[0].name, "3.6", 3, wordHealed, 2300 * time.Millisecond}); last != want {
		t.Errorf("read back: %v, want %v", last, want)
	}
	plans, err := s.plans()
	if err != nil || len(plans) != 1 || plans[0].seed != s.seed {
		t.Errorf("still to run: %v, %v, want seed %d", plans, err, s.seed)
	}
	if err := os.WriteFile(path, []byte(ledgerHeader+"\n1\tno-such-fault\t3.6\t3\thealed\t1.0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLedger(path); err == nil || !strings.Contains(err.Error(), "ledger:2: no fault") {
		t.Errorf("a ledger of another table of faults: %v, want a refusal", err)
	}
}

// A member that a full disk has ended is started again whenever it has ended, not
// only while the disk is full.
func TestRevivedMemberIsStartedAgain(t *testing.T) {
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1})
	m := c.Member(0)
	r := &run{world: &world{cluster: c, down: map[*watchdogs.Watchdog]bool{}}}
	for _, r.revived = range []*realetcd.Member{nil, m} {
		if err := m.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := r.restartEnded(); err != nil {
			t.Fatal(err)
		}
		if runs := m.Running(); runs != (r.revived != nil) {
			t.Errorf("to be started again: %t, and it runs: %t", r.revived != nil, runs)
		}
	}
}

// A change whose text is not there, or stands there twice, would say nothing.
func TestChangeThatDoesNotFit(t *testing.T) {
	for _, old := range []string{"no such text", "return"} {
		_, err := buildChanged(context.Background(), t.TempDir(), change{"test/faults/build.go", old, "x"})
		if err == nil || !strings.Contains(err.Error(), "not once") {
			t.Errorf("replacing %q: %v, want a refusal", old, err)
		}
	}
}
