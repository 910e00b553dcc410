package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
)

const (
	alertRules     = "prometheus/etcd-watchdog.rules.yml"
	alertRulesTest = "prometheus/etcd-watchdog.rules.test.yml"
	alertWeekTest  = "prometheus/etcd-watchdog.week.test.yml"
)

// promtool runs it, or skips the test.
func promtool(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool here (package prometheus): the alert rules are not checked")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAlertRules(t *testing.T) {
	if out, err := promtool(t, "prometheus", "check", "rules", filepath.Base(alertRules)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := promtool(t, "prometheus", "test", "rules", filepath.Base(alertRulesTest), filepath.Base(alertWeekTest)); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Each of these changes of the rules makes an alert that is missed, or one too
// many, and the tests of the rules see it.
func TestTheTestsOfTheAlertRulesSeeFaults(t *testing.T) {
	rules, tests := read(t, alertRules), read(t, alertRulesTest)
	for _, c := range [][2]string{
		{`alarm="NOSPACE"`, `alarm="CORRUPT"`},
		{"        for: 5m # longer than a heal of three members with 8 GiB takes\n", ""},
		{`level="err"`, `level=~"err|warning|info"`},
		{`level="err"`, `level="warning"`},
		{"          unless on (job, instance) etcd_watchdog_work_in_progress == 1\n", ""},
		{"_timestamp_seconds > 300", "_timestamp_seconds > 30000"},
		{"etcd_watchdog_paused\n", "etcd_watchdog_quorum\n"},
		{"        for: 15m\n        labels:\n          severity: warning\n        annotations:\n          summary: no watchdog", "        for: 24h\n        labels:\n          severity: warning\n        annotations:\n          summary: no watchdog"},
		{"absent(", "count("},
		{`condition="quota_in_sight"`, `condition="near_quota"`},
		{"14 * 86400", "1 * 86400"},
		{"clamp_min(3 *", "clamp_min(0 *"},
		{"clamp_min(3 *", "clamp_min(30 *"},
	} {
		if !strings.Contains(rules, c[0]) {
			t.Errorf("the rules have no %q", c[0])
			continue
		}
		dir := t.TempDir()
		for name, text := range map[string]string{alertRules: strings.Replace(rules, c[0], c[1], 1), alertRulesTest: tests} {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(name)), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := promtool(t, dir, "test", "rules", filepath.Base(alertRulesTest)); err == nil {
			t.Errorf("%q in place of %q is not noticed:\n%s", c[1], c[0], out)
		}
	}
}

// Every series of the rules and of their tests is declared, with its labels.
func TestEverySeriesOfTheAlertRulesIsDeclared(t *testing.T) {
	declared := metrics.All()
	for _, file := range []string{alertRules, alertRulesTest, alertWeekTest} {
		for _, found := range regexp.MustCompile(`etcd_watchdog_\w+`).FindAllString(read(t, file), -1) {
			if !slices.ContainsFunc(declared, func(s metrics.Series) bool { return s.Name == found }) {
				t.Errorf("%s: %s is not declared", file, found)
			}
		}
	}
	for _, found := range regexp.MustCompile(`series: (\w+)\{([^}]*)\}`).FindAllStringSubmatch(read(t, alertRulesTest)+read(t, alertWeekTest), -1) {
		i := slices.IndexFunc(declared, func(s metrics.Series) bool { return s.Name == found[1] })
		for _, l := range regexp.MustCompile(`(\w+)=`).FindAllStringSubmatch(found[2], -1) {
			if known := append([]string{"job", "instance"}, declared[i].Labels...); !slices.Contains(known, l[1]) {
				t.Errorf("%s has no label %s", found[1], l[1])
			}
		}
	}
}

// Each alert has a severity, a summary, a description and a page of the runbook
// that is there.
func TestAlertsLeadToTheRunbook(t *testing.T) {
	runbook := read(t, "../docs/runbook.md")
	alerts := strings.Split(read(t, alertRules), "- alert: ")[1:]
	if len(alerts) < 6 {
		t.Fatalf("only %d alerts", len(alerts))
	}
	for _, alert := range alerts {
		name, _, _ := strings.Cut(alert, "\n")
		for _, part := range []string{"severity: ", "summary: ", "description: ", "runbook_url: "} {
			if !strings.Contains(alert, part) {
				t.Errorf("%s has no %s", name, part)
			}
		}
		_, anchor, _ := strings.Cut(alert, "runbook.md#")
		anchor, _, _ = strings.Cut(anchor, "\n")
		if strings.Contains(anchor, "{{") {
			continue // the names of conditions, of which TestRunbook demands an entry
		}
		heading := regexp.MustCompile(`(?mi)^#+ ` + strings.ReplaceAll(regexp.QuoteMeta(anchor), "-", "[ -]") + `$`)
		if !heading.MatchString(runbook) {
			t.Errorf("%s leads to #%s, which the runbook does not have", name, anchor)
		}
	}
}
