package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// diskBytes is the size of the file system of each member in a world of small
// disks: the log, the database and its copy fit, with not much to spare.
const diskBytes = 512 * mebibyte

// disk is the directory on which the file system of member i is mounted.
func (w *world) disk(i int) string { return filepath.Join(w.dir, "disk-"+strconv.Itoa(i)) }

// mountDisks gives each member a file system of its own, which needs root, and
// returns the flags that put its data there.
func (w *world) mountDisks() (func(i int) []string, error) {
	for i := range w.key.members {
		if err := os.MkdirAll(w.disk(i), 0o700); err != nil {
			return nil, err
		}
		if err := syscall.Mount("tmpfs", w.disk(i), "tmpfs", 0, "size="+strconv.Itoa(diskBytes)); err != nil {
			return nil, fmt.Errorf("mount a small disk (it needs root): %w", err)
		}
	}
	return func(i int) []string { return []string{"--data-dir=" + filepath.Join(w.disk(i), "data")} }, nil
}

func (w *world) unmountDisks() error {
	if w.key.kind != disks {
		return nil
	}
	var errs []error
	for i := range w.key.members {
		if err := syscall.Unmount(w.disk(i), syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", w.disk(i), err))
		}
	}
	return errors.Join(errs...)
}
