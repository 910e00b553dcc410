package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func main() { os.Exit(command(os.Args[1:])) }

// command runs the suite and returns the status to exit with: 0 if no rule was
// violated, 1 if one was or the suite itself failed, 64 for a usage error.
func command(args []string) int {
	var s suite
	var only, lines string
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.IntVar(&s.runs, "runs", 0, "how many runs; 0: as many as fit into -for, or one for each fault")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the first run; the others follow it")
	flags.StringVar(&only, "faults", "", "names of faults, with commas; the seeds of others are passed over")
	flags.StringVar(&lines, "lines", "", "server lines, with commas; the seeds of others are passed over")
	flags.IntVar(&s.parallel, "parallel", 3, "how many clusters at once")
	flags.DurationVar(&s.length, "for", 0, "begin no run after so long; 0: no bound")
	flags.StringVar(&s.table, "table", "", "a file into which the table of results is written, between its markers")
	flags.StringVar(&s.ledger, "ledger", "", "a file to which each run is added; seeds that stand in it are passed over, and count for the table")
	flags.StringVar(&s.artefacts, "artefacts", "", "where the logs of runs with violations are kept; default: a temporary directory")
	if err := flags.Parse(args); err != nil {
		return 64
	}
	s.only, s.lines = list(only), list(lines)
	if err := s.usage(flags.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 64
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	begun := time.Now()
	outcomes, err := s.outcomes(ctx)
	report(os.Stdout, outcomes, time.Since(begun), s.parallel)
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		return 1
	}
	if s.table != "" {
		if err := writeTable(s.table, outcomes); err != nil {
			fmt.Fprintln(os.Stderr, "faults:", err)
			return 1
		}
	}
	return verdict(outcomes)
}

// list splits at commas.
func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// usage refuses what cannot be meant.
func (s *suite) usage(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if s.parallel < 1 || s.runs < 0 {
		return fmt.Errorf("-parallel is at least 1 and -runs at least 0")
	}
	for _, name := range s.only {
		if !known(name) {
			return fmt.Errorf("no fault is called %q; there are: %s", name, strings.Join(faultNames(), " "))
		}
	}
	for _, name := range s.lines {
		if _, err := realetcd.FindLine(name); err != nil {
			return err
		}
	}
	return nil
}

func known(name string) bool {
	for _, f := range faults {
		if f.name == name {
			return true
		}
	}
	return false
}

func faultNames() []string {
	var names []string
	for _, f := range faults {
		names = append(names, f.name)
	}
	return names
}
