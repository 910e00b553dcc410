package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/pause"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

const (
	// longestPause is how long a watchdog can be paused at once: whoever wants it
	// longer has to say so again, for a paused watchdog is soon forgotten.
	longestPause = 30 * 24 * time.Hour
	// maxPauseReason bounds what is repeated in every report, in bytes.
	maxPauseReason = 500
)

func newPause() *cobra.Command {
	var place stateDir
	var whole wide
	var length time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:   "pause --for DURATION",
		Short: "Have this host's watchdog, or all of them, work on nothing for a while",
		Long: `pause has the daemon on this host begin no work from its next look on. It goes on
watching and reporting and keeps its tickets; what it has begun it finishes. The
other watchdogs work on. This host's member they touch only under NOSPACE, or when
its file is at thresholds.urgent-at, and nobody has worked on it for
maintenance.adopt-after.

A pause ends by itself, outlives restarts and reboots, and replaces an earlier one.

With --cluster every watchdog of the cluster pauses, by one key in etcd with a lease.
While etcd refuses writes that is not possible. Then the command changes nothing, and
prints what to run on each host.

Exit status: 0 paused, 1 not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("for") {
				return usageError(errors.New("pause: --for is missing: say for how long, as in --for 2h"))
			}
			if length <= 0 || length > longestPause {
				return usageError(fmt.Errorf("--for: %s has to be above 0, and %s at most", length, longestPause))
			}
			if len(reason) > maxPauseReason {
				return usageError(fmt.Errorf("--reason: longer than %d bytes", maxPauseReason))
			}
			if err := whole.check(cmd); err != nil {
				return err
			}
			p := watchdog.PauseFor(length, reason)
			if whole.whole {
				return whole.pauseCluster(cmd, pause.Cluster{Since: p.Since, Until: p.Until, Reason: p.Reason})
			}
			if err := state.SavePause(place.directory(), p); err != nil {
				return cannotPause(err, place.directory())
			}
			fmt.Fprintf(cmd.OutOrStdout(), "paused until %s\n", inWords(p))
			return sayNotRunning(cmd, place.directory())
		},
	}
	place.add(cmd)
	cmd.Flags().DurationVar(&length, "for", 0, "for how `long`, as 30m or 2h")
	cmd.Flags().StringVar(&reason, "reason", "", "`text` that the reports repeat")
	whole.add(cmd)
	return cmd
}

func newResume() *cobra.Command {
	var place stateDir
	var whole wide
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "End the pause of this host's watchdog, or of the cluster",
		Long: `resume ends what pause has begun; the daemon works again from its next look on.
Where there is no pause, nothing is changed. With --cluster it ends what pause
--cluster has begun, also while etcd refuses writes.

Exit status: 0 there is no pause any more, 1 not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := whole.check(cmd); err != nil {
				return err
			}
			if whole.whole {
				return whole.resumeCluster(cmd)
			}
			if err := state.RemovePause(place.directory()); err != nil {
				return cannotPause(err, place.directory())
			}
			fmt.Fprintln(cmd.OutOrStdout(), "not paused")
			return nil
		},
	}
	place.add(cmd)
	whole.add(cmd)
	return cmd
}

// cannotPause says what to do about a pause that could not be written.
func cannotPause(err error, dir string) error {
	hint := "Free space in " + dir + ", or make it writable."
	switch {
	case errors.Is(err, fs.ErrPermission):
		hint = "Run it as root (sudo) or as the user that the daemon runs as."
	case errors.Is(err, fs.ErrNotExist):
		hint = "Name the directory in which the daemon keeps its state with --state-directory; the unit's StateDirectory= says which it is."
	}
	return withHint(err, hint)
}

// sayNotRunning tells that nobody is there to obey the pause yet.
func sayNotRunning(cmd *cobra.Command, dir string) error {
	running, err := state.Running(dir)
	if err == nil && !running {
		fmt.Fprintf(cmd.ErrOrStderr(), "No daemon keeps its state in %s now; one that is started before the pause ends obeys it.\n", dir)
	}
	return nil
}

// inWords writes when a pause ends, and why there is one.
func inWords(p cluster.Pause) string {
	s := p.Until.Local().Format("2006-01-02 15:04:05 MST")
	if p.Reason != "" {
		s += " (" + event.Escape(p.Reason) + ")"
	}
	return s
}

// sayPaused tells whoever heals by hand that this host's daemon will not join in.
func sayPaused(cmd *cobra.Command, dir string) {
	if p, err := state.ReadPause(dir); err == nil && watchdog.InForce(p) {
		fmt.Fprintf(cmd.ErrOrStderr(), "This host's daemon is paused until %s. This pass works all the same; what needs the daemon's tickets waits for `etcd-watchdog resume`.\n", inWords(p))
	}
}
