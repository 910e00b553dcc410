package durable

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// create makes a file for that name to be written to, and locks it: a lock ends
// with the process that holds it, so that Sweep can tell it from a leftover.
func (d *Dir) create(name string, mode fs.FileMode) (*os.File, string, error) {
	made := name + temporary + random()
	f, err := d.openat(made, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return nil, "", err
	}
	err = flock(f, unix.LOCK_EX)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask is
	}
	if err != nil {
		return nil, "", errors.Join(err, d.unlink(made), f.Close())
	}
	return f, made, nil
}

// probeBytes is what Probe writes: on a full disk an empty file can still be made.
const probeBytes = 64 << 10

// Probe finds out whether a file can be written, and that there is room for one.
func (d *Dir) Probe(name string) error {
	f, made, err := d.create(name, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, probeBytes))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, d.unlink(made), f.Close())
}

// Replace writes a file from scratch: its name leads to the old text until all of
// the new one is on the disk. Whatever had the name is replaced, and a link is not
// followed.
func (d *Dir) Replace(name string, text []byte, mode fs.FileMode) error {
	f, made, err := d.create(name, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = d.rename(made, name, 0)
	}
	if err != nil {
		return errors.Join(err, d.unlink(made), f.Close())
	}
	return errors.Join(f.Close(), d.f.Sync())
}

// SetAside renames a file to one that nothing else has, and returns the path.
func (d *Dir) SetAside(name string) (string, error) {
	to := name + aside + random()
	err := d.rename(name, to, unix.RENAME_NOREPLACE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) { // not every file system knows that flag
		err = d.rename(name, to, 0)
	}
	if err != nil {
		return "", err
	}
	return d.Path(to), d.f.Sync()
}

// Remove deletes a file for good; that there is none is fs.ErrNotExist.
func (d *Dir) Remove(name string) error {
	if err := d.unlink(name); err != nil {
		return err
	}
	return d.f.Sync()
}

// Lock opens a file, makes it if there is none, and locks it until it is closed.
func (d *Dir) Lock(name string) (*os.File, error) {
	f, err := d.openat(name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	if err = d.own(f); err == nil {
		err = flock(f, unix.LOCK_EX)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Sweep removes what writers of those names that are dead have left.
func (d *Dir) Sweep(names ...string) error {
	listed, err := d.openat(".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer listed.Close() // nothing was written through it
	entries, err := listed.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		for _, name := range names {
			if !strings.HasPrefix(entry.Name(), name+temporary) || !entry.Type().IsRegular() {
				continue
			}
			if err := d.sweep(entry.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

func (d *Dir) sweep(name string) error {
	f, err := d.openat(name, unix.O_RDONLY, 0)
	if err != nil {
		return err
	}
	err = flock(f, unix.LOCK_EX)
	if err == nil {
		err = d.unlink(name)
	}
	if errors.Is(err, ErrLocked) {
		err = nil // its writer lives
	}
	return errors.Join(err, f.Close())
}

func (d *Dir) rename(from, to string, flags uint) error {
	var err error
	if flags == 0 {
		err = unix.Renameat(int(d.f.Fd()), from, int(d.f.Fd()), to)
	} else {
		err = unix.Renameat2(int(d.f.Fd()), from, int(d.f.Fd()), to, flags)
	}
	if err != nil {
		return &os.LinkError{Op: "rename", Old: d.Path(from), New: d.Path(to), Err: err}
	}
	return nil
}

func (d *Dir) unlink(name string) error {
	if err := unix.Unlinkat(int(d.f.Fd()), name, 0); err != nil {
		return &fs.PathError{Op: "remove", Path: d.Path(name), Err: err}
	}
	return nil
}
