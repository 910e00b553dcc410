package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/deploy/grafana"
)

// judge asks Prometheus what it saw.
func (s *show) judge(context.Context) error {
	info, err := s.server.query("etcd_watchdog_cluster_info", s.began, s.ended)
	if err != nil || len(info) == 0 {
		return fmt.Errorf("no cluster is shown: %v", err)
	}
	errs := []error{s.dashboard(info[0].labels["cluster_id"]), s.rules(), s.alerts(), s.counters(), s.history()}
	if err := s.draw("docs/images/heal.svg"); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dashboard runs every query of the dashboard.
func (s *show) dashboard(cluster string) error {
	var errs []error
	n := 0
	all := grafana.Expressions(cluster)
	for _, title := range slices.Sorted(maps.Keys(all)) {
		for _, expr := range all[title] {
			n++
			found, err := s.server.query(expr, s.began, s.ended)
			if err != nil || len(found) == 0 {
				errs = append(errs, fmt.Errorf("panel %s: %d series, %v: %s", title, len(found), err, expr))
			}
		}
	}
	say("%d queries of the dashboard: %d without data", n, len(errs))
	return errors.Join(errs...)
}

// rules asks for every series of the alert rules. The alerts themselves have no
// data in calm.
func (s *show) rules() error {
	text, err := os.ReadFile("deploy/prometheus/etcd-watchdog.rules.yml")
	if err != nil {
		return err
	}
	names := regexp.MustCompile(`etcd_watchdog_\w+`).FindAllString(string(text), -1)
	slices.Sort(names)
	var errs []error
	for _, name := range slices.Compact(names) {
		found, err := s.server.query(name, s.began, s.ended)
		if err != nil || len(found) == 0 {
			errs = append(errs, fmt.Errorf("rules: %s: no data: %v", name, err))
		}
	}
	return errors.Join(errs...)
}

// alerts shows which alerts fired and when they ended. The delivered ones are
// silent through a heal that takes less than they wait for.
func (s *show) alerts() error {
	found, err := s.server.query(`ALERTS{alertstate="firing"}`, s.began, s.ended)
	if err != nil {
		return err
	}
	var errs []error
	refused := false
	for _, alert := range found {
		name := alert.labels["alertname"]
		first, last := alert.points[0].at, alert.points[len(alert.points)-1].at
		for _, run := range runs(alert.points) {
			say("alert %-32s %s from %s to %s", name, about(alert), s.clock(run[0].at), s.clock(run[len(run)-1].at))
		}
		if !strings.HasPrefix(name, "Shortened") {
			errs = append(errs, fmt.Errorf("%s fired in a run without a reason for it", name))
		}
		if name != "ShortenedEtcdRefusesWrites" {
			continue
		}
		refused = true
		if first.Before(s.full.Add(-2*time.Second)) || last.After(s.healed.Add(15*time.Second)) {
			errs = append(errs, fmt.Errorf("%s fired from %s to %s, the cluster was full from %s to %s", name, s.clock(first), s.clock(last), s.clock(s.full), s.clock(s.healed)))
		}
	}
	if !refused {
		errs = append(errs, errors.New("ShortenedEtcdRefusesWrites did not fire"))
	}
	return errors.Join(errs...)
}

// counters compares what was counted with what the watchdogs wrote.
func (s *show) counters() error {
	var errs []error
	for _, c := range []struct{ expr, event string }{
		{`sum(etcd_watchdog_work_total{kind="defragment", outcome="done"})`, "defragmentation_completed"},
		{`sum(etcd_watchdog_work_total{kind="disarm", outcome="done"})`, "alarm_disarmed"},
		{`sum(etcd_watchdog_heals_total)`, "healed"},
		{`sum(etcd_watchdog_claims_taken_total)`, "claim_taken"},
	} {
		found, err := s.server.query(c.expr, s.began, s.ended)
		if err != nil || len(found) == 0 {
			errs = append(errs, fmt.Errorf("%s: no data: %v", c.expr, err))
			continue
		}
		last := found[0].points[len(found[0].points)-1].value
		say("%s is %g, the log has %d entries %s", c.expr, last, s.count(c.event), c.event)
		if int(last) != s.count(c.event) {
			errs = append(errs, fmt.Errorf("%s is %g, want %d", c.expr, last, s.count(c.event)))
		}
	}
	return errors.Join(errs...)
}

// clock is a time of the story.
func (s *show) clock(at time.Time) string { return at.Sub(s.began).Round(time.Second).String() }

// history asks the state directories of the daemons what was done.
func (s *show) history() error {
	done := 0
	for _, w := range s.watchdogs {
		text, err := exec.Command(filepath.Join("build", "etcd-watchdog"), "history", "--state-directory", w.Dir).CombinedOutput()
		if err != nil {
			return fmt.Errorf("history: %w\n%s", err, text)
		}
		fmt.Printf("%s\n%s", w.Name, text)
		done += strings.Count(string(text), " defragment ")
	}
	if want := s.count("defragmentation_completed"); done != want {
		return fmt.Errorf("history shows %d defragmentations, the log %d", done, want)
	}
	return nil
}

// about tells the alerts of one name apart.
func about(alert series) string {
	var words []string
	for _, label := range []string{"role", "member_name", "condition"} {
		if w := alert.labels[label]; w != "" {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}
