package watchdogs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

var build = sync.OnceValues(func() (string, error) {
	dir, err := tempDir()
	if err != nil {
		return "", err
	}
	return Build(context.Background(), dir)
})

// Pack is the watchdogs of one cluster in a test.
type Pack struct {
	tb   testing.TB
	Dogs []*Watchdog
}

// Beside returns watchdogs, not started, beside those members of the cluster;
// with none named, beside all. The extra sections end the configuration of each.
// In the end the test stops what runs, and shows the entries if it has failed.
func Beside(tb testing.TB, cluster *realetcd.Cluster, extra string, members ...int) *Pack {
	tb.Helper()
	if len(members) == 0 {
		for i := range cluster.Members() {
			members = append(members, i)
		}
	}
	p := &Pack{tb: tb}
	for _, i := range members {
		p.Add(cluster, fmt.Sprintf("dog%d", i), Config(cluster, cluster.Member(i).ClientURL, nil, extra))
	}
	tb.Cleanup(p.cleanup)
	return p
}

// Add adds a watchdog with that configuration, not started.
func (p *Pack) Add(cluster *realetcd.Cluster, name, config string, flags ...string) *Watchdog {
	p.tb.Helper()
	binary, err := build()
	if err != nil {
		p.tb.Fatal(err)
	}
	dog, err := New(binary, p.tb.TempDir(), name, config, flags...)
	if err != nil {
		p.tb.Fatal(err)
	}
	p.Dogs = append(p.Dogs, dog)
	return dog
}

// Start starts all of them.
func (p *Pack) Start() {
	p.tb.Helper()
	for _, dog := range p.Dogs {
		if err := dog.Start(); err != nil {
			p.tb.Fatal(err)
		}
	}
}

func (p *Pack) cleanup() {
	for _, dog := range p.Dogs {
		if err := dog.Kill(); err != nil {
			p.tb.Errorf("stopping %s: %v", dog.Name, err)
		}
	}
	if p.tb.Failed() {
		p.tb.Log(p.Transcript())
	}
}

// Entries returns the entries of all of them in the order of their times.
func (p *Pack) Entries() []Entry {
	p.tb.Helper()
	var all []Entry
	for _, dog := range p.Dogs {
		entries, err := dog.Entries()
		if err != nil {
			p.tb.Fatal(err)
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	return all
}

// Of returns the entries of that event.
func (p *Pack) Of(event string) []Entry {
	p.tb.Helper()
	return slices.DeleteFunc(p.Entries(), func(e Entry) bool { return e.Event != event })
}

// Transcript is what the watchdogs have reported, but for the polls.
func (p *Pack) Transcript() string {
	var b strings.Builder
	for _, e := range p.Entries() {
		switch {
		case e.Event == "":
			fmt.Fprintf(&b, "%s: %s\n", e.Watchdog, e.Line)
		case e.Event != "polled":
			fmt.Fprintf(&b, "%s %s %-7s %s: %s %s\n", e.Time.Format("15:04:05.000"), e.Watchdog, e.Level, e.Event, e.Message, e.Job)
		}
	}
	return b.String()
}
