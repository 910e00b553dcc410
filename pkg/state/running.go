package state

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// Running reports that a process keeps its state in that directory now. It
// changes nothing there, and needs no more than to read.
func Running(dir string) (bool, error) {
	d, err := durable.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find out whether the daemon runs: %w", err)
	}
	err = d.Flock(unix.LOCK_EX)
	_ = d.Close() // which ends the lock, if there is one
	switch {
	case errors.Is(err, durable.ErrLocked):
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
	if s.shown {
		return nil
	}
	err := s.dir.Flock(unix.LOCK_SH)
	s.shown = err == nil
	if errors.Is(err, durable.ErrLocked) {
		return nil
	}
	return err
}

// Close ends what Running sees. A Store that keeps nothing need not be closed.
func (s *Store) Close() error {
	if s.dir == nil {
		return nil
	}
	d := s.dir
	s.dir, s.shown = nil, false
	return d.Close()
}
