// Command etcd-watchdog keeps an etcd cluster away from its quota: it compacts,
// defragments and disarms, one member at a time.
//
// This package is flags, signals, exit codes and wiring, and nothing else.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker; see the Makefile.
var (
	version = "devel"
	commit  = ""
)

// Exit statuses. A usage or configuration error has one of its own, which
// systemd does not restart; Go's own 2 (a panic, SIGABRT) must be restarted.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 64 // sysexits.h: EX_USAGE
	exitConfig = 78 // sysexits.h: EX_CONFIG
)

// Exit statuses of the commands that judge (status, plan, doctor), as Nagios,
// Icinga and scripts expect them.
const (
	exitFine     = 0
	exitWarning  = 1
	exitCritical = 2
	exitUnknown  = 3 // also: the cluster could not be asked
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

// exitError is an exit status with the error that it comes from. Without one,
// all that there is to say has been printed already.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit status %d", e.status)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usageError(err error) error  { return &exitError{exitUsage, err} }
func configError(err error) error { return &exitError{exitConfig, err} }

// hinted is an error with what to do about it, which is printed in a line of
// its own.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

func withHint(err error, hint string) error { return &hinted{err, hint} }

// run is the whole program but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	// net/http writes to the standard log what a member's port answers that is
	// no HTTP; we report that ourselves, and nothing may stand between our entries.
	log.SetOutput(io.Discard)
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return explain(err, stderr)
	}
	return exitOK
}

// explain prints the error that a command ended with, and returns its exit status.
func explain(err error, stderr io.Writer) int {
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{exitFailed, err}
	}
	if exit.err != nil {
		fmt.Fprintf(stderr, "etcd-watchdog: %v\n", exit.err)
	}
	if hint := (*hinted)(nil); errors.As(err, &hint) {
		fmt.Fprintln(stderr, hint.hint)
	}
	if exit.status == exitUsage {
		fmt.Fprintln(stderr, "Run `etcd-watchdog --help` for the commands and their flags.")
	}
	return exit.status
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "etcd-watchdog",
		Short: "Keeps an etcd cluster away from its quota",
		Long: `etcd-watchdog runs next to every member of an etcd cluster. When the database
nears its quota, or etcd refuses writes with NOSPACE, the watchdogs compact,
defragment and disarm, one member at a time, and say in the journal what they
did and why.`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              noArguments,
		RunE:              func(*cobra.Command, []string) error { return usageError(errors.New("which command?")) },
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError(err) })
	root.AddCommand(newRun(), newStatus(), newPlan(), newDoctor(), newHeal(), newKeys(), newHistory(), newPause(), newResume(), newCheckConfig(), newVersion())
	return root
}

// noArguments refuses what is neither a command nor a flag.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		if !cmd.HasParent() {
			return usageError(fmt.Errorf("there is no command %q", args[0]))
		}
		if flag := cmd.Flags().Lookup("user"); flag != nil && (flag.Changed || cmd.Flags().Changed("password")) {
			return usageError(fmt.Errorf("%s: unexpected argument, which is not repeated here, as it may be a password", cmd.Name()))
		}
		return usageError(fmt.Errorf("%s: unexpected %q", cmd.Name(), args[0]))
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program, of Go and of the etcd client",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fmt.Fprintf(cmd.OutOrStdout(), "etcd-watchdog %s\ncommit %s\n%s\netcd client %s\n",
				version, orUnknown(commit), runtime.Version(), orUnknown(clientVersion()))
			return nil
		},
	}
}

// clientVersion is the version of the etcd client that is linked in.
func clientVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, dep := range info.Deps {
		if dep.Path == "go.etcd.io/etcd/client/v3" {
			return dep.Version
		}
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
