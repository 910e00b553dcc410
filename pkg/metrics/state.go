package metrics

import (
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Observation is what one poll leaves: what was seen, what is remembered, what
// was decided, and which conditions stand.
type Observation struct {
	Memory     policy.Memory
	View       cluster.View
	Decision   policy.Decision
	Conditions []event.Event
}

// good reports that the poll reached the member on this host and read its list.
func (o Observation) good() bool {
	local, listed := o.View.Member(o.View.Local)
	return o.View.Problem == "" && listed && local.Contact == cluster.Answered
}

// Build names the program.
type Build struct{ Version, Commit, GoVersion string }

// Certificate is one whose end matters.
type Certificate struct {
	Role     string           // client, ca or server
	Member   cluster.MemberID // of the role server
	NotAfter time.Time
}

// State is what the metrics are computed from. Its methods return at once, and
// are safe for concurrent use.
type State struct {
	build  Build
	losses *event.Losses

	mu           sync.Mutex
	seen         *Observation
	lastGood     time.Time
	certificates []Certificate
	sums         sums
}

// NewState returns the state of a process that has polled nothing yet. losses
// counts the log entries that were not written.
func NewState(build Build, losses *event.Losses) *State {
	return &State{build: build, losses: losses, sums: newSums()}
}

// Observe takes what a poll has left. It may be called several times for one
// poll: before its work, and after.
func (s *State) Observe(o Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := s.seen == nil || !s.seen.View.At.Equal(o.View.At)
	s.seen = &o
	result := "failed"
	if o.good() {
		result, s.lastGood = "good", o.View.At
	}
	if first {
		s.sums.add(polls, 1, result)
		s.sums.add(decisions, 1, reasonLabel(o.Decision.Reason))
	}
}

// Ready reports whether a good poll has happened, and else why not.
func (s *State) Ready() (ready bool, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !s.lastGood.IsZero():
		return true, ""
	case s.seen == nil:
		return false, "the first poll has not ended yet"
	case s.seen.View.Problem != "":
		return false, s.seen.View.Problem
	}
	local, _ := s.seen.View.Member(s.seen.View.Local)
	return false, "the member on this host has not answered yet: " + local.Problem
}

// setCertificates replaces what is known of the certificates.
func (s *State) setCertificates(all []Certificate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.certificates = all
}

// snapshot is a State at one moment.
type snapshot struct {
	seen         *Observation
	lastGood     time.Time
	certificates []Certificate
	samples      []sample
	work         *piece
	working      map[string]bool
}

func (s *State) snapshot() snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return snapshot{s.seen, s.lastGood, s.certificates, s.sums.all(), s.sums.work(), s.sums.waits()}
}
