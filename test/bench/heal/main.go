// Command heal measures how long a real cluster refuses writes when watchdogs
// with the default configuration heal it, beside what the members' own
// defragmentations took in the same run. It prints a table and judges it by the
// bound of docs/benchmarks.md: 1.3 times the sum of the members' own
// defragmentation times, plus half a second a member, plus one poll.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/test/bench"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	members = 3
	quota   = 512 << 20
	live    = 210 << 20
	within  = 5 * time.Minute
)

func main() {
	runs := flag.Int("runs", 5, "how many clusters to fill and heal")
	line := flag.String("line", "3.6", "server line")
	flag.Parse()
	os.Exit(bench.Main("heal", func(ctx context.Context, dir string) error {
		return heal(ctx, dir, *runs, *line)
	}))
}

// result is one run.
type result struct {
	refused   time.Duration // from the first refused write to the first accepted one
	defrag    time.Duration // the sum of what the members logged
	first     int64         // the file of the member healed first, after it
	last      int64
	unwritten int // writes refused or without an answer
}

// bound is what the time without writes is held against.
func (r result) bound() time.Duration {
	return r.defrag*13/10 + members*time.Second/2 + policy.DefaultLimits().PollInterval
}

func heal(ctx context.Context, dir string, runs int, name string) error {
	if runs < 1 {
		return errors.New("-runs has to be at least 1")
	}
	line, err := realetcd.FindLine(name)
	if err != nil {
		return err
	}
	binary, err := watchdogs.Build(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Printf("etcd %s, %d members, quota %s, %s live, default configuration\n\n", line.Version, members, cluster.FormatBytes(quota), cluster.FormatBytes(live))
	fmt.Println("run  writes refused  unwritten  defragmentations  bound    first file  last file")
	var all []result
	for i := range runs {
		r, err := once(ctx, dir, binary, line)
		if err != nil {
			return fmt.Errorf("run %d: %w", i+1, err)
		}
		fmt.Printf("%3d  %14s  %9d  %16s  %-7s  %10s  %9s\n", i+1, bench.Seconds(r.refused), r.unwritten, bench.Seconds(r.defrag), bench.Seconds(r.bound()),
			cluster.FormatBytes(r.first), cluster.FormatBytes(r.last))
		all = append(all, r)
	}
	return judge(all)
}

// judge compares the median run with its bound, and the first file with the last.
func judge(all []result) error {
	slices.SortFunc(all, func(a, b result) int { return int(a.refused - b.refused) })
	median := all[len(all)/2]
	fmt.Printf("\nmedian: writes refused for %s, bound %s\n", bench.Seconds(median.refused), bench.Seconds(median.bound()))
	var err error
	if median.refused > median.bound() {
		err = errors.Join(err, errors.New("the median is above its bound"))
	}
	for _, r := range all {
		if float64(r.first) > 1.05*float64(r.last) {
			err = errors.Join(err, fmt.Errorf("the member healed first ended at %s, the last at %s", cluster.FormatBytes(r.first), cluster.FormatBytes(r.last)))
		}
	}
	return err
}

// once fills one cluster under watch and waits until it is healed.
func once(ctx context.Context, dir, binary string, line realetcd.Line) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	w, err := bench.Launch(ctx, dir, realetcd.Config{Line: line, Members: members, QuotaBytes: quota})
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.Watch(ctx, binary); err != nil {
		return result{}, err
	}
	return measure(ctx, w)
}

func measure(ctx context.Context, w *bench.Watched) (result, error) {
	c := w.Cluster
	writers, err := c.StartWriters(ctx, realetcd.WritersConfig{Prefix: "w/", Writers: members, Keys: 20, ValueBytes: 1 << 10, Pause: 5 * time.Millisecond})
	if err != nil {
		return result{}, err
	}
	// Under their eyes the cluster would not get full.
	err = w.WhileHeld(func() error {
		_, err := c.Fill(ctx, realetcd.Load{Prefix: "fill/", LiveBytes: live, ValueBytes: 16 << 10, Seed: 1})
		return err
	})
	if err != nil {
		return result{}, err
	}
	err = realetcd.Await(ctx, "the writers to be served again", func() (bool, string) {
		refusals := writers.Tally().Refusals
		return len(refusals) > 0 && !refusals[len(refusals)-1].End.IsZero(), fmt.Sprint(refusals)
	})
	tally := writers.Stop()
	if err = errors.Join(err, writers.Verify(ctx)); err != nil {
		return result{}, err
	}
	runs, err := c.Defragmentations()
	if err != nil || len(runs) < members {
		return result{}, errors.Join(err, fmt.Errorf("%d defragmentations, want one of each of the %d members", len(runs), members))
	}
	r := result{unwritten: tally.Refused + tally.Unknown, first: runs[0].AfterBytes, last: runs[len(runs)-1].AfterBytes}
	for _, p := range tally.Refusals {
		r.refused += p.Length()
	}
	for _, d := range runs {
		r.defrag += d.Took
	}
	return r, nil
}
