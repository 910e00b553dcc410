// Package config turns the configuration file into validated values, or into
// the list of all its faults.
//
// It is strict: a key it does not know, a value of the wrong kind or out of
// range, a relation between two keys that does not hold, a second document:
// each is a fault with its place, and nothing is corrected silently. All
// faults are reported at once. A key that is left out has its default, which
// the room that uses it owns; an empty file is a valid one, but not to Reload.
//
// The table in keys.go names every key, and the one in relations.go every
// relation between two keys. Nothing here opens a file but the configuration
// itself: whether a certificate exists is found out by who reads it. No room
// but the command sees a Config; the others take their own options.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// DefaultPath is where the configuration is looked for if no other file is
// named.
const DefaultPath = "/etc/etcd-watchdog/etcd-watchdog.yaml"

// maxFileBytes bounds what is read: the sample, comments and all, has a
// hundredth of it.
const maxFileBytes = 1 << 20

// Config is everything that the file can set.
type Config struct {
	Etcd    etcd.Options
	Disk    Disk
	Limits  policy.Limits
	Claim   claim.Options
	Log     Log
	Metrics metrics.Options
}

// Disk says where the member on this host keeps its data.
type Disk struct {
	DataDir string // empty: nobody looks at the disk
}

// Log says what of the log is written, and how.
type Log struct {
	Level  string // debug, info, notice, warning or err: the least that is written
	Format string // auto, text, json or journald; auto: the journal if stderr is one, else text
}

// Default returns the configuration that holds without a file.
func Default() Config {
	return Config{
		Etcd:    etcd.DefaultOptions(),
		Limits:  policy.DefaultLimits(),
		Claim:   claim.DefaultOptions(),
		Log:     Log{Level: "info", Format: "auto"},
		Metrics: metrics.DefaultOptions(),
	}
}

// Load reads and parses the file. The error is Faults if the file could be
// read; it wraps fs.ErrNotExist if there is none, and whether that matters is
// for the caller to say.
func Load(path string) (Config, error) {
	data, err := read(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(path, data)
}

// ErrEmpty is the error of a Reload of a file in which nothing is written, not
// even a comment.
var ErrEmpty = errors.New("the file is empty")

// Reload is Load for a process that has a configuration already, and may read
// the file while somebody writes it: many programs empty a file first.
func Reload(path string) (Config, error) {
	data, err := read(path)
	if err != nil {
		return Config{}, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return Config{}, fmt.Errorf("%s: %w", path, ErrEmpty)
	}
	return Parse(path, data)
}

func read(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return data, nil
}

// Changed returns the keys whose values differ between two configurations, in
// the order of the sample.
func Changed(a, b Config) []string {
	var changed []string
	for _, k := range keys {
		if !reflect.DeepEqual(k.value(a), k.value(b)) {
			changed = append(changed, k.path)
		}
	}
	return changed
}

// CheckWatchdog returns an error if systemd, waiting interval for a sign of
// progress, would end a process that is only slow: three polls or requests
// have to fit. 0 means that systemd does not wait for any.
func (c Config) CheckWatchdog(interval time.Duration) error {
	slowest, key := c.Limits.PollInterval, "watch.poll-interval"
	if c.Etcd.RequestTimeout > slowest {
		slowest, key = c.Etcd.RequestTimeout, "etcd.request-timeout"
	}
	if interval == 0 || interval >= 3*slowest {
		return nil
	}
	return fmt.Errorf("WatchdogSec=%s of the unit is too short for %s, which is %s: raise WatchdogSec to at least %s, or lower %s",
		writeDuration(interval), key, writeDuration(slowest), writeDuration(3*slowest), key)
}
