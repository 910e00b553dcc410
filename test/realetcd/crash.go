package realetcd

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Crashes is a member that is killed at a certain line of its log, each time.
type Crashes struct {
	member  *Member
	message string
	restart time.Duration
	offset  int64 // of the part of the log that has been read
	stop    chan struct{}
	stopped chan struct{}

	mu    sync.Mutex
	times []time.Time
	err   error
}

// crashPause is how often the log is read: well below the time that anything
// worth dying in takes.
const crashPause = time.Millisecond

// CrashAt kills the member each time it logs that message, such as
// "defragmenting", and starts it again after the given time, until Stop.
func (m *Member) CrashAt(message string, restart time.Duration) (*Crashes, error) {
	info, err := os.Stat(m.LogPath)
	if err != nil {
		return nil, fmt.Errorf("crash %s at %q: %w", m.Name, message, err)
	}
	c := &Crashes{
		member: m, message: message, restart: restart, offset: info.Size(),
		stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go c.run()
	return c, nil
}

// Times are when the member was killed so far.
func (c *Crashes) Times() []time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]time.Time(nil), c.times...)
}

// Stop ends it, with the member running. It is called once.
func (c *Crashes) Stop() error {
	close(c.stop)
	<-c.stopped
	if c.err != nil {
		return fmt.Errorf("crash %s at %q: %w", c.member.Name, c.message, c.err)
	}
	return nil
}

func (c *Crashes) run() {
	defer close(c.stopped)
	for c.err == nil {
		found, err := c.logged()
		if err == nil && found {
			err = c.crash()
		}
		c.err = err
		select {
		case <-c.stop:
			return
		case <-time.After(crashPause):
		}
	}
}

// crash kills the member and starts it again.
func (c *Crashes) crash() error {
	if err := c.member.Kill(); err != nil {
		return err
	}
	c.mu.Lock()
	c.times = append(c.times, time.Now())
	c.mu.Unlock()
	if _, err := c.logged(); err != nil { // what it logged before it ended
		return err
	}
	select {
	case <-c.stop:
	case <-time.After(c.restart):
	}
	return c.member.Start()
}

// logged reads the whole lines that were added since, and reports that one has
// the message.
func (c *Crashes) logged() (bool, error) {
	log, err := os.Open(c.member.LogPath)
	if err != nil {
		return false, err
	}
	defer log.Close()
	added, err := io.ReadAll(io.NewSectionReader(log, c.offset, 1<<30))
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	added = added[:bytes.LastIndexByte(added, '\n')+1]
	c.offset += int64(len(added))
	for line := range bytes.Lines(added) {
		var entry struct {
			Message string `json:"msg"`
		}
		if json.Unmarshal(line, &entry) == nil && entry.Message == c.message { // else no JSON: a panic's trace
			return true, nil
		}
	}
	return false, nil
}
