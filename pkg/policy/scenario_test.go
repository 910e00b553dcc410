package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts of the scenarios anew")

// Every testdata/*.txt is a scenario: commands (see script_test.go) behind ">",
// and below them what each watchdog decides, as far as it is news. `go test
// ./pkg/policy -run TestScenarios -update` writes the decisions anew. Commit
// the difference if an operator would prefer the new story at three in the
// morning, and can tell from it why everything happens.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, strings.Split(got, "\n"), strings.Split(string(want), "\n"))
		})
	}
}

// compare reports the first line that differs, and what comes around it.
func compare(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i < len(got) && i < len(want) && got[i] == want[i] {
			continue
		}
		around := func(lines []string) string {
			return strings.Join(lines[min(len(lines), max(0, i-3)):min(len(lines), i+6)], "\n")
		}
		t.Fatalf("line %d: got\n%s\n\nwant\n%s", i+1, around(got), around(want))
	}
}

// play returns a scenario as it goes now.
func play(t *testing.T, scenario string) string {
	s, out := newStage(t), strings.Builder{}
	for line := range strings.Lines(scenario) {
		command, ok := strings.CutPrefix(line, "> ")
		switch {
		case ok:
			out.WriteString(line)
			out.WriteString(s.run(command))
		case strings.HasPrefix(line, "#"), strings.TrimSpace(line) == "":
			out.WriteString(line)
		}
	}
	return out.String()
}
