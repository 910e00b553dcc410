package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	fileName       = "state.json"
	pauseName      = "pause.json"
	temporaryInfix = ".tmp-"            // behind a file's name: it is being written
	asidePrefix    = fileName + ".bad-" // a file that could not be understood
)

// create makes a file for one of that name to be written to, and locks it: a lock
// ends with the process that holds it, so that others can tell it from a leftover.
func create(dir, name string) (*os.File, error) {
	f, err := os.CreateTemp(dir, name+temporaryInfix)
	if err != nil {
		return nil, err
	}
	err = lock(f)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask is
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(f.Name()), f.Close())
	}
	return f, nil
}

func lock(f *os.File) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
	}
	return nil
}

// probe finds out whether a file can be written.
func probe(dir string) error {
	f, err := create(dir, fileName)
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(f.Name()), f.Close())
}

// sweep removes what writers that are dead have left.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		ours := strings.HasPrefix(name, fileName+temporaryInfix) || strings.HasPrefix(name, pauseName+temporaryInfix)
		if !ours || !entry.Type().IsRegular() {
			continue
		}
		if err := removeLeftover(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func removeLeftover(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = lock(f)
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = nil // its writer lives
	}
	return errors.Join(err, f.Close())
}

// replace writes a file anew: its name leads to the old text until all of the
// new one is on the disk.
func replace(dir, name string, text []byte) error {
	f, err := create(dir, name)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, name))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()), f.Close())
	}
	return errors.Join(f.Close(), syncDir(dir))
}

// syncDir lets a rename outlive a power failure.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// setAside renames the file to a name that nothing else has.
func setAside(dir string) (string, error) {
	place, err := os.CreateTemp(dir, asidePrefix)
	if err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(dir, fileName), place.Name()); err != nil {
		return "", errors.Join(err, os.Remove(place.Name()), place.Close())
	}
	return place.Name(), place.Close()
}
