package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
)

const (
	othersRead  fs.FileMode = 0o004
	othersWrite fs.FileMode = 0o002
)

// exposures returns which of the files that the daemon relies on, and that are
// there, are open to every user of this host.
func exposures(path string, c config.Config) []doctor.Exposure {
	var found []doctor.Exposure
	add := func(what, path string, mode fs.FileMode, verb, remedy string) {
		info, err := os.Stat(path)
		if err != nil || info.Mode()&mode == 0 || info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
			return
		}
		found = append(found, doctor.Exposure{What: what, Path: path, Mode: fmt.Sprintf("%04o", info.Mode().Perm()), Verb: verb, Remedy: remedy + " " + path})
	}
	add("the configuration", path, othersWrite, "change", "chmod o-w")
	add("the directory of the configuration", filepath.Dir(path), othersWrite, "change", "chmod o-w")
	add("etcd.key", c.Etcd.Key, othersRead|othersWrite, "read or change", "chmod o-rwx")
	add("etcd.password-file", c.Etcd.PasswordFile, othersRead|othersWrite, "read or change", "chmod o-rwx")
	return found
}

// refuseExposed is the error of a daemon that would trust what everybody can read
// or change.
func refuseExposed(path string, c config.Config) error {
	var errs []error
	for _, e := range exposures(path, c) {
		errs = append(errs, fmt.Errorf("%s: %s: every user of this host can %s it (mode %s): %s", e.Path, e.What, e.Verb, e.Mode, e.Remedy))
	}
	return errors.Join(errs...)
}
