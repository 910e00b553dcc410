// Package disk tells how much room etcd has left for a defragmentation, which
// writes a second database file beside the first, as large as the pages in use.
//
// It is about the file system of the member on this host, and knows neither
// quotas nor what a defragmentation needs: whether the room is enough is for
// others to decide.
//
// What holds:
//
//  1. Nothing is created, changed or deleted, and no file is opened.
//  2. The free bytes are those that etcd can have without being root.
//  3. What could not be seen is said, and never taken for nothing.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Space is the room that one look at a data directory found.
type Space struct {
	Measured    string // the directory whose file system the figures are of
	FreeBytes   int64
	TotalBytes  int64
	Temporaries []Temporary // by name

	// Unlisted is why Temporaries are not known; nil: they are. It says what to
	// do, and does not make the figures wrong.
	Unlisted error
}

// Temporary is a file that a defragmentation writes, and renames or removes at
// its end. While none runs on the member, it is a leftover of one that was cut
// short. etcd 3.5 to 3.7 remove such leftovers when they start.
type Temporary struct {
	Path       string
	SizeBytes  int64
	ModifiedAt time.Time
}

// temporaryPrefix begins the names of the files that etcd 3.5 to 3.7 defragment
// into.
const temporaryPrefix = "db.tmp."

// Free looks at the data directory of the member on this host: what that
// member's --data-dir says, as an absolute path.
//
// FreeBytes leaves out the blocks that the file system reserves for root, which
// an etcd that runs as root could use as well. Limits set for a single user
// (quotas of the file system) are not seen.
//
// etcd keeps its data directory to itself (mode 0700). Without the right to
// look inside, the figures are those of the directory itself, and Unlisted is
// set. It waits for as long as the file system lets it.
func Free(dataDir string) (Space, error) {
	if !filepath.IsAbs(dataDir) {
		return Space{}, fmt.Errorf("the data directory %q is not an absolute path: name the --data-dir of the etcd on this host from / on", dataDir)
	}
	if err := visible(dataDir); err != nil {
		return Space{}, err
	}
	snap := filepath.Join(dataDir, "member", "snap")
	space, err := measure(snap)
	switch {
	case errors.Is(err, fs.ErrPermission):
		space, err = measure(dataDir)
	case err == nil:
		err = holdsDatabase(dataDir)
	case errors.Is(err, fs.ErrNotExist):
		err = notEtcds(dataDir)
	}
	if err != nil {
		return Space{}, fmt.Errorf("find out the free disk space: %w", err)
	}
	space.Temporaries, err = temporaries(snap)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("leftovers of defragmentations can't be seen, since this user may not look into %s (%w); "+
			"as root: ls -l %s*, and setfacl -m u:USER:rx on that directory and u:USER:x on the two above it, if they are to be reported", snap, err, filepath.Join(snap, temporaryPrefix))
	}
	space.Unlisted = err
	return space, nil
}

// FreeBytes returns what a file in that directory can have, without being root.
func FreeBytes(dir string) (int64, error) {
	space, err := measure(dir)
	return space.FreeBytes, err
}

// visible refuses what is no directory, or is none of etcd's: what a sandbox
// puts in the place of a directory that it hides has no permission bits at all,
// and a file system of its own, whose figures would mislead.
func visible(dataDir string) error {
	const hidden = "if it is that of the etcd on this host, the sandbox of this service hides it: " +
		"see ProtectHome=, PrivateTmp=, TemporaryFileSystem= and InaccessiblePaths= in its unit, and show it with BindReadOnlyPaths="
	info, err := os.Stat(dataDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no data directory %s: correct its name; %s", dataDir, hidden)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("the data directory %s can't be reached: let the user of this process search the directories above it (chmod o+x, or setfacl -m u:USER:x); %s", dataDir, hidden)
	case err != nil:
		return fmt.Errorf("look at the data directory: %w", err)
	case !info.IsDir():
		return fmt.Errorf("the data directory %s is not a directory: name the --data-dir of the etcd on this host", dataDir)
	case info.Mode().Perm() == 0:
		return fmt.Errorf("the data directory %s has no permissions at all: %s", dataDir, hidden)
	}
	return nil
}

func notEtcds(dataDir string) error {
	return fmt.Errorf("%s is not a data directory of etcd, since it has no member/snap/db: name the --data-dir of the etcd on this host, which has to have run once", dataDir)
}

// holdsDatabase is certain of that only where it is allowed to look.
func holdsDatabase(dataDir string) error {
	_, err := os.Lstat(filepath.Join(dataDir, "member", "snap", "db"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return notEtcds(dataDir)
	case errors.Is(err, fs.ErrPermission):
		return nil
	default:
		return err
	}
}

func measure(dir string) (Space, error) {
	var stat unix.Statfs_t
	for {
		err := unix.Statfs(dir, &stat)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return Space{}, &fs.PathError{Op: "statfs", Path: dir, Err: err}
		}
		return Space{
			Measured:   dir,
			FreeBytes:  product(stat.Bavail, int64(stat.Frsize)),
			TotalBytes: product(stat.Blocks, int64(stat.Frsize)),
		}, nil
	}
}

// product keeps to the largest number where a file system over a network claims
// to have no end.
func product(blocks uint64, blockBytes int64) int64 {
	if blockBytes <= 0 {
		return 0
	}
	if blocks > uint64(math.MaxInt64/blockBytes) {
		return math.MaxInt64
	}
	return int64(blocks) * blockBytes
}

func temporaries(snap string) ([]Temporary, error) {
	entries, err := os.ReadDir(snap)
	if err != nil {
		return nil, err
	}
	var found []Temporary
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), temporaryPrefix) {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // renamed or removed meanwhile, as the end of a defragmentation does
		}
		if err != nil {
			return nil, err
		}
		found = append(found, Temporary{Path: filepath.Join(snap, entry.Name()), SizeBytes: info.Size(), ModifiedAt: info.ModTime()})
	}
	return found, nil
}
