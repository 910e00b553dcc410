package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// pauseVersion is that of the JSON of a pause, as version is of the record's.
const pauseVersion = 1

// maxPauseBytes is far above what a pause takes.
const maxPauseBytes = 64 << 10

// pause is the file.
type pause struct {
	Version int       `json:"version"`
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	Reason  string    `json:"reason,omitzero"`
}

// ReadPause returns the pause that was asked for in that directory, also one
// that has ended; the zero Pause if there is none. After an error nobody knows
// whether there is one: it is for the caller to say what holds then.
func ReadPause(dir string) (cluster.Pause, error) {
	d, err := durable.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return cluster.Pause{}, nil
	}
	if err != nil {
		return cluster.Pause{}, fmt.Errorf("read whether there is a pause: %w", err)
	}
	defer d.Close() // nothing was written through it
	text, err := d.Read(pauseName, maxPauseBytes)
	var p cluster.Pause
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cluster.Pause{}, nil
	case err == nil:
		p, err = parsePause(text)
	case !errors.Is(err, durable.ErrBad):
		return cluster.Pause{}, fmt.Errorf("read whether there is a pause: %w", err)
	}
	if err != nil {
		return cluster.Pause{}, fmt.Errorf("read the pause in %s: %w: found %w; it counts as none: pause again, or delete the file", d.Path(pauseName), errBadPause, err)
	}
	return p, nil
}

// errBadPause marks a file that is no pause.
var errBadPause = errors.New("no pause")

// SetBadPauseAside moves a file out of the way that is no pause, and returns where
// it is kept; empty if there is nothing to move.
func SetBadPauseAside(dir string) (string, error) {
	if _, err := ReadPause(dir); !errors.Is(err, errBadPause) {
		return "", nil
	}
	d, err := durable.OpenDir(dir)
	if err != nil {
		return "", fmt.Errorf("move the pause aside: %w", err)
	}
	defer d.Close()
	kept, err := d.SetAside(pauseName)
	if err != nil {
		return "", fmt.Errorf("move the pause aside: %w", err)
	}
	return kept, nil
}

func parsePause(text []byte) (cluster.Pause, error) {
	var p pause
	if err := json.Unmarshal(text, &p); err != nil {
		return cluster.Pause{}, inWords(err)
	}
	switch {
	case p.Version != pauseVersion:
		return cluster.Pause{}, fmt.Errorf("version %d, this etcd-watchdog reads version %d", p.Version, pauseVersion)
	case p.Until.IsZero():
		return cluster.Pause{}, errors.New("no time at which it ends")
	}
	return cluster.Pause{Since: p.Since, Until: p.Until, Reason: p.Reason}, nil
}

// SavePause has the watchdog that keeps its state in that directory pause, from
// its next look on. It replaces an earlier pause.
func SavePause(dir string, p cluster.Pause) error {
	text, err := json.Marshal(pause{pauseVersion, p.Since, p.Until, p.Reason})
	if err == nil {
		err = inside(dir, func(d *durable.Dir) error { return d.Replace(pauseName, append(text, '\n'), 0o644) })
	}
	if err != nil {
		return fmt.Errorf("keep the pause: %w", err)
	}
	return nil
}

// RemovePause ends the pause, if there is one.
func RemovePause(dir string) error {
	err := inside(dir, func(d *durable.Dir) error { return d.Remove(pauseName) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the pause: %w", err)
	}
	return nil
}

// inside does something in a directory that is open for that long.
func inside(dir string, do func(*durable.Dir) error) error {
	d, err := durable.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(do(d), d.Close())
}
