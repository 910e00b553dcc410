package durable_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

func open(t *testing.T) (*durable.Dir, string) {
	t.Helper()
	path := t.TempDir()
	d, err := durable.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hostile puts something in the place of a file, one for each way in which that
// could hang a program, fill its memory, or have it read or write another file.
var hostile = map[string]func(t *testing.T, path string){
	"a FIFO":                      func(t *testing.T, path string) { must(t, unix.Mkfifo(path, 0o600)) },
	"a directory":                 func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) },
	"a link to a file":            func(t *testing.T, path string) { must(t, os.Symlink("/etc/hostname", path)) },
	"a link to an endless device": func(t *testing.T, path string) { must(t, os.Symlink("/dev/zero", path)) },
	"a link to itself":            func(t *testing.T, path string) { must(t, os.Symlink(path, path)) },
	"a dangling link":             func(t *testing.T, path string) { must(t, os.Symlink(path+".none", path)) },
	"a socket": func(t *testing.T, path string) {
		l, err := net.Listen("unix", path)
		must(t, err)
		t.Cleanup(func() { _ = l.Close() })
	},
	"a device": func(t *testing.T, path string) {
		if err := unix.Mknod(path, unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err != nil {
			t.Skipf("no device can be made here: %v", err)
		}
	},
	"a file of 1 GiB": func(t *testing.T, path string) {
		must(t, os.WriteFile(path, nil, 0o600))
		must(t, os.Truncate(path, 1<<30))
	},
	"a file of another user": func(t *testing.T, path string) {
		must(t, os.WriteFile(path, []byte("{}"), 0o644))
		if err := os.Chown(path, 12345, 12345); err != nil {
			t.Skipf("files can't be given away here: %v", err)
		}
	},
}

func TestHostileFilesAreRefusedAndSetAside(t *testing.T) {
	for name, put := range hostile {
		t.Run(name, func(t *testing.T) {
			d, path := open(t)
			put(t, filepath.Join(path, "f"))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			text, err := d.Read("f", 1000)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, durable.ErrBad) || text != nil {
				t.Errorf("read %d bytes, %v; want ErrBad", len(text), err)
			}
			if taken := after.TotalAlloc - before.TotalAlloc; taken > 1<<20 {
				t.Errorf("%d bytes of memory taken", taken)
			}
			kept, err := d.SetAside("f")
			if err != nil || !strings.HasPrefix(kept, filepath.Join(path, "f.bad-")) {
				t.Fatalf("set aside as %q, %v", kept, err)
			}
			if _, err := os.Lstat(kept); err != nil {
				t.Errorf("what was set aside is lost: %v", err)
			}
			if _, err := d.Read("f", 1000); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("after that: %v", err)
			}
		})
	}
}

func TestReplaceTouchesNothingBehindTheName(t *testing.T) {
	for name, put := range hostile {
		t.Run(name, func(t *testing.T) {
			if name == "a directory" {
				t.Skip("a directory can't be replaced by a file: see TestReplaceSaysWhy")
			}
			d, path := open(t)
			put(t, filepath.Join(path, "f"))
			must(t, d.Replace("f", []byte("new"), 0o600))
			if text, err := d.Read("f", 1000); err != nil || string(text) != "new" {
				t.Errorf("got %q, %v", text, err)
			}
		})
	}
	d, path := open(t)
	victim := filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("precious"), 0o600))
	must(t, os.Symlink(victim, filepath.Join(path, "f")))
	must(t, os.Symlink(victim, filepath.Join(path, "f.new")))
	must(t, d.Replace("f", []byte("new"), 0o600))
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("the target of a link holds %q, %v", text, err)
	}
}

func TestReplaceSaysWhy(t *testing.T) {
	d, path := open(t)
	must(t, os.Mkdir(filepath.Join(path, "f"), 0o700))
	if err := d.Replace("f", []byte("new"), 0o600); err == nil || !strings.Contains(err.Error(), filepath.Join(path, "f")) {
		t.Errorf("onto a directory: %v", err)
	}
	if found, _ := filepath.Glob(filepath.Join(path, "f.tmp-*")); found != nil {
		t.Errorf("left behind: %v", found)
	}
}

// The mode is the one asked for, whatever the umask is.
func TestReplaceSetsTheMode(t *testing.T) {
	d, path := open(t)
	old := unix.Umask(0o777)
	defer unix.Umask(old)
	must(t, d.Replace("f", []byte("x"), 0o644))
	if info, err := os.Stat(filepath.Join(path, "f")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// A directory that is swapped for another one while it is held is not followed.
func TestADirectoryIsHeld(t *testing.T) {
	d, path := open(t)
	must(t, os.Rename(path, path+".moved"))
	must(t, os.Mkdir(path, 0o700))
	must(t, d.Replace("f", []byte("x"), 0o600))
	if _, err := os.Stat(filepath.Join(path, "f")); err == nil {
		t.Error("written into the directory that took the path")
	}
	if text, err := os.ReadFile(filepath.Join(path+".moved", "f")); err != nil || string(text) != "x" {
		t.Errorf("in the directory that is held: %q, %v", text, err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(path + ".moved") })
}

func TestOpenDirDoesNotWait(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "f")
	must(t, unix.Mkfifo(fifo, 0o600))
	if d, err := durable.OpenDir(fifo); err == nil {
		_ = d.Close()
		t.Error("a FIFO was opened as a directory")
	}
}

func TestLockIsHeldByOne(t *testing.T) {
	d, path := open(t)
	first, err := d.Lock("l")
	must(t, err)
	if _, err := d.Lock("l"); !errors.Is(err, durable.ErrLocked) {
		t.Errorf("the second: %v", err)
	}
	must(t, first.Close())
	again, err := d.Lock("l")
	must(t, err)
	must(t, again.Close())
	must(t, os.Remove(filepath.Join(path, "l")))
	must(t, unix.Mkfifo(filepath.Join(path, "l"), 0o600))
	if _, err := d.Lock("l"); !errors.Is(err, durable.ErrBad) {
		t.Errorf("a FIFO: %v", err)
	}
}

func TestReadNamedTakesRegularFilesAlone(t *testing.T) {
	dir := t.TempDir()
	file, link, fifo := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "fifo")
	must(t, os.WriteFile(file, []byte("text"), 0o600))
	must(t, os.Symlink(file, link))
	must(t, unix.Mkfifo(fifo, 0o600))
	for _, good := range []string{file, link} {
		if text, err := durable.ReadNamed(good, 4); err != nil || !bytes.Equal(text, []byte("text")) {
			t.Errorf("%s: %q, %v", good, text, err)
		}
	}
	for bad, want := range map[string]string{fifo: "not a regular file", dir: "not a regular file", "/dev/zero": "not a regular file", filepath.Join(dir, "none"): "no such file"} {
		if _, err := durable.ReadNamed(bad, 4); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
	if _, err := durable.ReadNamed(file, 3); err == nil || !strings.Contains(err.Error(), "more than 3 bytes") {
		t.Errorf("too large: %v", err)
	}
}
