package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// tail reads what is appended to a file.
type tail struct {
	path   string
	offset int64
}

// end is a tail that begins where the file ends now.
func end(path string) *tail {
	t := &tail{path: path}
	if info, err := os.Stat(path); err == nil {
		t.offset = info.Size()
	}
	return t
}

// lines returns the whole lines that are new. A file that is not there yet has
// none.
func (t *tail) lines() [][]byte {
	f, err := os.Open(t.path)
	if err != nil {
		return nil
	}
	defer f.Close()
	if _, err := f.Seek(t.offset, io.SeekStart); err != nil {
		return nil
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return nil
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	t.offset += int64(whole)
	return slices.Collect(bytes.Lines(data[:whole]))
}

// journal is what the watchdogs of a run have reported. It may be used by
// several goroutines.
type journal struct {
	mu      sync.Mutex
	tails   map[*watchdogs.Watchdog]*tail
	latest  map[string]time.Time     // by watchdog
	stepped map[string]time.Duration // by watchdog: how far its clock was off at last
	entries []history.Entry
}

func newJournal(dogs []*watchdogs.Watchdog) *journal {
	j := &journal{tails: map[*watchdogs.Watchdog]*tail{}, latest: map[string]time.Time{}, stepped: map[string]time.Duration{}}
	for _, dog := range dogs {
		j.follow(dog)
	}
	return j
}

// follow reads a further watchdog, from now on.
func (j *journal) follow(dog *watchdogs.Watchdog) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.tails[dog] = end(dog.LogPath)
}

// step books that the watchdog's clock is off by so much.
func (j *journal) step(dog *watchdogs.Watchdog, off time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stepped[dog.Name] = off
}

// steppedClock is how far an entry's time is from ours if its writer's clock
// is off.
const steppedClock = 20 * time.Second

// read takes in what is new, and returns all there is, in the order of their
// times.
func (j *journal) read() []history.Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	grown := false
	for dog, t := range j.tails {
		for _, line := range t.lines() {
			j.entries = append(j.entries, j.parse(dog.Name, line))
			grown = true
		}
	}
	if grown {
		slices.SortStableFunc(j.entries, func(a, b history.Entry) int { return a.At.Compare(b.At) })
	}
	return j.entries
}

func (j *journal) parse(watchdog string, line []byte) history.Entry {
	var e struct {
		watchdogs.Entry
		Revision int64 `json:"revision"`
	}
	_ = json.Unmarshal(line, &e) // not an entry: the line alone
	at, now := e.Time, time.Now()
	if e.Event == "" {
		at = j.latest[watchdog]
	}
	if now.Sub(at).Abs() > steppedClock {
		at = at.Add(-j.stepped[watchdog])
	}
	j.latest[watchdog] = at
	return history.Entry{
		At: at, Watchdog: watchdog, Event: e.Event, Reason: e.Reason, Detail: e.Detail,
		Job: e.Job, Member: e.MemberID, Revision: e.Revision, Line: strings.TrimSpace(string(line)),
	}
}
