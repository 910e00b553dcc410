package realetcd

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
)

// Busy is a number of processes that use all the processor time they get.
type Busy struct {
	processes []*process
}

// StartBusy starts so many. They end with Stop, or with their owner on Linux.
func StartBusy(n int) (*Busy, error) {
	shell, err := exec.LookPath("sh")
	if err != nil {
		return nil, fmt.Errorf("busy processes: %w", err)
	}
	b := &Busy{}
	for range n {
		p, err := startProcess(nil, shell, []string{"-c", "while :; do :; done"}, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("busy processes: %w", err), b.Stop())
		}
		b.processes = append(b.processes, p)
	}
	return b, nil
}

// PIDs are the processes' ids.
func (b *Busy) PIDs() []int {
	var pids []int
	for _, p := range b.processes {
		pids = append(pids, p.pid)
	}
	return slices.Clip(pids)
}

// Stop kills them by their ids and waits until they are gone.
func (b *Busy) Stop() error {
	var errs []error
	for _, p := range b.processes {
		errs = append(errs, p.kill())
	}
	return errors.Join(errs...)
}
