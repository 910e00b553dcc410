package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/disk"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

const defaultStateDirectory = "/var/lib/etcd-watchdog"

// stateDir is the flag that names the state directory of a daemon on this host;
// there may be several, each with its own.
type stateDir struct{ path string }

// add declares the flag on a command.
func (s *stateDir) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.path, "state-directory", "", "`directory` in which the daemon keeps its state (default $STATE_DIRECTORY, else "+defaultStateDirectory+")")
}

// directory returns what holds: flag, environment, default.
func (s *stateDir) directory() string {
	if s.path != "" {
		return s.path
	}
	return stateDirectory()
}

// stateDirectory is where the daemon of this host keeps what it learns.
func stateDirectory() string {
	dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":")
	if dir == "" {
		dir = defaultStateDirectory
	}
	return dir
}

// readState lets a process that keeps nothing itself begin with what the daemon
// has learnt. What can't be read is not known, as at the daemon's first start.
func (p *program) readState(dir string) {
	if record, err := state.Read(dir); err == nil {
		p.dog.Learnt = state.ToMemory(record.Members)
	}
}

// keepState lets the watchdog begin with what an earlier process has learnt, and
// keep what it learns itself. Where nothing can be kept, it says so and does
// without.
func (p *program) keepState() (warning string) {
	dir := stateDirectory()
	store, err := state.Open(dir)
	if err != nil {
		return err.Error()
	}
	record, err := store.Load()
	if err != nil {
		p.recorder.Record(event.Event{Kind: event.PollFailed, Error: err.Error()})
	}
	p.dog.Learnt = state.ToMemory(record.Members)
	host, _ := os.Hostname()
	p.dog.Keep = func(k watchdog.Kept) error {
		return store.Save(state.Record{
			ProgramVersion: version,
			Host:           host,
			ClusterID:      state.ID(k.View.ClusterID),
			LocalMember:    state.ID(k.View.Local),
			PolledAt:       k.View.At,
			Decision:       state.Decision{At: k.View.At, Reason: k.Decision.Reason, Detail: k.Decision.Detail, Member: state.ID(k.Decision.Member)},
			Members:        state.FromMemory(k.Memory, k.View),
		})
	}
	return ""
}

// lookAtDisk has the watchdog look at the disk of the member on this host, and
// says what it will not see.
func (p *program) lookAtDisk(dataDir string) (warning string) {
	if dataDir == "" {
		return "free space on etcd's disk is not looked at, since etcd.data-dir is not set"
	}
	p.dog.Disk = func() cluster.Disk {
		space, err := disk.Free(dataDir)
		if err != nil {
			return cluster.Disk{Problem: err.Error()}
		}
		seen := cluster.Disk{Known: true, FreeBytes: space.FreeBytes}
		for _, file := range space.Temporaries {
			seen.StaleFiles = append(seen.StaleFiles, file.Path)
			seen.StaleBytes += file.SizeBytes
		}
		return seen
	}
	space, err := disk.Free(dataDir)
	switch {
	case err != nil:
		return err.Error()
	case space.Unlisted != nil:
		return space.Unlisted.Error()
	default:
		return ""
	}
}
