package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Running reports that a process keeps its state in that directory now. It
// changes nothing there, and needs no more than to read.
func Running(dir string) (bool, error) {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find out whether the daemon runs: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	_ = f.Close() // which ends the lock, if there is one
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("find out whether the daemon runs: %w", err)
	default:
		return false, nil
	}
}

// show lets Running see this process, by a lock on the directory: a lock ends with
// its process, also when that is killed. Somebody who asks at this very moment
// keeps it from being seen; so it is tried again with the next Save.
func (s *Store) show() error {
	if s.lock != nil {
		return nil
	}
	f, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		s.lock = f
		return nil
	}
	_ = f.Close() // nothing was written through it
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	return &fs.PathError{Op: "lock", Path: s.dir, Err: err}
}

// Close ends what Running sees. A Store that keeps nothing need not be closed.
func (s *Store) Close() error {
	if s.lock == nil {
		return nil
	}
	lock := s.lock
	s.lock = nil
	return lock.Close()
}
