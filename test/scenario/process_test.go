package scenario

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// exit waits for the end of a watchdog and returns its status.
func (s *scene) exit(dog *watchdogs.Watchdog) int {
	s.t.Helper()
	select {
	case <-dog.Ended():
		return dog.ExitStatus()
	case <-time.After(within):
		s.t.Fatalf("%s has not ended after %s", dog.Name, within)
		return 0
	}
}

// said waits until a watchdog has written something, not just for debugging,
// that has all the parts in one line.
func (s *scene) said(dog *watchdogs.Watchdog, parts ...string) {
	s.t.Helper()
	s.until(dog.Name+" to say "+strings.Join(parts, " … "), func() (bool, string) {
		entries, err := dog.Entries()
		s.must(err)
		for _, e := range entries {
			found := e.Level != "debug"
			for _, p := range parts {
				found = found && strings.Contains(e.Line, p)
			}
			if found {
				return true, ""
			}
		}
		return false, s.dogs.Transcript()
	})
}

// A watchdog waits for its etcd, and goes on when etcd is restarted under it.
// At a wrong endpoint it waits too, and says what to do.
func TestEtcdComesAndGoes(t *testing.T) {
	whole(t)
	s := stage(t, "3.7", 3)
	for _, m := range s.Members() {
		s.must(m.Stop())
	}
	s.add(settings{})
	lost := s.dogs.Add("lost", watchdogs.Config(s.Cluster, "http://127.0.0.1:1", nil, quick))
	s.dogs.Start()
	for _, dog := range s.dogs.Dogs {
		s.said(dog, "connection refused", "is etcd running there?")
	}
	s.startAll()
	for _, dog := range s.dogs.Dogs[:3] {
		s.said(dog, `"enrolled"`)
	}
	for _, m := range s.Members() {
		s.must(m.Stop())
	}
	s.polls(3)
	s.startAll()
	s.must(lost.Stop())
	if status := s.exit(lost); status != 0 {
		t.Errorf("the lost watchdog ended with %d after it was asked to stop", status)
	}
	s.eachWaits("below_threshold")
	s.write()
	s.fill()
	s.healed()
	s.unclaimed()
	s.safe()
	s.never("defragmentation_failed", "disarm_failed")
}

func (s *scene) startAll() {
	s.t.Helper()
	for _, m := range s.Members() {
		s.must(m.Start())
	}
	for _, m := range s.Members() {
		s.must(m.AwaitReady(s.t.Context()))
	}
}

// A watchdog that is asked to stop waits for the defragmentation that it has
// begun.
func TestStopWaitsForDefragmentation(t *testing.T) {
	whole(t)
	s := stage(t, "3.6", 3)
	s.watch(settings{etcd: short})
	s.write()
	s.fillWith(40 * mebibyte)
	frozen, holder := s.midway()
	s.must(holder.Signal(syscall.SIGTERM))
	s.said(holder, `"stopping"`)
	for _, dog := range s.dogs.Dogs {
		if dog != holder {
			before := len(s.of(dog, "polled"))
			s.until("more polls of the others", func() (bool, string) { return len(s.of(dog, "polled")) > before+2, "" })
		}
	}
	select {
	case <-holder.Ended():
		t.Error("it ended in the middle of a defragmentation")
	default:
	}
	s.alone(frozen)
	s.must(frozen.Resume())
	if status := s.exit(holder); status != 0 {
		t.Errorf("it ended with %d", status)
	}
	if n := len(s.of(holder, "defragmentation_completed")); n != 1 {
		t.Errorf("%d entries defragmentation_completed of it, want 1", n)
	}
	s.healed()
	s.unclaimed()
	s.end(s.each())
}

// Two processes never share a runtime directory: the tickets are those of one.
func TestSecondInstanceIsRefused(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 1)
	s.watch(settings{})
	second := s.dogs.Add("second", watchdogs.Config(s.Cluster, s.Member(0).ClientURL, nil, quick))
	first := s.dogs.Dogs[0]
	second.Dir = first.Dir
	s.must(second.Start())
	if status := s.exit(second); status != 1 {
		t.Errorf("the second one ended with %d, want 1", status)
	}
	s.said(second, "another etcd-watchdog runs", first.Dir, "RUNTIME_DIRECTORY")
	s.polls(2)
}

// A dry run reports steps and does none.
func TestDryRunChangesNothing(t *testing.T) {
	whole(t)
	s := stage(t, "3.4", 3)
	s.fill()
	before := s.alarms()
	s.add(settings{flags: []string{"--dry-run"}})
	s.dogs.Start()
	s.eachDog("dry_run_step", 1)
	s.polls(5)
	s.untouched()
	if keys := s.tickets(); len(keys) > 0 {
		t.Errorf("there are keys in etcd: %v", keys)
	}
	s.stillListed(before)
	for _, dog := range s.dogs.Dogs {
		seen := map[string]bool{}
		for _, e := range s.of(dog, "dry_run_step") {
			if seen[e.Message] {
				t.Errorf("%s reports twice: %s", dog.Name, e.Message)
			}
			seen[e.Message] = true
		}
	}
}

// heal does once what the daemons do, alone and beside them.
func TestHealOnce(t *testing.T) {
	whole(t)
	t.Run("alone", func(t *testing.T) {
		s := stage(t, "3.7", 3)
		s.write()
		s.fill()
		s.heal("maintenance:\n  adopt-after: 1s\n")
		s.healed()
		s.end(s.each())
		if keys := s.tickets(); len(keys) > 0 {
			t.Errorf("it has left tickets behind: %v", keys)
		}
	})
	t.Run("beside daemons", func(t *testing.T) {
		s := stage(t, "3.5", 3)
		s.watch(settings{})
		s.write()
		s.unwatched(s.fill)
		s.heal("")
		s.healed()
		s.unclaimed()
		s.end(s.each())
	})
}

// heal runs the command, which has to end well.
func (s *scene) heal(other string) {
	s.t.Helper()
	file := s.file(watchdogs.Config(s.Cluster, s.Member(0).ClientURL, nil, other))
	cmd := exec.CommandContext(s.t.Context(), watchdogs.Binary(s.t), "heal", "--config", file, "--within", "2m")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("heal: %v\n%s", err, out)
	}
}

// The status tells systemd what to do: 64 and 78 are not restarted.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	bad := t.TempDir() + "/bad.yaml"
	if err := os.WriteFile(bad, []byte("etcd:\n  endpiont: x\nclaim:\n  ttl: 5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, of := range []struct {
		args   string
		status int
		says   []string
	}{
		{"run --config " + bad, 78, []string{bad + ":2:", "endpiont", bad + ":4:", "claim.ttl"}},
		{"run --config " + bad + ".none", 78, []string{bad + ".none"}},
		{"check-config " + bad, 78, []string{"endpiont"}},
		{"run --verbose", 64, []string{"--verbose", "--help"}},
		{"", 64, []string{"--help"}},
		{"version", 0, []string{"etcd client"}},
	} {
		var out bytes.Buffer
		cmd := exec.CommandContext(t.Context(), watchdogs.Binary(t), strings.Fields(of.args)...)
		cmd.Stdout, cmd.Stderr = &out, &out
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if got := cmd.ProcessState.ExitCode(); got != of.status {
			t.Errorf("%q ends with %d, want %d: %s", of.args, got, of.status, out.String())
		}
		for _, s := range of.says {
			if !strings.Contains(out.String(), s) {
				t.Errorf("%q does not say %q: %s", of.args, s, out.String())
			}
		}
	}
}
