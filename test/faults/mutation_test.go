package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
)

// mutations are rules of the program that are taken out, and which rule of the
// suite has to see that, in runs with which fault.
var mutations = []struct {
	name   string
	change change
	fault  string
	rule   string
}{
	{"the claim is taken without a comparison", change{
		"pkg/claim/protocol.go", "\t\tUnchangedSince: r.revision,\n\t\tCreated:        created,\n\t\tDelete: ", "\t\tDelete: ",
	}, "takes-together", "claim"},
	{"the alarm is disarmed early", change{
		"pkg/policy/nospace.go", "\t\tif atLeast(m.SizeBytes, w.quota(m), w.limits.DisarmBelow) {\n\t\t\treturn false\n", "\t\tif false {\n\t\t\treturn false\n",
	}, "watchdog-stopped", "disarm"},
	{"an unknown outcome counts as failed", change{
		"pkg/maintenance/steps.go", "\tcase errors.Is(err, cluster.ErrOutcomeUnknown):\n\t\tk.outcome.Doubt", "\tcase false && errors.Is(err, cluster.ErrOutcomeUnknown):\n\t\tk.outcome.Doubt",
	}, "defragmentation-in-doubt", "overlap"},
}

// mutationRuns is how many runs a mutation may survive.
const mutationRuns = 8

// A rule of the program that is taken out is missed by the suite.
func TestMutationsAreCaught(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			binary, err := buildChanged(t.Context(), t.TempDir(), m.change)
			if err != nil {
				t.Fatal(err)
			}
			s := suite{runs: 1, seed: 1, parallel: 1, only: []string{m.fault}, lines: []string{"3.6"}, binary: binary, artefacts: t.TempDir(), length: 10 * time.Minute}
			for range mutationRuns {
				s.results = nil
				results, err := s.run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				t.Log(results[0])
				if slices.ContainsFunc(results[0].violations, func(v history.Violation) bool { return v.Rule == m.rule && !v.Unclosable }) {
					return
				}
				s.seed = results[0].seed + 1
			}
			t.Errorf("nothing was seen in %d runs with %s, want a violation of %q", mutationRuns, m.fault, m.rule)
		})
	}
}

// What is taken out is still there, so that a mutation is one.
func TestMutationsFit(t *testing.T) {
	for _, m := range mutations {
		if !known(m.fault) {
			t.Errorf("%s: no fault is called %s", m.name, m.fault)
		}
		source, err := os.ReadFile(filepath.Join("..", "..", m.change.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(source), m.change.old); n != 1 {
			t.Errorf("%s: the text to be replaced stands %d times in %s, want once: adapt the mutation", m.name, n, m.change.file)
		}
	}
}
