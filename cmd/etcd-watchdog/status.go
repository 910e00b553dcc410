package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/host"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/report"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

// judged says with which status a judging command ends.
const judged = `Exit status: 0 fine, 1 warning, 2 critical, 3 unknown, as Nagios and Icinga
expect them; 64 usage, 78 configuration.`

func newStatus() *cobra.Command {
	r := reading{output: output{further: []string{formSimple, formWide}}}
	var watch watchFlag
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the cluster as the daemon sees it, and the daemon",
		Long: `status asks every member, reads the claim in etcd and what the daemon of this host
has kept, and writes nothing. The daemon need not run; whether it does is said.

` + judged,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return watch.run(cmd, func(ctx context.Context) error {
				facts, err := r.look(ctx, cmd)
				if err != nil {
					return err
				}
				s := report.NewStatus(facts)
				return r.answer(cmd, statusForms{s, r.format}, s.Common)
			})
		},
	}
	r.add(cmd)
	watch.add(cmd)
	return cmd
}

func newPlan() *cobra.Command {
	var r reading
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what the daemon would do now and why, or why not",
		Long: `plan observes and decides with the daemon's own code, what it has learnt and the
claim as it is, and does nothing. For each member it shows what would be done first,
why or why not yet, and when at the earliest: at the end of a cooldown or a pause, or
when a window opens.

The rows of other members are what the watchdogs beside them decide with this host's
configuration; what they alone know (their disks, their pauses) is not in it.

` + judged,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts, err := r.look(cmd.Context(), cmd)
			if err != nil {
				return err
			}
			p := report.NewPlan(facts)
			return r.answer(cmd, p, p.Common)
		},
	}
	r.add(cmd)
	return cmd
}

// reading is what status and plan are given on the command line.
type reading struct {
	target
	stateDir
	output
}

// add declares the flags on a command.
func (r *reading) add(cmd *cobra.Command) {
	r.target.add(cmd)
	r.unresolved = exitUnknown
	r.stateDir.add(cmd)
	r.output.add(cmd)
}

// look finds out everything that is to be reported.
func (r *reading) look(ctx context.Context, cmd *cobra.Command) (report.Facts, error) {
	c, err := r.load(cmd)
	if err != nil {
		return report.Facts{}, err
	}
	return r.lookFrom(ctx, c)
}

// lookFrom looks from the member behind the configured endpoint.
func (r *reading) lookFrom(ctx context.Context, c config.Config) (report.Facts, error) {
	silent := event.NewLogger(event.NewTextCore(io.Discard), event.Err) // what is wrong is in the report
	defer closeLogger(silent)
	dir := r.directory()
	facts := report.Facts{Limits: c.Limits, StateDir: dir}
	var err error
	if facts.State, err = state.Read(dir); err != nil {
		facts.Problem = err.Error()
	}
	if facts.Running, err = state.Running(dir); err != nil {
		facts.Problem = err.Error()
	}
	p, err := build(c, silent, claim.NewEphemeralSession(), surroundings{
		learnt: state.ToMemory(facts.State.Members),
		pause:  func() (cluster.Pause, error) { return state.ReadPause(dir) },
		beside: host.Here().Near, // as the daemon is, which holds the lock
	}, true)
	if err != nil {
		return report.Facts{}, err
	}
	defer p.cluster.Close()
	seen := p.dog.Look(ctx)
	facts.View, facts.Memory, facts.Decision = seen.View, seen.Memory, seen.Decision
	if seen.View.Leader() == 0 {
		return facts, nil // the tickets can't be read, and the report says why
	}
	bounded, cancel := context.WithTimeout(ctx, c.Etcd.RequestTimeout)
	defer cancel()
	if facts.Watchers, err = p.book.Watchers(bounded); err != nil {
		facts.View.Claims, facts.Unread = cluster.Claims{}, err.Error()
	}
	return facts, nil
}

// tabled is a report that people can read.
type tabled interface {
	WriteTable(io.Writer, report.Style) error
}

// answer writes the report, and ends with the status that it stands for.
func (r *reading) answer(cmd *cobra.Command, of tabled, c report.Common) error {
	out := cmd.OutOrStdout()
	var err error
	if r.machine() {
		err = r.write(out, of)
	} else {
		err = of.WriteTable(out, report.Style{Color: terminalOf(out).color, Escape: event.Escape})
	}
	if err != nil {
		return &exitError{exitUnknown, fmt.Errorf("write the answer: %w", err)}
	}
	switch c.Status {
	case report.Fine:
		return nil
	case report.Warning:
		return &exitError{exitWarning, nil}
	case report.Critical:
		return &exitError{exitCritical, nil}
	default:
		return unreachable(c.Problem)
	}
}
