// Package durable reads and writes this program's own small files, so that a
// power failure leaves the old text or the new one, and a file that somebody put
// in the way can neither hang the program, nor fill its memory, nor have another
// file overwritten. It also reads the files that an operator names.
//
// A directory is opened once and held: every later call is relative to it, so
// that a directory that is swapped in the meantime is not followed. The calls:
//
//	OpenDir    open(path, O_DIRECTORY|O_NONBLOCK|O_CLOEXEC)
//	Read       openat(name, O_RDONLY|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC), fstat,
//	           read up to one byte above the limit, close
//	Replace    openat(name.tmp-RANDOM, O_WRONLY|O_CREAT|O_EXCL|O_NOFOLLOW|O_CLOEXEC),
//	           flock, fchmod, write, fsync, renameat, fsync of the directory, close
//	Probe      as Replace does, with unlinkat in place of renameat
//	SetAside   renameat2(name, name.bad-RANDOM, RENAME_NOREPLACE), fsync of the directory
//	Remove     unlinkat, fsync of the directory
//	Lock       openat(name, O_RDWR|O_CREAT|O_NOFOLLOW|O_NONBLOCK|O_CLOEXEC), fstat, flock
//	Sweep      for each leftover: openat as Read does, flock, unlinkat
//	ReadNamed  open(path, O_RDONLY|O_NONBLOCK|O_CLOEXEC), fstat, read, close
//
// What holds:
//
//  1. No call waits for another process: a FIFO, a device or a socket is an error.
//  2. At most the limit is read, and memory is taken only as bytes arrive.
//  3. Of our own files, a link is never followed, and the owner has to be root,
//     this process, or the owner of the directory.
//  4. After Replace has returned, a power failure does not undo it. After an error
//     the name leads to a whole text, mostly the one before.
//  5. A bad file is set aside under a name that nothing else has, and never lost.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	temporary = ".tmp-" // behind a file's name: it is being written
	aside     = ".bad-" // behind a file's name: it could not be understood
)

// ErrBad is wrapped by the error of a Read of what is no file of ours: no regular
// file, a link, of another owner, or too large.
var ErrBad = errors.New("not a file that this program wrote")

// ErrLocked is wrapped by the error of a Lock that another process holds.
var ErrLocked = errors.New("another process holds the lock")

// Dir is a directory that is held open. Its methods may be called from several
// goroutines, and names are those of files right below it.
type Dir struct {
	f     *os.File
	path  string
	owner uint32
}

// OpenDir opens a directory. The path itself may lead through links.
func OpenDir(path string) (*Dir, error) {
	f, err := os.OpenFile(path, unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "stat", Path: path, Err: err}, f.Close())
	}
	return &Dir{f: f, path: path, owner: stat.Uid}, nil
}

// Close gives the directory back. A lock on it ends with that.
func (d *Dir) Close() error { return d.f.Close() }

// Path returns the path that a file of the directory has, for messages.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Flock locks the directory itself: how is one of flock(2).
func (d *Dir) Flock(how int) error {
	if err := flock(d.f, how); err != nil {
		return &fs.PathError{Op: "lock", Path: d.path, Err: err}
	}
	return nil
}

func flock(f *os.File, how int) error {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}

// openat opens a file of the directory and never follows a link.
func (d *Dir) openat(name string, flags int, mode uint32) (*os.File, error) {
	for {
		fd, err := unix.Openat(int(d.f.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.ELOOP):
			return nil, fmt.Errorf("%s is a symbolic link: %w", d.Path(name), ErrBad)
		case errors.Is(err, unix.ENXIO): // of a socket, and of a FIFO that is opened to write
			return nil, fmt.Errorf("%s is not a regular file: %w", d.Path(name), ErrBad)
		case err != nil:
			return nil, &fs.PathError{Op: "open", Path: d.Path(name), Err: err}
		}
		return os.NewFile(uintptr(fd), d.Path(name)), nil
	}
}

// own refuses what is no file of ours.
func (d *Dir) own(f *os.File) error {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	switch {
	case stat.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%s is not a regular file: %w", f.Name(), ErrBad)
	case stat.Uid != 0 && stat.Uid != d.owner && stat.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("%s belongs to user %d: %w", f.Name(), stat.Uid, ErrBad)
	}
	return nil
}

// Read returns the text of a file of at most limit bytes.
func (d *Dir) Read(name string, limit int64) ([]byte, error) {
	f, err := d.openat(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written through it
	if err := d.own(f); err != nil {
		return nil, err
	}
	return readAll(f, limit)
}

func readAll(f *os.File, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes: %w", f.Name(), limit, ErrBad)
	}
	return text, nil
}

// ReadNamed returns the text of a file that an operator named. Links are followed,
// since certificates and passwords are often links into a folder that is swapped
// as a whole, and any owner will do.
func ReadNamed(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() // nothing was written through it
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	text, err := readAll(f, limit)
	if errors.Is(err, ErrBad) {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return text, err
}

// random is an ending that nothing else has.
func random() string { return rand.Text()[:10] }
