package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// watchFlag repeats an answer.
type watchFlag struct{ every time.Duration }

const (
	defaultWatch  = 2 * time.Second
	shortestWatch = 100 * time.Millisecond
)

// add declares the flag on a command.
func (w *watchFlag) add(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&w.every, "watch", 0, "look again after this `long`, until interrupted; 2s where none is given")
	cmd.Flags().Lookup("watch").NoOptDefVal = defaultWatch.String()
}

// run answers once, or again and again. A terminal shows the latest answer;
// elsewhere answers follow one another. It ends with the last answer's status.
func (w *watchFlag) run(cmd *cobra.Command, answer func(context.Context) error) error {
	if !cmd.Flags().Changed("watch") {
		return answer(cmd.Context())
	}
	if w.every < shortestWatch {
		return usageError(fmt.Errorf("--watch: %s is below %s", w.every, shortestWatch))
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	out := cmd.OutOrStdout()
	clear := terminalOf(out).is
	var last error
	for {
		if clear {
			fmt.Fprint(out, "\x1b[H\x1b[2J")
		}
		err := answer(ctx)
		if ctx.Err() != nil {
			return last // the answer was cut short
		}
		if last = err; !judgement(err) {
			return err
		}
		if exit := (*exitError)(nil); errors.As(err, &exit) && exit.err != nil {
			fmt.Fprintln(out, exit.err) // the cluster could not be asked
		}
		wait, cancel := context.WithTimeout(ctx, w.every)
		<-wait.Done()
		cancel()
	}
}

// judgement reports that an error only says what was found, which may change.
func judgement(err error) bool {
	exit := (*exitError)(nil)
	return err == nil || errors.As(err, &exit) && exit.status <= exitUnknown
}
