package watchdogs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// Pack is the watchdogs of one cluster in a test.
type Pack struct {
	Dogs []*Watchdog

	tb  testing.TB
	dir string
}

// NewPack returns a pack without watchdogs. In the end the test stops what
// runs, and shows the entries if it has failed.
func NewPack(tb testing.TB) *Pack {
	p := &Pack{tb: tb, dir: tb.TempDir()} // which is to outlive the cleanup
	tb.Cleanup(p.cleanup)
	return p
}

// Add adds a watchdog with that configuration, not started. No two have the
// same name.
func (p *Pack) Add(name, config string, flags ...string) *Watchdog {
	p.tb.Helper()
	dog, err := New(Binary(p.tb), p.dir, name, config, flags...)
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
