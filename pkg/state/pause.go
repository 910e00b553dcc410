package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
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
	path := filepath.Join(dir, pauseName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return cluster.Pause{}, nil
	}
	if err != nil {
		return cluster.Pause{}, fmt.Errorf("read whether there is a pause: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPauseBytes+1))
	_ = f.Close() // nothing was written through it
	if err != nil {
		return cluster.Pause{}, fmt.Errorf("read whether there is a pause: %w", err)
	}
	p, err := parsePause(text)
	if err != nil {
		return cluster.Pause{}, fmt.Errorf("read the pause in %s: found %w; it counts as none: pause again, or delete the file", path, err)
	}
	return p, nil
}

func parsePause(text []byte) (cluster.Pause, error) {
	var p pause
	if len(text) > maxPauseBytes {
		return cluster.Pause{}, fmt.Errorf("more than %d bytes", maxPauseBytes)
	}
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
		err = replace(dir, pauseName, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("keep the pause: %w", err)
	}
	return nil
}

// RemovePause ends the pause, if there is one.
func RemovePause(dir string) error {
	err := os.Remove(filepath.Join(dir, pauseName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("end the pause: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("end the pause for good: %w", err)
	}
	return nil
}
