package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// watched runs a command whose answers end like that, one after the other, until
// it is interrupted with the last of them.
func watched(t *testing.T, args []string, ends ...error) (answers int, out string, err error) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	var flag watchFlag
	var b bytes.Buffer
	cmd := &cobra.Command{Use: "status", SilenceErrors: true, SilenceUsage: true, RunE: func(cmd *cobra.Command, _ []string) error {
		return flag.run(cmd, func(context.Context) error {
			answers++
			fmt.Fprintln(cmd.OutOrStdout(), "answer", answers)
			if answers > len(ends) {
				interrupt() // while it looks for one more
				return errors.New("cut short")
			}
			return ends[answers-1]
		})
	}}
	flag.add(cmd)
	cmd.SetArgs(args)
	cmd.SetOut(&b)
	err = cmd.ExecuteContext(ctx)
	return answers, b.String(), err
}

func TestWatchEndsAsTheLastAnswer(t *testing.T) {
	critical, unknown := &exitError{exitCritical, nil}, unreachable("connection refused at x: is etcd running there?")
	answers, out, err := watched(t, []string{"--watch=100ms"}, nil, unknown, critical)
	exit := (*exitError)(nil)
	if answers != 4 || !errors.As(err, &exit) || exit.status != exitCritical {
		t.Errorf("%d answers, %v; want 4, and the status of the third", answers, err)
	}
	if !strings.Contains(out, "answer 2\nconnection refused at x\n") || strings.Contains(out, "\x1b") {
		t.Errorf("a place that is no terminal got\n%q", out)
	}
}

func TestWatchEndsWithAnErrorThatStays(t *testing.T) {
	if answers, _, err := watched(t, []string{"--watch=100ms"}, usageError(errors.New("wrong"))); answers != 1 || err == nil {
		t.Errorf("%d answers, %v; want 1 and the error", answers, err)
	}
}

func TestWithoutWatchThereIsOneAnswer(t *testing.T) {
	if answers, _, err := watched(t, []string{}, nil, nil); answers != 1 || err != nil {
		t.Errorf("%d answers, %v", answers, err)
	}
	if _, _, err := watched(t, []string{"--watch=1ms"}, nil); err == nil || !strings.Contains(err.Error(), "--watch: 1ms is below 100ms") {
		t.Errorf("a time that is too short: %v", err)
	}
	var flag watchFlag
	cmd := &cobra.Command{}
	flag.add(cmd)
	if err := cmd.ParseFlags([]string{"--watch"}); err != nil || flag.every != 2*time.Second {
		t.Errorf("--watch alone is %s, %v, want 2s", flag.every, err)
	}
}
