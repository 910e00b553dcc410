package realetcd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// stopPatience bounds how long a member may take to end in an orderly way.
const stopPatience = 30 * time.Second

// startPatience bounds how long a member may take until it serves, and a
// cluster until it accepts another one.
const startPatience = time.Minute

// maxLineBytes is how much of a line of its log is shown.
const maxLineBytes = 400

// Member is one server of a cluster, running or not. Its methods may be called
// from several goroutines.
type Member struct {
	Name          string
	ClientURL     string // where it listens
	AdvertisedURL string // where clients are told to find it
	PeerURL       string
	HTTPURL       string // where /metrics is: the client URL, unless Config.SeparateHTTP
	LogPath       string
	DataDir       string

	host   Host // nil: this one
	line   Line
	args   []string
	ports  []*port
	pipe   *logPipe // nil: it logs to the file itself
	client *clientv3.Client

	attached bool // somebody else runs it

	mu        sync.Mutex
	id        uint64
	processes []*process // every run so far, the latest last
	suspended bool       // the latest one
}

// ID is etcd's id of the member; 0 until it has answered once.
func (m *Member) ID() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

// Client speaks to this member alone. It is closed with the cluster.
func (m *Member) Client() *clientv3.Client { return m.client }

// Running reports that the member's process exists; a suspended one does too,
// and so, as far as we know, does one that somebody else runs.
func (m *Member) Running() bool {
	p := m.current()
	return m.attached || p != nil && p.running()
}

// PID is the process id of the latest run; 0 if there was none.
func (m *Member) PID() int {
	if p := m.current(); p != nil {
		return p.pid
	}
	return 0
}

func (m *Member) current() *process {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.processes) == 0 {
		return nil
	}
	return m.processes[len(m.processes)-1]
}

// Start runs the member, on its data directory and ports of before if it ran
// before, and does not wait until it serves: AwaitReady does. Further flags hold
// for this run only, and before those of the configuration.
func (m *Member) Start(flags ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.processes); n > 0 && m.processes[n-1].running() {
		return fmt.Errorf("start %s: it runs already", m.Name)
	}
	log, err := m.output()
	if err != nil {
		return fmt.Errorf("start %s: %w", m.Name, err)
	}
	p, err := startProcess(m.host, m.line.Binary, slices.Concat(m.args, flags), log)
	if err != nil {
		return fmt.Errorf("start %s: %w", m.Name, err)
	}
	m.processes, m.suspended = append(m.processes, p), false
	return nil
}

// AwaitReady waits, for a minute at most, until the member answers a status
// request and knows a leader. That its process has ended meanwhile is an error
// at once.
func (m *Member) AwaitReady(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, startPatience)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := Await(ctx, m.Name+" to answer and to have a leader", func() (bool, string) {
		if !m.Running() {
			cancel(errEnded)
			return false, m.whyEnded()
		}
		return m.ready(ctx)
	}); err != nil && m.attached {
		return err
	} else if err != nil {
		return fmt.Errorf("%w\nthe end of %s:\n%s", err, m.LogPath, m.LogTail(5))
	}
	return nil
}

var errEnded = errors.New("its process has ended")

func (m *Member) ready(ctx context.Context) (bool, string) {
	status, err := m.status(ctx)
	if err != nil {
		return false, err.Error()
	}
	m.mu.Lock()
	m.id = status.Header.MemberId
	m.mu.Unlock()
	return status.Leader != 0, "it answers but has no leader"
}

// statusTimeout bounds one look at a member.
const statusTimeout = time.Second

func (m *Member) status(ctx context.Context) (*clientv3.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return m.client.Status(ctx, m.ClientURL)
}

// whyEnded says how the latest run ended.
func (m *Member) whyEnded() string {
	p := m.current()
	if p == nil {
		return "it was never started"
	}
	if p.running() {
		return fmt.Sprintf("process %d runs", p.pid)
	}
	return p.outcome
}

// Kill ends the process as a power cut would (SIGKILL) and waits until it is
// gone.
func (m *Member) Kill() error {
	p := m.current()
	if p == nil {
		return nil
	}
	return p.kill()
}

// Stop asks the process to end (SIGTERM) and waits until it is gone.
func (m *Member) Stop() error {
	p := m.current()
	if p == nil {
		return fmt.Errorf("stop %s: it was never started", m.Name)
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", m.Name, err)
	}
	return p.wait(stopPatience)
}

// Suspend freezes the process (SIGSTOP) until Resume: its connections stay,
// and nobody answers. It returns when every thread has stopped, which takes a
// moment: until then a request would still be served.
func (m *Member) Suspend() error {
	if err := m.signal("suspend", syscall.SIGSTOP); err != nil {
		return err
	}
	m.setSuspended(true)
	ctx, cancel := context.WithTimeout(context.Background(), freezePatience)
	defer cancel()
	return Await(ctx, m.Name+" to stand still", func() (bool, string) { return standsStill(m.PID()), "a thread runs" })
}

// freezePatience bounds how long a stop signal may take to reach every thread.
const freezePatience = 5 * time.Second

// Resume lets a suspended process go on.
func (m *Member) Resume() error {
	if err := m.signal("resume", syscall.SIGCONT); err != nil {
		return err
	}
	m.setSuspended(false)
	return nil
}

func (m *Member) setSuspended(suspended bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.suspended = suspended
}

func (m *Member) isSuspended() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.suspended
}

func (m *Member) signal(verb string, s syscall.Signal) error {
	p := m.current()
	if p == nil {
		return fmt.Errorf("%s %s: it was never started", verb, m.Name)
	}
	if err := p.signal(s); err != nil {
		return fmt.Errorf("%s %s: %w", verb, m.Name, err)
	}
	return nil
}

// LogTail returns the last lines of the member's log, cut to a length that can
// be read, without one for each write that was refused.
func (m *Member) LogTail(lines int) string {
	data, err := os.ReadFile(m.LogPath)
	if err != nil {
		return err.Error()
	}
	var tail []string
	for _, line := range slices.Backward(strings.Split(strings.TrimSpace(string(data)), "\n")) {
		if strings.Contains(line, "failed to apply request") {
			continue
		}
		if tail = append(tail, line[:min(len(line), maxLineBytes)]); len(tail) == lines {
			break
		}
	}
	slices.Reverse(tail)
	return strings.Join(tail, "\n")
}

// close ends the process and gives back what the member holds.
func (m *Member) close() error {
	err := errors.Join(m.Kill(), m.client.Close(), m.releasePorts())
	if m.pipe != nil {
		err = errors.Join(err, m.pipe.close())
	}
	return err
}

func (m *Member) releasePorts() error {
	var errs []error
	for _, p := range m.ports {
		errs = append(errs, p.release())
	}
	return errors.Join(errs...)
}
