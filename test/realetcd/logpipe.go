package realetcd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"
)

// logPipe carries what a member writes to its log file, as a container runtime
// or a log shipper does. While it is held, nothing reads from it and it is full,
// so that every thread of the member that logs something stops there.
//
// It is a named pipe, because its ends have to differ: the member's must block,
// and ours must not.
type logPipe struct {
	path   string
	log    *os.File
	reader *os.File
	filler int // a file descriptor

	mu      sync.Mutex
	changed *sync.Cond
	held    bool
	resting bool // the pump has seen that the pipe is held
	ended   bool // the pump has
}

// filling is what fills a held pipe. No log has this byte, and none of it gets
// into the file.
const filling = 0

func makeLogPipe(path, logPath string) (*logPipe, error) {
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return nil, fmt.Errorf("make the pipe %s: %w", path, err)
	}
	log, err := os.OpenFile(logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	// The reader first: a pipe that has one can be opened for writing at once.
	reader, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the pipe %s: %w", path, err), log.Close())
	}
	filler, err := syscall.Open(path, syscall.O_WRONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write the pipe %s: %w", path, err), syscall.Close(reader), log.Close())
	}
	p := &logPipe{path: path, log: log, reader: os.NewFile(uintptr(reader), path), filler: filler}
	p.changed = sync.NewCond(&p.mu)
	go p.pump()
	return p, nil
}

// open returns the end that a process writes to. (os.OpenFile would make it one
// that does not block.)
func (p *logPipe) open() (*os.File, error) {
	fd, err := syscall.Open(p.path, syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("write the pipe %s: %w", p.path, err)
	}
	return os.NewFile(uintptr(fd), p.path), nil
}

// pump copies from the pipe to the file, until every writer has closed it.
func (p *logPipe) pump() {
	chunk := make([]byte, 64<<10)
	for {
		n, err := p.reader.Read(chunk)
		if _, failed := p.log.Write(bytes.ReplaceAll(chunk[:n], []byte{filling}, nil)); failed != nil {
			err = failed
		}
		if err != nil && !(errors.Is(err, os.ErrDeadlineExceeded) && p.rest()) {
			break
		}
	}
	p.mu.Lock()
	p.ended = true
	p.changed.Broadcast()
	p.mu.Unlock()
}

// rest waits until the pipe is let flow, and reports that it may be read again.
func (p *logPipe) rest() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resting = true
	p.changed.Broadcast()
	for p.held {
		p.changed.Wait()
	}
	p.resting = false
	return true
}

// hold stops reading and returns when the pipe is full to the last byte.
func (p *logPipe) hold() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held {
		return nil
	}
	p.held = true
	if err := p.reader.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return fmt.Errorf("stop reading %s: %w", p.path, err)
	}
	for !p.resting && !p.ended {
		p.changed.Wait()
	}
	if p.ended {
		return fmt.Errorf("stop reading %s: its reader has ended", p.path)
	}
	for _, size := range []int{4096, 1} { // up to 4096 bytes pass as a whole or not at all
		for {
			_, err := syscall.Write(p.filler, bytes.Repeat([]byte{filling}, size))
			if errors.Is(err, syscall.EAGAIN) {
				break
			}
			if err != nil && !errors.Is(err, syscall.EINTR) {
				return fmt.Errorf("fill %s: %w", p.path, err)
			}
		}
	}
	return nil
}

// flow reads again what the pipe holds, and goes on with it.
func (p *logPipe) flow() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
	p.changed.Broadcast()
	return p.reader.SetReadDeadline(time.Time{})
}

// close is called once the processes that write have ended. What they wrote is
// in the file when it returns.
func (p *logPipe) close() error {
	err := errors.Join(p.flow(), syscall.Close(p.filler))
	p.mu.Lock()
	for !p.ended {
		p.changed.Wait()
	}
	p.mu.Unlock()
	return errors.Join(err, p.reader.Close(), p.log.Close(), os.Remove(p.path))
}

// output is where the next run of the member writes its log to. The caller holds
// mu.
func (m *Member) output() (*os.File, error) {
	if m.pipe != nil {
		return m.pipe.open()
	}
	return os.OpenFile(m.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
}

// HoldLog has nobody read the pipe that the member logs to, and fills it: from
// then on whatever logs a line in the member waits, until LetLogFlow. The
// cluster was launched with LogPipe.
func (m *Member) HoldLog() error {
	if m.pipe == nil {
		return fmt.Errorf("hold the log of %s: it logs to a file, launch it with Config.LogPipe", m.Name)
	}
	return m.pipe.hold()
}

// LetLogFlow ends HoldLog. What the member could not log meanwhile follows.
func (m *Member) LetLogFlow() error {
	if m.pipe == nil {
		return nil
	}
	return m.pipe.flow()
}
