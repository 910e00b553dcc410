// Command prometheus runs a real Prometheus that scrapes three watchdogs next to
// a real cluster, through calm, fill, NOSPACE and heal, and judges what it saw:
// every query of the dashboard returns data, the alerts that should fire do, and
// end, and none fires in calm. It draws docs/images/heal.svg from the answers of
// Prometheus, and measures what the metrics cost.
//
// Run it by `make prometheus`. It needs Debian's package prometheus.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	members = 3
	quota   = 256 << 20
	live    = 96 << 20
	calm    = 60 * time.Second // measured before the fill, and shown after the heal
	within  = 8 * time.Minute
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "prometheus:", err)
		os.Exit(1)
	}
}

// show is one run.
type show struct {
	dir       string
	cluster   *realetcd.Cluster
	watchdogs []*watchdogs.Watchdog
	addresses []string // of their listeners
	server    *server
	writers   *realetcd.Writers

	began, full, healed, ended time.Time
}

func run(ctx context.Context) error {
	if _, err := exec.LookPath("prometheus"); err != nil {
		return errors.New("there is no prometheus here: install Debian's package prometheus, and stop its service")
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	dir, err := os.MkdirTemp("", "etcd-watchdog-prometheus")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	line, err := realetcd.FindLine("3.5") // it has no metric for alarms itself
	if err != nil {
		return err
	}
	s := &show{dir: dir}
	say("starting %d members of etcd %s with a quota of %s and TLS", members, line.Version, cluster.FormatBytes(quota))
	s.cluster, err = realetcd.Launch(ctx, dir, realetcd.Config{Line: line, Members: members, QuotaBytes: quota, TLS: true})
	if err != nil {
		return err
	}
	defer s.cluster.Close()
	defer s.stopWatchdogs()
	if err := s.startWatchdogs(ctx); err != nil {
		return err
	}
	if s.server, err = startServer(ctx, dir, s.addresses); err != nil {
		return err
	}
	defer s.server.stop()
	if err := s.story(ctx); err != nil {
		return err
	}
	return s.judge(ctx)
}

// startWatchdogs starts one next to each member, with two days of growth to
// remember, so that the forecast has something to show.
func (s *show) startWatchdogs(ctx context.Context) error {
	for _, m := range s.cluster.Members() {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		config := watchdogs.Config(s.cluster, m.ClientURL, map[string]string{"data-dir": s.dir}, "metrics:\n  listen: "+address+"\n")
		w, err := watchdogs.New(filepath.Join("build", "etcd-watchdog"), s.dir, "watchdog-"+m.Name, config)
		if err != nil {
			return err
		}
		if err := remember(w.Dir, s.cluster.Members()); err != nil {
			return err
		}
		if err := w.Start(); err != nil {
			return err
		}
		s.watchdogs, s.addresses = append(s.watchdogs, w), append(s.addresses, address)
	}
	return realetcd.Await(ctx, "the watchdogs to hold tickets", func() (bool, string) {
		n := s.count("enrolled")
		return n == members, fmt.Sprintf("%d of %d do", n, members)
	})
}

// remember writes the state of an earlier process, which saw the members grow.
func remember(dir string, of []*realetcd.Member) error {
	store, err := state.Open(dir)
	if err != nil {
		return err
	}
	var record state.Record
	for _, m := range of {
		var growth forecast.History
		for at := time.Now().Add(-48 * time.Hour); at.Before(time.Now()); at = at.Add(10 * time.Minute) {
			grown := int64(at.Sub(time.Now().Add(-48*time.Hour)) / time.Minute * 4096)
			growth = growth.Add(forecast.Sample{At: at, SizeBytes: 20 << 20, InUseBytes: grown})
		}
		record.Members = append(record.Members, state.Member{ID: state.ID(m.ID()), Name: m.Name, Growth: growth})
	}
	return errors.Join(store.Save(record), store.Close())
}

func (s *show) stopWatchdogs() {
	for _, w := range s.watchdogs {
		if err := w.Stop(); err != nil {
			say("stopping %s: %v", w.Name, err)
		}
	}
}

// count returns how many entries of that event the watchdogs have written; 0 if one cannot be read.
func (s *show) count(event string) int {
	n, err := watchdogs.Count(s.watchdogs, event)
	if err != nil {
		return 0
	}
	return n
}

// story is what Prometheus watches: calm, fill, NOSPACE, heal, calm.
func (s *show) story(ctx context.Context) error {
	s.began = time.Now()
	if err := s.measure(ctx); err != nil {
		return err
	}
	var err error
	s.writers, err = s.cluster.StartWriters(ctx, realetcd.WritersConfig{Prefix: "w/", Writers: members, Keys: 20, ValueBytes: 1 << 10, Pause: 50 * time.Millisecond})
	if err != nil {
		return err
	}
	defer s.writers.Stop()
	say("filling the cluster until it refuses writes; the watchdogs stand still in the meantime")
	err = watchdogs.WhileHeld(s.watchdogs, func() error {
		_, err := s.cluster.Fill(ctx, realetcd.Load{Prefix: "fill/", LiveBytes: live, ValueBytes: 16 << 10, Seed: 1})
		return err
	})
	if err != nil {
		return err
	}
	s.full = time.Now()
	say("full; waiting for the watchdogs")
	err = realetcd.Await(ctx, "the cluster to be healed", func() (bool, string) {
		n := s.count("healed")
		return n > 0, "no watchdog has reported it"
	})
	if err != nil {
		return err
	}
	s.healed = time.Now()
	say("healed after %s", s.healed.Sub(s.full).Round(100*time.Millisecond))
	if err := s.wait(ctx, calm/2); err != nil {
		return err
	}
	if err := s.scrapeWhileHung(ctx); err != nil {
		return err
	}
	s.ended = time.Now()
	return nil
}

// wait lets time pass, so that Prometheus can scrape.
func (s *show) wait(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return nil
	}
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }
