package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/history"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

func newHistory() *cobra.Command {
	var place stateDir
	var format output
	var since time.Duration
	cmd := &cobra.Command{
		Use:   "history",
		Short: "Show the last pieces of work of this host, and which conditions stood",
		Long: `history shows what the daemon of this host has done: each step with its member,
reason, sizes, duration and outcome, and the conditions that stood, with begin and
end. It reads the state directory alone, so neither etcd nor the daemon has to run.

The daemon keeps the newest 200 steps and the newest 200 conditions, for 90 days at
most, over restarts and reboots. A condition that ended while no daemon ran is shown
as ended before the daemon's next poll. Compactions that keep the database small are
summed up once an hour.

Exit status: 0 shown, 1 the state cannot be read.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since < 0 {
				return usageError(fmt.Errorf("--since: %s is below 0", since))
			}
			record, err := state.Read(place.directory())
			if err != nil {
				return withHint(err, "The daemon moves such a file aside when it starts, and begins a new one.")
			}
			now, from := watchdog.Now(), time.Time{}
			if since > 0 {
				from = now.Add(-since)
			}
			report := history.NewReport(record.History, now, from, event.Escape(place.directory()))
			if format.machine() {
				return format.write(cmd.OutOrStdout(), report)
			}
			if err := report.WriteTable(cmd.OutOrStdout()); err != nil {
				return fmt.Errorf("write the answer: %w", err)
			}
			return nil
		},
	}
	place.add(cmd)
	format.add(cmd)
	cmd.Flags().DurationVar(&since, "since", 0, "only what ended or stood within this `long`, as 24h; 0 is all that is kept")
	return cmd
}
