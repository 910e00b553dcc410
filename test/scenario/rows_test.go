package scenario

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// The scenarios in the files rows_* are worlds of other people's clusters in
// which the program once came to a dead end: each small, each on every line
// that has what it needs.

// The times of the leader's term, as docs/claim.md gives them.
const (
	quiet    = 15 * time.Second // S: how long the term is watched before it is spent
	takeover = 30 * time.Second // before the first by member id moves the leadership to its member
	rank     = 15 * time.Second // for each further one
	poll     = time.Second      // of the settings quick
	// busyHost is what a machine with other work may add to a bound.
	busyHost = 10 * time.Second
)

// onLines runs the world on each line from that one on.
func onLines(t *testing.T, from string, members int, world func(s *scene), edit ...func(*realetcd.Config)) {
	t.Helper()
	whole(t)
	t.Parallel()
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		if line.Name < from {
			t.Skipf("from %s on", from)
		}
		t.Parallel()
		world(stageOn(t, line, members, edit...))
	})
}

// addAt adds a watchdog that finds its member at that URL; not started.
func (s *scene) addAt(url, name string, set settings) *watchdogs.Watchdog {
	s.t.Helper()
	return s.dogs.Add(name, watchdogs.Config(s.Cluster, url, set.etcd, cmp.Or(set.other, quick)), set.flags...)
}

// proxied has every member advertise a proxy that follows the rules.
func proxied(t *testing.T, rules *wire.Rules) func(*realetcd.Config) {
	return func(c *realetcd.Config) {
		c.Advertise = func(name, clientURL string) (string, error) {
			proxy, err := wire.Start(wire.Config{Name: name, Member: clientURL, Rules: rules})
			if err != nil {
				return "", err
			}
			t.Cleanup(func() { _ = proxy.Close() }) // nothing is lost with it
			return proxy.URL(), nil
		}
	}
}

// leads returns the leader, and the other voters by their ids.
func (s *scene) leads() (leader *realetcd.Member, followers []*realetcd.Member) {
	s.t.Helper()
	leader, err := s.Leader(s.t.Context())
	s.must(err)
	followers = slices.DeleteFunc(s.Members(), func(m *realetcd.Member) bool { return m == leader })
	slices.SortFunc(followers, func(a, b *realetcd.Member) int { return cmp.Compare(a.ID(), b.ID()) })
	return leader, followers
}

// number is the member's number in the cluster.
func (s *scene) number(m *realetcd.Member) int { return slices.Index(s.Members(), m) }

// begins waits for the first defragmentation and checks how long it was after
// the watchdogs saw NOSPACE: no sooner than the quiet, and not later than that.
func (s *scene) begins(latest time.Duration) {
	s.t.Helper()
	s.until("a watchdog to see NOSPACE", func() (bool, string) {
		return len(s.dogs.Of("nospace_armed")) > 0, s.dogs.Transcript()
	})
	s.beginsAfter(s.dogs.Of("nospace_armed")[0].Time, quiet, latest)
}

func (s *scene) beginsAfter(since time.Time, earliest, latest time.Duration) {
	s.t.Helper()
	s.until("the first defragmentation", func() (bool, string) {
		return len(s.defragmentations()) > 0, "none has begun"
	})
	waited := s.defragmentations()[0].Begin.Sub(since).Round(time.Millisecond)
	s.t.Logf("the first defragmentation began after %v", waited)
	if waited < earliest || waited > latest+busyHost {
		s.t.Errorf("the first defragmentation began after %v, want %v to %v", waited, earliest, latest)
	}
}

// command runs a command of the program beside that member; the status is -1 if
// it had to be killed.
func (s *scene) command(m *realetcd.Member, args ...string) (said string, status int) {
	s.t.Helper()
	file := s.file(watchdogs.Config(s.Cluster, m.ClientURL, nil, quick))
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, watchdogs.Binary(s.t), append(args, "--config", file)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// passes waits until so much time has passed, which is what the world is about.
func (s *scene) passes(length time.Duration) {
	s.t.Helper()
	begin := time.Now()
	realetcd.Eventually(s.t, length+within, "the time to pass", func() (bool, string) {
		return time.Since(begin) >= length, fmt.Sprint(time.Since(begin))
	})
}

// calm checks that the watchdogs propose nothing to raft while they poll so
// often. A member is asked for that, and not a watchdog.
func (s *scene) calm(polls int) {
	s.t.Helper()
	index := func() uint64 {
		status, err := s.Client(0).Status(s.t.Context(), s.Member(0).ClientURL)
		s.must(err)
		return status.RaftIndex
	}
	before := index()
	s.polls(polls)
	if after := index(); after != before {
		s.t.Errorf("raft's index went from %d to %d in %d polls of a calm cluster", before, after, polls)
	}
}

// ticketsTaken checks that no more tickets were spent than that.
func (s *scene) ticketsTaken(most int) {
	s.t.Helper()
	if n := len(s.dogs.Of("claim_taken")); n > most {
		s.t.Errorf("%d tickets were spent, want %d at most", n, most)
	}
}

// defragmented waits until that member has been, since then.
func (s *scene) defragmented(m *realetcd.Member, since time.Time) {
	s.t.Helper()
	s.until(m.Name+" to be defragmented", func() (bool, string) {
		all, err := m.Defragmentations()
		s.must(err)
		return slices.ContainsFunc(all, func(d realetcd.Defragmentation) bool {
			return d.Completed && d.Begin.After(since)
		}), fmt.Sprint(all)
	})
}

// warned counts the entries above info of an event, or of all, that have the
// text.
func (s *scene) warned(event, text string) int {
	s.t.Helper()
	return len(slices.DeleteFunc(s.dogs.Entries(), func(e watchdogs.Entry) bool {
		return e.Level != "warning" && e.Level != "error" && e.Level != "err" ||
			event != "" && e.Event != event || !strings.Contains(e.Line, text)
	}))
}
