package disk_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/disk"
)

// fill makes dir a data directory of etcd, with these files of these sizes
// beside the database.
func fill(t *testing.T, dir string, beside map[string]int64) {
	t.Helper()
	snap := filepath.Join(dir, "member", "snap")
	if err := os.MkdirAll(snap, 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]int64{"db": 4096}
	for name, size := range beside {
		files[name] = size
	}
	for name, size := range files {
		if err := os.WriteFile(filepath.Join(snap, name), make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// asNobody lets this test's calls into the file system be those of a user
// without rights, also where the tests run as root.
func asNobody(t *testing.T, dir string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // what t.TempDir makes is root's alone
		t.Fatal(err)
	}
	runtime.LockOSThread()
	if err := unix.Setfsuid(65534); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setfsuid(0); err != nil {
			t.Fatal(err)
		}
		runtime.UnlockOSThread()
	})
}

func chmod(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(path, 0o755) }) // else the directory could not be removed
}

func free(t *testing.T, dir string) disk.Space {
	t.Helper()
	space, err := disk.Free(dir)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func TestFreeListsWhatDefragmentationsLeft(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir, map[string]int64{"db.tmp.1234": 8192, "db.tmp.99": 0, "0000000000000003-0000000000000101.snap": 10, "db.tmpfoo": 1})
	snap := filepath.Join(dir, "member", "snap")
	modified := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(snap, "db.tmp.1234"), modified, modified); err != nil {
		t.Fatal(err)
	}

	space := free(t, dir)
	if space.Unlisted != nil || len(space.Temporaries) != 2 {
		t.Fatalf("got %+v, want the two files db.tmp.*", space)
	}
	got := space.Temporaries[0]
	if got.Path != filepath.Join(snap, "db.tmp.1234") || got.SizeBytes != 8192 || !got.ModifiedAt.Equal(modified) {
		t.Errorf("got %+v", got)
	}
	if space.Measured != snap {
		t.Errorf("measured %s, want %s: it may be a file system of its own", space.Measured, snap)
	}
	if _, err := os.Stat(got.Path); err != nil {
		t.Errorf("a leftover was touched: %v", err)
	}
}

func TestFreeCountsBytes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount the small file system that this measures")
	}
	const size = 1 << 20
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	fill(t, dir, nil)
	before := free(t, dir)
	if before.TotalBytes != size || before.FreeBytes >= size || before.FreeBytes < size/2 {
		t.Fatalf("got %+v of %d bytes with one small file", before, size)
	}
	fill(t, dir, map[string]int64{"db.tmp.1": size / 4})
	after := free(t, dir)
	if got := before.FreeBytes - after.FreeBytes; got != size/4 {
		t.Errorf("%d bytes less are free after %d were written", got, size/4)
	}
}

// etcd's data directory is etcd's alone, and a watchdog is not etcd: that must
// not keep it from knowing how much room there is.
func TestFreeWithoutTheRightToLookInside(t *testing.T) {
	for _, closed := range []string{"member", "member/snap"} {
		t.Run(closed, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, map[string]int64{"db.tmp.1": 1})
			chmod(t, filepath.Join(dir, closed), 0)
			asNobody(t, dir)
			space := free(t, dir)
			if space.TotalBytes <= 0 || space.FreeBytes <= 0 || space.FreeBytes > space.TotalBytes {
				t.Errorf("got %+v", space)
			}
			if !errors.Is(space.Unlisted, fs.ErrPermission) || !strings.Contains(space.Unlisted.Error(), "setfacl") {
				t.Errorf("unlisted is %v, want a refusal with the next step", space.Unlisted)
			}
		})
	}
}

func TestFreeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, dir string) string // returns what to ask for
		want string
	}{
		{"relative", func(*testing.T, string) string { return "default.etcd" }, "is not an absolute path"},
		{"empty", func(*testing.T, string) string { return "" }, "is not an absolute path"},
		{"missing", func(_ *testing.T, dir string) string { return filepath.Join(dir, "etcd") }, "the sandbox of this service hides it"},
		{"a file", func(t *testing.T, dir string) string {
			fill(t, dir, nil)
			return filepath.Join(dir, "member", "snap", "db")
		}, "is not a directory"},
		{"another directory", func(_ *testing.T, dir string) string { return dir }, "has no member/snap/db"},
		{"one level too deep", func(t *testing.T, dir string) string {
			fill(t, dir, nil)
			return filepath.Join(dir, "member")
		}, "has no member/snap/db"},
		{"without a database", func(t *testing.T, dir string) string {
			fill(t, dir, nil)
			if err := os.Remove(filepath.Join(dir, "member", "snap", "db")); err != nil {
				t.Fatal(err)
			}
			return dir
		}, "has no member/snap/db"},
		{"made inaccessible", func(t *testing.T, dir string) string {
			fill(t, dir, nil)
			chmod(t, dir, 0)
			return dir
		}, "InaccessiblePaths="},
		{"below what can't be searched", func(t *testing.T, dir string) string {
			fill(t, filepath.Join(dir, "etcd"), nil)
			chmod(t, dir, 0o600)
			asNobody(t, dir)
			return filepath.Join(dir, "etcd")
		}, "search the directories above it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			space, err := disk.Free(c.make(t, t.TempDir()))
			if err == nil {
				t.Fatalf("got %+v, want an error", space)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want %q in it", err, c.want)
			}
		})
	}
}
