package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

// pkg/durable has the whole list of hostile files; this is that both files are
// read through it, by daemon and commands alike.
func TestAHostileStateFileNeitherHangsNorIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Read(dir); err == nil || !strings.Contains(err.Error(), path+" is not a regular file") {
		t.Errorf("read: %v", err)
	}
	s := open(t, dir)
	if _, err := s.Load(); err == nil || !strings.Contains(err.Error(), "the file is kept as "+path+".bad-") {
		t.Errorf("load: %v", err)
	}
	victim := filepath.Join(t.TempDir(), "victim")
	write(t, victim, "precious")
	if err := os.Symlink(victim, path); err != nil {
		t.Fatal(err)
	}
	save(t, s, record())
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the target of a link holds %q, %v", text, err)
	}
	if _, err := state.Read(dir); err != nil {
		t.Errorf("after saving: %v", err)
	}
}

func TestAHostilePauseIsSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "pause.json")
	if err := unix.Mkfifo(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if p, err := state.ReadPause(dir); p != (cluster.Pause{}) || err == nil || !strings.Contains(err.Error(), "pause again, or delete the file") {
		t.Errorf("read: %+v, %v", p, err)
	}
	kept, err := state.SetBadPauseAside(dir)
	if err != nil || !strings.HasPrefix(kept, path+".bad-") {
		t.Fatalf("set aside as %q, %v", kept, err)
	}
	if _, err := state.ReadPause(dir); err != nil {
		t.Errorf("after that: %v", err)
	}
	want := cluster.Pause{Since: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC()}
	if err := state.SavePause(dir, want); err != nil {
		t.Fatal(err)
	}
	if kept, err := state.SetBadPauseAside(dir); kept != "" || err != nil {
		t.Errorf("a good pause was set aside as %q, %v", kept, err)
	}
	if got, err := state.ReadPause(dir); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// An operator who removes the directory of a running daemon, and makes it again,
// need not restart the daemon.
func TestSaveFindsADirectoryThatWasMadeAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	save(t, s, record())
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Save(record()); err == nil || !strings.Contains(err.Error(), "keep the state") {
		t.Errorf("without a directory: %v", err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	save(t, s, record())
	if names(t, dir) != "state.json" {
		t.Errorf("the directory holds %s", names(t, dir))
	}
}

// A disk that is full at the start is found out then, and not at the first change
// that is to be kept.
func TestOpenFindsOutThatTheDiskIsFull(t *testing.T) {
	dir := mount(t, 0, "size=32k")
	s, err := state.Open(dir)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "nothing can be kept over a restart") {
		t.Errorf("got %v, want ENOSPC", err)
	}
	if err := s.Save(record()); err != nil {
		t.Errorf("a store that keeps nothing: %v", err)
	}
	if got := names(t, dir); got != "" {
		t.Errorf("left behind: %s", got)
	}
}
