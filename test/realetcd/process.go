package realetcd

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// reapPatience bounds the wait for a process that was killed. Only one that
// hangs in the kernel needs longer.
const reapPatience = 20 * time.Second

// process is one run of a server.
type process struct {
	pid     int
	started time.Time
	exited  chan struct{} // closed once the process is gone; then the two below hold
	ended   time.Time
	outcome string // how it ended, in words
}

// startProcess runs the binary on that host (nil: this one). Its output goes to
// log (nil: nowhere), which is closed when the process has ended.
func startProcess(host Host, binary string, args []string, log *os.File) (*process, error) {
	cmd := exec.Command(binary, args...)
	if log != nil {
		cmd.Stdout, cmd.Stderr = log, log
	}
	cmd.Env = serverEnvironment()
	cmd.SysProcAttr = dieWithParent()

	p := &process{started: time.Now(), exited: make(chan struct{})}
	start := cmd.Start
	if host != nil {
		start = func() error { return host.Start(cmd) }
	}
	begun := make(chan error)
	go p.own(cmd, start, log, begun)
	if err := <-begun; err != nil {
		return nil, err
	}
	return p, nil
}

// own starts the process and stays with it until it has ended, on one thread:
// a thread that ended earlier would take the process along (dieWithParent).
func (p *process) own(cmd *exec.Cmd, start func() error, log *os.File, begun chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer log.Close() // of none: an error that does not matter
	if err := start(); err != nil {
		begun <- err
		return
	}
	p.pid = cmd.Process.Pid
	begun <- nil
	p.outcome = "exit status 0"
	if err := cmd.Wait(); err != nil {
		p.outcome = err.Error()
	}
	p.ended = time.Now()
	close(p.exited)
}

func (p *process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// signal sends s to the process unless it is gone.
func (p *process) signal(s syscall.Signal) error {
	if !p.running() {
		return fmt.Errorf("process %d has ended: %s", p.pid, p.outcome)
	}
	if err := syscall.Kill(p.pid, s); err != nil {
		return fmt.Errorf("signal %v to process %d: %w", s, p.pid, err)
	}
	return nil
}

// wait waits until the process is gone.
func (p *process) wait(patience time.Duration) error {
	select {
	case <-p.exited:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("process %d still runs %v after it was told to end", p.pid, patience)
	}
}

// kill ends the process, stopped or not. One that is gone already is no error.
func (p *process) kill() error {
	if !p.running() {
		return nil
	}
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
		return fmt.Errorf("kill process %d: %w", p.pid, err)
	}
	return p.wait(reapPatience)
}

// serverEnvironment is ours without what would configure etcd.
func serverEnvironment() []string {
	env := []string{"ETCD_UNSUPPORTED_ARCH=" + runtime.GOARCH}
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "ETCD") {
			env = append(env, kv)
		}
	}
	return env
}
