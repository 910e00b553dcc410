package scenario

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// reconfigure replaces a text in the configuration of a watchdog and asks it to
// reload.
func (s *scene) reconfigure(dog *watchdogs.Watchdog, from, to string) {
	s.t.Helper()
	file := filepath.Join(dog.Dir, "etcd-watchdog.yaml")
	text, err := os.ReadFile(file)
	s.must(err)
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		s.t.Fatalf("%q does not stand in %s", from, text)
	}
	s.must(os.WriteFile(file+".new", []byte(changed), 0o600))
	s.must(os.Rename(file+".new", file))
	s.must(dog.Signal(syscall.SIGHUP))
}

// A reload in the middle of a defragmentation waits for its end, and keeps the
// tickets; a bad file changes nothing.
func TestReloadDuringDefragmentation(t *testing.T) {
	whole(t)
	s := stage(t, "3.6", 3)
	s.watch(settings{etcd: short})
	s.write()
	s.fillWith(40 * mebibyte)
	frozen, holder := s.midway()
	s.reconfigure(holder, "poll-interval: 1s", "poll-interval: soon")
	s.said(holder, `"reload_failed"`, "etcd-watchdog.yaml:", "watch.poll-interval", "soon")
	s.reconfigure(holder, "poll-interval: soon", "poll-interval: 2s")
	for _, dog := range s.dogs.Dogs {
		if dog != holder {
			before := len(s.of(dog, "polled"))
			s.until("more polls of the others", func() (bool, string) { return len(s.of(dog, "polled")) > before+2, "" })
		}
	}
	if n := len(s.of(holder, "reloaded")); n > 0 {
		t.Error("it was reloaded in the middle of a defragmentation")
	}
	s.alone(frozen)
	s.must(frozen.Resume())
	s.said(holder, `"reloaded"`, "changed: watch.poll-interval")
	if n := len(s.of(holder, "defragmentation_completed")); n != 1 {
		t.Errorf("%d entries defragmentation_completed of it, want 1", n)
	}
	s.healed()
	s.unclaimed()
	s.once("enrolled", 1)
	s.never("ticket_in_doubt", "claim_lost")
	s.end(s.each())
}

// After reloads the tickets are those of before, and other connections, with
// which the files of certificates are read anew, serve them.
func TestReloadKeepsTickets(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 1)
	s.watch(settings{})
	dog := s.dogs.Dogs[0]
	before := s.tickets()
	s.reconfigure(dog, "level: debug", "level: info")
	s.said(dog, `"reloaded"`, "changed: log.level")
	s.reconfigure(dog, "level: info", "level: debug")
	s.polls(3)
	if after := s.tickets(); !slices.Equal(after, before) {
		t.Errorf("the tickets were %v, now %v", before, after)
	}
	s.write()
	s.fill()
	s.healed()
	s.once("enrolled", 1)
}

// However early it is asked to stop, and however often, it ends.
func TestStopAtOnceAndTwice(t *testing.T) {
	whole(t)
	s := stage(t, "3.7", 3)
	for _, m := range s.Members() {
		s.must(m.Suspend()) // the first look hangs
	}
	s.add(settings{}, 0)
	s.dogs.Start()
	first := s.dogs.Dogs[0]
	s.said(first, `"started"`)
	s.must(first.Stop())
	if status := s.exit(first); status != 0 {
		t.Errorf("asked to stop during its first look, it ended with %d", status)
	}
	for _, m := range s.Members() {
		s.must(m.Resume())
	}
	s.add(settings{etcd: short}, 1, 2)
	s.must(first.Start())
	for _, dog := range s.dogs.Dogs[1:] {
		s.must(dog.Start())
	}
	s.eachDog("enrolled", 1)
	s.write()
	s.fillWith(40 * mebibyte)
	frozen, holder := s.midway()
	before := len(s.of(holder, "stopping")) // the first one has been stopped once already
	s.must(holder.Signal(syscall.SIGTERM))
	s.until("the word that it stops", func() (bool, string) { return len(s.of(holder, "stopping")) > before, "" })
	s.must(holder.Signal(syscall.SIGTERM))
	if status := s.exit(holder); status != 1 {
		t.Errorf("stopped for the second time, it ended with %d, want 1", status)
	}
	s.said(holder, "stopped by a second signal")
	s.alone(frozen)
	s.must(holder.Start())
	s.must(frozen.Resume())
	s.said(holder, `"ticket_in_doubt"`)
	s.healed()
	s.unclaimed()
}
