package claim_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

func open(t *testing.T, dir, machine, boot string) *claim.Session {
	t.Helper()
	s, err := claim.OpenSession(dir, machine, boot)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// resumes reports that a book with that session has a ticket without enrolling.
func resumes(t *testing.T, kv *etcdtest.KV, s *claim.Session) bool {
	t.Helper()
	claims, err := claim.New(kv, kv, options(), claim.Identity{}, s).Read(t.Context(), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	return claims.Enrolled
}

func TestSessionIsResumedByTheNextProcessOfTheSameBoot(t *testing.T) {
	tests := []struct {
		name          string
		machine, boot string
		file          string // instead of what was kept
		want          bool
	}{
		{name: "same machine, same boot", machine: "m", boot: "b", want: true},
		{name: "another boot", machine: "m", boot: "c"},
		{name: "another machine", machine: "n", boot: "b"},
		{name: "boot not known", machine: "m"},
		{name: "machine not known", boot: "b"},
		{name: "not JSON", machine: "m", boot: "b", file: "{"},
		{name: "a later version", machine: "m", boot: "b", file: `{"version":2,"machine_id":"m","boot_id":"b","lease":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			kv, dir := etcdtest.NewKV(), t.TempDir()
			s := open(t, dir, "m", "b")
			if err := claim.New(kv, kv, options(), claim.Identity{}, s).Enrol(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "lease.json")
			if tt.file != "" {
				if err := os.WriteFile(path, []byte(tt.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if got := resumes(t, kv, open(t, dir, tt.machine, tt.boot)); got != tt.want {
				t.Errorf("resumed: %t, want %t", got, tt.want)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, error %v; want 0600", info.Mode(), err)
			}
		})
	}
}

func TestSessionIsOfOneProcess(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, "m", "b")
	if _, err := claim.OpenSession(dir, "m", "b"); !errors.Is(err, claim.ErrSessionInUse) || !strings.Contains(err.Error(), dir) {
		t.Fatalf("error %v, want ErrSessionInUse and the directory", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, "m", "b")
}

func TestSessionWithoutDirectoryKeepsNothing(t *testing.T) {
	a, b := open(t, "", "m", "b"), open(t, "", "m", "b")
	kv := etcdtest.NewKV()
	if err := claim.New(kv, kv, options(), claim.Identity{}, a).Enrol(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if resumes(t, kv, b) {
		t.Error("resumed out of nothing")
	}
}

func TestSessionNeedsDirectoryThatCanBeWrittenTo(t *testing.T) {
	if _, err := claim.OpenSession(filepath.Join(t.TempDir(), "missing"), "m", "b"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v, want that it does not exist", err)
	}
}

// pkg/durable has the whole list of hostile files.
func TestSessionSetsAHostileFileAside(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a FIFO":          func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a file of 1 GiB": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<30)) },
		"not JSON":        func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
		"a link":          func(path string) error { return os.Symlink("/etc/hostname", path) },
	} {
		dir := t.TempDir()
		path, victim := filepath.Join(dir, "lease.json"), filepath.Join(t.TempDir(), "victim")
		if err := errors.Join(put(path), os.WriteFile(victim, []byte("precious"), 0o600), os.Symlink(victim, path+".new")); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, "m", "b")
		if !strings.Contains(s.SetAside(), "it is kept as "+path+".bad-") {
			t.Errorf("%s: says %q", name, s.SetAside())
		}
		if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
			t.Errorf("%s: the target of a link holds %q, %v", name, text, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if again := open(t, dir, "m", "b"); again.SetAside() != "" {
			t.Errorf("%s: the next process says %q", name, again.SetAside())
		}
	}
}
