// Package systemd speaks to the host's service manager and journal: entries
// with native fields, readiness, the status line, and a watchdog ping that
// proves progress.
//
// It is not about the cluster, and nothing in it is needed to run: without
// systemd the notifications go nowhere, and the entries go to the standard
// error instead (package event).
//
// What holds:
//
//  1. Nothing here waits for long: a notification gives up after a second, and
//     an entry is written from the Logger's own goroutine.
//  2. A ping is sent only while the work loop keeps the time that it has set
//     itself. A loop that hangs is not pinged for, however alive the process.
//  3. What is sent has valid field names, and no value can begin a field or an
//     assignment of its own.
package systemd

import (
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/coreos/go-systemd/v22/journal"
)

// StderrIsJournal reports that the standard error of this process leads into
// the journal, so that entries may go there with their fields.
func StderrIsJournal() bool {
	is, err := journal.StderrIsJournalStream()
	return err == nil && is // if it can't be told, the standard error is right
}

// WatchdogInterval returns WatchdogSec= of the unit that this process is the
// main process of; 0: there is none, and no pings are expected.
func WatchdogInterval() (time.Duration, error) {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("read the watchdog interval, start without WATCHDOG_USEC or set WatchdogSec= in the unit: %w", err)
	}
	return interval, nil
}
