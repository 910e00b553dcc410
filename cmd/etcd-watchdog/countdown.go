package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// countdown shows what heal waits for, and for how long: on a terminal as one line
// that counts down, elsewhere as a line whenever the reason changes. It is also
// the way of the log to the same place, so that no entry is written into that line.
type countdown struct {
	out      io.Writer
	terminal terminal

	mu    sync.Mutex
	shown bool
	last  string
}

// Write clears the line and writes an entry.
func (c *countdown) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	return c.out.Write(p)
}

// clear removes the line. The caller holds the lock.
func (c *countdown) clear() {
	if c.shown {
		fmt.Fprint(c.out, "\r\x1b[K")
		c.shown = false
	}
}

// decided shows a decision to wait.
func (c *countdown) decided(d policy.Decision) {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := string(d.Reason)
	if d.Detail != "" {
		why = event.Escape(d.Detail)
	}
	left := watchdog.Until(d.Until).Round(time.Second)
	switch {
	case d.Acts() || d.Reason == policy.BelowThreshold || d.Reason == policy.NearQuota:
		c.clear()
		c.last = ""
	case c.terminal.is:
		c.clear()
		line := "waiting: " + why
		if left > 0 {
			line = fmt.Sprintf("waiting %s: %s", left, why)
		}
		if most := c.terminal.width - 1; len(line) > most {
			line = line[:most]
		}
		fmt.Fprint(c.out, line)
		c.shown = true
	case c.last != string(d.Reason):
		c.last = string(d.Reason)
		if left > 0 {
			fmt.Fprintf(c.out, "waiting %s: %s\n", left, why)
		} else {
			fmt.Fprintf(c.out, "waiting: %s\n", why)
		}
	}
}

// end removes the line for good.
func (c *countdown) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}
