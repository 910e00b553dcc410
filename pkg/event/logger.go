package event

import (
	"context"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// queueLength is how many entries may wait for a sink that is slow. A full
// heal of five members writes fewer.
const queueLength = 512

// Logger is the Recorder that writes: each Event becomes one zap entry, with
// the fields level, event, message_id and then the facts of its row.
//
// Record never waits for the sink. Entries go through a queue of bounded
// length; what finds it full, or what the sink refuses, is counted, and the
// count is written as EventsDropped as soon as the sink takes entries again.
// What is too much of one kind is left out, and told as EventsLeftOut.
type Logger struct {
	core   zapcore.Core
	least  Level
	bound  bound
	queue  chan entry
	lost   atomic.Int64
	losses *Losses      // since the program began
	mu     sync.RWMutex // held for reading while sending to queue
	closed bool
	done   chan struct{} // closed when the queue has been written
}

type entry struct {
	zapcore.Entry
	fields []zapcore.Field
}

// Losses counts the entries that were not written. Several Loggers may share
// one, as when a reload replaces the Logger.
type Losses struct {
	Sink atomic.Int64 // the sink did not take them
	Rate atomic.Int64 // they were too many of their kind
}

// NewLogger writes what is at least as urgent as least to core. Close it.
func NewLogger(core zapcore.Core, least Level) *Logger {
	return NewCountingLogger(core, least, &Losses{})
}

// NewCountingLogger is NewLogger with a place to count what is not written.
func NewCountingLogger(core zapcore.Core, least Level, losses *Losses) *Logger {
	l := &Logger{core: core, least: least, losses: losses, queue: make(chan entry, queueLength), done: make(chan struct{})}
	go l.write()
	return l
}

// Record implements Recorder. After Close it does nothing.
func (l *Logger) Record(e Event) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return
	}
	now := zapcore.DefaultClock.Now()
	if report, due := l.bound.due(now); due {
		l.enqueue(report)
	}
	if e.Kind.Row().Level > l.least {
		return
	}
	if !l.bound.admit(e.Kind, now) {
		l.losses.Rate.Add(1)
		return
	}
	l.enqueue(e)
}

// enqueue hands an event to the goroutine that writes. Call it with mu held.
func (l *Logger) enqueue(e Event) {
	if e.Kind.Row().Level > l.least {
		return
	}
	select {
	case l.queue <- newEntry(e):
	default:
		l.lose(1)
	}
}

// lose counts entries that the sink did not take.
func (l *Logger) lose(n int64) {
	l.lost.Add(n)
	l.losses.Sink.Add(n)
}

// Close ends the recording and waits until everything recorded is written, or
// until ctx ends.
func (l *Logger) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		if report, any := l.bound.sum(); any {
			l.enqueue(report)
		}
		l.closed = true
		close(l.queue)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is the only user of the sink, which may block.
func (l *Logger) write() {
	defer close(l.done)
	for next := range l.queue {
		if err := l.core.Write(next.Entry, next.fields); err != nil {
			// There is nowhere to report it but the sink that fails.
			l.lose(1)
			continue
		}
		n := l.lost.Swap(0)
		if n == 0 || Warning > l.least {
			continue
		}
		report := newEntry(Event{Kind: EventsDropped, Dropped: int(n)})
		if err := l.core.Write(report.Entry, report.fields); err != nil {
			l.lost.Add(n)
		}
	}
}

// newEntry makes the entry of e, stamped with the time of its recording.
func newEntry(e Event) entry {
	row, message := e.Kind.Row(), e.Kind.Row().Message(e)
	if e.Reason == "" && e.Kind.Condition() {
		e.Reason = row.Name
	}
	fields := make([]zapcore.Field, 0, 3+len(row.Facts))
	fields = append(fields,
		zap.String(KeyLevel, row.Level.String()),
		zap.String(keyEvent, row.Name),
		zap.String(keyMessageID, row.ID))
	for _, f := range row.Facts {
		fields = append(fields, f.in(e))
	}
	return entry{
		Entry:  zapcore.Entry{Level: row.Level.zap(), Time: zapcore.DefaultClock.Now(), Message: message},
		fields: fields,
	}
}
