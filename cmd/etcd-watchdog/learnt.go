package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/disk"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/history"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/host"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
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

// readState returns what the daemon has learnt, for a process that keeps nothing
// itself. What can't be read is not known, as at the daemon's first start.
func readState(dir string) policy.Memory {
	record, err := state.Read(dir)
	if err != nil {
		return policy.Memory{}
	}
	return state.ToMemory(record.Members)
}

// hostOfDaemon returns what the daemon has of its host. A dry run leaves no trace
// there.
func hostOfDaemon(dry bool, recorder event.Recorder) (h surroundings, warning string) {
	dir := stateDirectory()
	h.pause = func() (cluster.Pause, error) { return state.ReadPause(dir) }
	h.beside = host.Here().Beside
	if dry {
		h.learnt = readState(dir)
		return h, ""
	}
	return h, h.keepState(dir, recorder)
}

// keepState lets the watchdog begin with what an earlier process has learnt, and
// keep what it learns itself. Where nothing can be kept, it says so and does
// without.
func (h *surroundings) keepState(dir string, recorder event.Recorder) (warning string) {
	store, err := state.Open(dir)
	if err != nil {
		return err.Error()
	}
	record, err := store.Load()
	if err != nil {
		recorder.Record(event.Event{Kind: event.PollFailed, Error: err.Error()})
	}
	if aside := setPauseAside(dir); aside != "" {
		recorder.Record(event.Event{Kind: event.PollFailed, Error: aside})
	}
	h.learnt = state.ToMemory(record.Members)
	h.learnt.ClusterID = uint64(record.ClusterID)
	h.past = history.NewKeeper(record.History, watchdog.Now)
	name, _ := os.Hostname()
	h.keep = func(k watchdog.Kept) error {
		return store.Save(state.Record{
			ProgramVersion: version,
			Host:           name,
			ClusterID:      state.ID(k.View.ClusterID),
			LocalMember:    state.ID(k.View.Local),
			PolledAt:       k.View.At,
			Decision:       state.Decision{At: k.View.At, Reason: k.Decision.Reason, Detail: k.Decision.Detail, Member: state.ID(k.Decision.Member)},
			Members:        state.FromMemory(k.Memory, k.View),
			History:        h.past.Log(),
		})
	}
	return ""
}

// setPauseAside moves a pause that cannot be understood out of the way, and says so.
func setPauseAside(dir string) string {
	_, unread := state.ReadPause(dir)
	kept, err := state.SetBadPauseAside(dir)
	switch {
	case err != nil:
		return err.Error()
	case kept == "":
		return ""
	default:
		return fmt.Sprintf("%v; the file is kept as %s", unread, kept)
	}
}

// diskIn returns what looks at the disk of the member on this host; nil where
// nobody says which that is.
func diskIn(dataDir string) func() cluster.Disk {
	if dataDir == "" {
		return nil
	}
	return func() cluster.Disk {
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
}

// unseen says what of that disk will not be seen.
func unseen(dataDir string) (warning string) {
	if dataDir == "" {
		return "free space on etcd's disk is not looked at, since etcd.data-dir is not set"
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
