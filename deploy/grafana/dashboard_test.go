package grafana_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/deploy/grafana"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
)

var update = flag.Bool("update", false, "write the dashboard")

func TestDashboard(t *testing.T) {
	const file = "etcd-watchdog.json"
	want, err := grafana.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != string(want) {
		t.Errorf("%s is not what the code makes (%v); go test ./deploy/grafana -update writes it", file, err)
	}
}

// The panels lie beside and below one another, and each has a query.
func TestPanels(t *testing.T) {
	text, err := grafana.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	taken := map[[2]int]string{}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s has no query", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" || at[0] > 23 {
					t.Fatalf("%s lies on %s, or outside", p.Title, taken[at])
				}
				taken[at] = p.Title
			}
		}
	}
}

func TestEverySeriesOfTheDashboardIsDeclared(t *testing.T) {
	name := regexp.MustCompile(`etcd_watchdog_\w+`)
	for title, all := range grafana.Expressions("c") {
		for _, expr := range all {
			for _, n := range name.FindAllString(expr, -1) {
				if !slices.ContainsFunc(metrics.All(), func(s metrics.Series) bool { return s.Name == n }) {
					t.Errorf("%s: %s is not declared", title, n)
				}
			}
		}
	}
}

// Prometheus parses every expression. That they return data is shown by
// `make prometheus`.
func TestExpressionsAreAcceptedByPrometheus(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool here (package prometheus): the expressions are not parsed")
	}
	check := func(expressions ...string) error {
		var b strings.Builder
		b.WriteString("groups:\n- name: g\n  rules:\n")
		for i, e := range expressions {
			fmt.Fprintf(&b, "  - record: r%d\n    expr: %q\n", i, e)
		}
		file := filepath.Join(t.TempDir(), "rules.yml")
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "check", "rules", file).CombinedOutput(); err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	}
	var all []string
	for _, e := range grafana.Expressions("c") {
		all = append(all, e...)
	}
	if err := check(all...); err != nil {
		t.Error(err)
	}
	if check("max by (") == nil {
		t.Error("promtool accepts half an expression, so its acceptance proves nothing")
	}
}
