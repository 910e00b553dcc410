// Package state keeps what a watchdog has learnt over a restart and a reboot,
// in a file that later commands read: when each member was last defragmented
// and what came of it, how fast it grows, the last poll and the last decision.
// Beside it lies the pause that a person has asked for, in a file of its own.
//
// It decides nothing, and nothing depends on it: without the file a watchdog
// starts anew, which is always safe. No secrets are kept, so everybody may read
// the file.
//
// What holds:
//
//  1. Whoever reads sees a whole record, the old one or the new one, whenever
//     the writer is stopped and however many read.
//  2. After Save has returned, a power failure does not undo it.
//  3. What cannot be understood is moved aside, never overwritten.
//  4. A record is valid, or there is an error: what is read need not be checked
//     again.
//  5. The file is never above maxBytes, and no leftover of a writer that was
//     killed outlives the next Open.
//  6. A process that keeps its state here can be told from one that has ended,
//     by anybody who may read the directory, and however it has ended.
package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

const (
	fileName  = "state.json"
	pauseName = "pause.json"

	// version is that of the JSON. Fields may be added under it; one that
	// changes its meaning takes the next number.
	version = 1

	// maxBytes is enough for sixty members with all the growth that is kept of
	// one, and more members than that no etcd has, and for the longest history.
	maxBytes = 2 << 20
)

// document is the file.
type document struct {
	Version int `json:"version"`
	Record
}

// Store keeps the record in a directory. Several processes may have one for the
// same directory; the last to save wins. The zero Store keeps nothing. As
// long as one is open, Running sees it.
type Store struct {
	path  string       // empty: nothing is kept
	dir   *durable.Dir // nil: closed
	shown bool         // a lock on the directory lets others see that this process runs
	of    ID           // the cluster that the record on the disk is of; 0: not known
}

// Open returns the store of that directory, once it has been seen that a file
// can be written there. It removes what writers that were killed have left. An
// error says why nothing can be kept; the Store is then one that keeps nothing,
// as it is for an empty dir, and can be used all the same.
func Open(dir string) (*Store, error) {
	if dir == "" {
		return &Store{}, nil
	}
	d, err := durable.OpenDir(dir)
	if err == nil {
		if err = d.Probe(fileName); err == nil {
			err = d.Sweep(fileName, pauseName)
		}
		if err != nil {
			_ = d.Close() // nothing was written through it
		}
	}
	if err != nil {
		return &Store{}, fmt.Errorf("nothing can be kept over a restart: %w; StateDirectory= in the unit provides a directory, "+
			"elsewhere create it, writable for the user that etcd-watchdog runs as, and set STATE_DIRECTORY", err)
	}
	s := &Store{path: dir, dir: d}
	if err := s.show(); err != nil {
		_ = d.Close() // nothing was written through it
		return &Store{}, fmt.Errorf("nothing can be kept over a restart: %w; use a file system that knows locks", err)
	}
	return s, nil
}

// Read returns the record that is kept in that directory and changes nothing
// there: for whoever has no business to write. The zero Record if there is
// none, as for an empty dir.
func Read(dir string) (Record, error) {
	if dir == "" {
		return Record{}, nil
	}
	d, err := durable.OpenDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("read the state: %w", err)
	}
	defer d.Close() // nothing was written through it
	return read(d)
}

func read(d *durable.Dir) (Record, error) {
	text, err := d.Read(fileName, maxBytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Record{}, nil
	case errors.Is(err, durable.ErrBad):
		return Record{}, fmt.Errorf("read the state: found that %w", err)
	case err != nil:
		return Record{}, fmt.Errorf("read the state: %w", err)
	}
	r, err := parse(text)
	if err != nil {
		return Record{}, fmt.Errorf("read the state in %s: %w", d.Path(fileName), err)
	}
	return r, nil
}

func parse(text []byte) (Record, error) {
	if len(text) > maxBytes {
		return Record{}, fmt.Errorf("found more than %d bytes, which etcd-watchdog never writes", maxBytes)
	}
	// The rest of another version may have another form.
	var of struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(text, &of); err != nil {
		return Record{}, fmt.Errorf("found %w", inWords(err))
	}
	if of.Version != version {
		return Record{}, fmt.Errorf("found version %d, this etcd-watchdog reads version %d", of.Version, version)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return Record{}, fmt.Errorf("found %w", inWords(err))
	}
	if err := d.check(); err != nil {
		return Record{}, fmt.Errorf("found what cannot be: %w", err)
	}
	return d.Record, nil
}

// encode refuses what parse would refuse: a record that could be saved but not
// loaded would be lost only later.
func encode(r Record) ([]byte, error) {
	text, err := json.Marshal(document{version, r})
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	if _, err := parse(text); err != nil {
		return nil, fmt.Errorf("read what would be written: %w", err)
	}
	return text, nil
}

// inWords says without the names of Go's types what is wrong with the JSON.
func inWords(err error) error {
	if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("that %s is a JSON %s", cmp.Or(mistyped.Field, "the whole"), mistyped.Value)
	}
	return fmt.Errorf("no valid JSON: %w", err)
}

// Load returns the record that an earlier process kept; the zero Record if
// there is none. A file that cannot be understood is moved aside: the error
// says what was found, and that the state is started anew. It is worth a
// report, and nothing else: Save works on.
func (s *Store) Load() (Record, error) {
	if s.dir == nil {
		return Record{}, nil
	}
	r, err := read(s.dir)
	if err == nil {
		s.of = r.ClusterID
		return r, nil
	}
	aside, asideErr := s.dir.SetAside(fileName)
	if asideErr != nil {
		return Record{}, fmt.Errorf("%w; the state is started anew, and the file could not be moved aside: %w", err, asideErr)
	}
	return Record{}, fmt.Errorf("%w; the state is started anew, and the file is kept as %s: delete it, unless you want to look at it", err, aside)
}

// Save replaces the record and returns after that has reached the disk. This
// makes the disk write at once, and it is often etcd's own: save what a restart
// needs when it has changed, and the rest from time to time. After an error a
// whole record is there all the same, mostly the one before. A record of another
// cluster is not replaced: it is moved aside, as one that cannot be understood.
func (s *Store) Save(r Record) error {
	if s.path == "" {
		return nil
	}
	text, err := encode(r)
	if err != nil {
		return fmt.Errorf("keep the state: %w", err)
	}
	if err = s.replace(r.ClusterID, text); errors.Is(err, fs.ErrNotExist) && s.Close() == nil {
		err = s.replace(r.ClusterID, text) // the directory was removed, and may have been made again
	}
	if err != nil {
		return fmt.Errorf("keep the state: %w; free space in that directory, or make it writable: until then a restart knows only what was kept before", err)
	}
	return nil
}

func (s *Store) replace(of ID, text []byte) error {
	if s.dir == nil {
		d, err := durable.OpenDir(s.path)
		if err != nil {
			return err
		}
		s.dir = d
	}
	if err := s.show(); err != nil {
		return err
	}
	if of != 0 && s.of != 0 && s.of != of {
		if _, err := s.dir.SetAside(fileName); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	s.of = of
	return s.dir.Replace(fileName, text, 0o644)
}
