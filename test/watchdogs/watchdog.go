package watchdogs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// Entry is one line that a watchdog has written.
type Entry struct {
	Time     time.Time `json:"ts"`
	Level    string    `json:"level"`
	Event    string    `json:"event"`
	Message  string    `json:"message"`
	Reason   string    `json:"reason"`
	Detail   string    `json:"detail"`
	Error    string    `json:"error"`
	Job      string    `json:"job"`
	MemberID string    `json:"member_id"`
	Line     string    `json:"-"` // all of it
	Watchdog string    `json:"-"` // whose it is
}

// Watchdog is one process of the program, running or not.
type Watchdog struct {
	Name    string
	Dir     string // its runtime and state directory, configuration and log
	LogPath string
	Host    realetcd.Host // where the next run is; nil: here
	binary  string
	args    []string
	cmd     *exec.Cmd
	ended   chan struct{}
	status  int
	pid     atomic.Int64
}

// Build compiles the program into dir, with further flags of go build, and
// returns the path of the binary.
func Build(ctx context.Context, dir string, flags ...string) (string, error) {
	binary := filepath.Join(dir, "etcd-watchdog")
	args := append([]string{"build", "-buildvcs=false", "-o", binary}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, "github.com/etcd-watchdog/etcd-watchdog/cmd/etcd-watchdog")...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the program: %w\n%s", err, out)
	}
	return binary, nil
}

// Config is the configuration file of a watchdog beside that member: what the
// cluster demands, and on top of it the lines of extra, which are whole
// top-level sections without etcd and log.
func Config(cluster *realetcd.Cluster, endpoint string, etcd map[string]string, extra string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "etcd:\n  endpoint: %s\n", endpoint)
	if tls := cluster.TLS(); tls != nil {
		fmt.Fprintf(&b, "  cacert: %s\n  cert: %s\n  key: %s\n", tls.CACert, tls.Cert, tls.Key)
	}
	for key, value := range etcd {
		fmt.Fprintf(&b, "  %s: %s\n", key, value)
	}
	b.WriteString("log:\n  format: json\n  level: debug\n")
	b.WriteString(extra)
	return b.String()
}

// New returns a watchdog that is not running yet: `run` with that
// configuration and further flags, in a directory of its own.
func New(binary, dir, name, config string, flags ...string) (*Watchdog, error) {
	w := &Watchdog{Name: name, Dir: filepath.Join(dir, name), binary: binary}
	if err := os.MkdirAll(w.Dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(w.Dir, "etcd-watchdog.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	w.LogPath = filepath.Join(w.Dir, "log")
	w.args = append([]string{"run", "--config", file}, flags...)
	return w, nil
}

// Start runs the watchdog; again, if it has ended. Its log is continued.
func (w *Watchdog) Start() error {
	log, err := os.OpenFile(w.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.Command(w.binary, w.args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+w.Dir, "STATE_DIRECTORY="+w.Dir)
	cmd.SysProcAttr = dieWithParent()
	w.cmd, w.ended = cmd, make(chan struct{})
	start := cmd.Start
	if w.Host != nil {
		start = func() error { return w.Host.Start(cmd) }
	}
	begun := make(chan error)
	go w.own(cmd, start, log, begun)
	return <-begun
}

// own starts the process and stays with it until it has ended, on one thread:
// a thread that ended earlier would take the process along (dieWithParent).
func (w *Watchdog) own(cmd *exec.Cmd, start func() error, log *os.File, begun chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer log.Close()
	ended := w.ended
	defer close(ended)
	if err := start(); err != nil {
		w.cmd = nil
		begun <- err
		return
	}
	w.pid.Store(int64(cmd.Process.Pid))
	begun <- nil
	_ = cmd.Wait() // the status says it
	w.status = cmd.ProcessState.ExitCode()
}

// PID is the process id of the latest run; 0 if there was none. It may be asked
// for by any goroutine.
func (w *Watchdog) PID() int { return int(w.pid.Load()) }

// Ended is closed when the latest run has ended.
func (w *Watchdog) Ended() <-chan struct{} { return w.ended }

// ExitStatus is the status of the latest run, after it has ended; -1 if a
// signal ended it.
func (w *Watchdog) ExitStatus() int { return w.status }

// Signal sends a signal to the process.
func (w *Watchdog) Signal(s syscall.Signal) error {
	if w.cmd == nil {
		return errors.New("not started")
	}
	return w.cmd.Process.Signal(s)
}

// Suspend freezes the process (SIGSTOP) until Resume.
func (w *Watchdog) Suspend() error { return w.Signal(syscall.SIGSTOP) }

// Resume lets a suspended process go on.
func (w *Watchdog) Resume() error { return w.Signal(syscall.SIGCONT) }

// Stop asks the process to end and waits until it has.
func (w *Watchdog) Stop() error { return w.end(syscall.SIGTERM) }

// Kill ends the process as a power cut would and waits until it is gone.
func (w *Watchdog) Kill() error { return w.end(syscall.SIGKILL) }

func (w *Watchdog) end(s syscall.Signal) error {
	if w.cmd == nil {
		return nil
	}
	if err := w.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-w.ended
	return nil
}

// Entries returns what the watchdog has written so far. Lines that are not an
// entry, such as a stack trace, come with Line alone.
func (w *Watchdog) Entries() ([]Entry, error) {
	data, err := os.ReadFile(w.LogPath)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var entries []Entry
	for line := range strings.Lines(string(data)) {
		var e Entry
		_ = json.Unmarshal([]byte(line), &e) // not an entry: Line alone
		e.Line, e.Watchdog = strings.TrimRight(line, "\n"), w.Name
		entries = append(entries, e)
	}
	return entries, nil
}

// Count returns how many entries of an event these watchdogs have written.
func Count(dogs []*Watchdog, event string) (int, error) {
	n := 0
	for _, dog := range dogs {
		entries, err := dog.Entries()
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			if e.Event == event {
				n++
			}
		}
	}
	return n, nil
}

// WhileHeld lets something happen while the watchdogs that run stand still
// (SIGSTOP), as on hosts that have stalled, and lets them go on after it. They
// look ahead: a cluster that fills up under their eyes does not get full.
func WhileHeld(dogs []*Watchdog, do func() error) error {
	var held []*Watchdog
	var errs []error
	for _, dog := range dogs {
		if dog.runs() {
			errs = append(errs, dog.Suspend())
			held = append(held, dog)
		}
	}
	errs = append(errs, do())
	for _, dog := range held {
		errs = append(errs, dog.Resume())
	}
	return errors.Join(errs...)
}

func (w *Watchdog) runs() bool {
	if w.cmd == nil {
		return false
	}
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}
