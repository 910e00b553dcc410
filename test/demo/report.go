package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// row is one member in the table.
type row struct {
	name        string
	size, inUse int64
}

// table asks every member for its sizes.
func (d *demo) table(ctx context.Context) []row {
	var rows []row
	for _, m := range d.cluster.Members() {
		status, err := m.Client().Status(ctx, m.ClientURL)
		if err != nil {
			say("status of %s: %v", m.Name, err)
			continue
		}
		rows = append(rows, row{m.Name, status.DbSize, status.DbSizeInUse})
	}
	return rows
}

func printTable(before, after []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "member\tfile before\tin use\tfile after\tin use\tof the quota\t")
	for i, b := range before {
		a := after[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.0f %% -> %.0f %%\t\n", b.name, cluster.FormatBytes(b.size), cluster.FormatBytes(b.inUse),
			cluster.FormatBytes(a.size), cluster.FormatBytes(a.inUse), percent(b.size), percent(a.size))
	}
	w.Flush()
	fmt.Println()
}

func percent(bytes int64) float64 { return 100 * float64(bytes) / quota }

// story prints what the journal of the three hosts would show.
func (d *demo) story() error {
	var all []watchdogs.Entry
	for _, dog := range d.dogs {
		entries, err := dog.Entries()
		if err != nil {
			return err
		}
		all = append(all, entries...)
	}
	slices.SortStableFunc(all, func(a, b watchdogs.Entry) int { return a.Time.Compare(b.Time) })
	say("what the journal would show:")
	fmt.Println()
	for _, e := range all {
		if e.Level != "debug" && e.Event != "" {
			fmt.Printf("%s %s: %s\n", e.Time.Local().Format("15:04:05.000"), e.Watchdog, e.Message)
		}
	}
	return nil
}

// judge holds the outcome against what was promised.
func (d *demo) judge(ctx context.Context) error {
	// The writers have to see the end of the refusal themselves.
	err := realetcd.Await(ctx, "the writers to be served again", func() (bool, string) {
		refusals := d.writers.Tally().Refusals
		return len(refusals) > 0 && !refusals[len(refusals)-1].End.IsZero(), fmt.Sprint(refusals)
	})
	tally := d.writers.Stop()
	lost := d.writers.Verify(ctx)
	runs, logErr := d.cluster.Defragmentations()
	overlaps := realetcd.Overlaps(runs)
	say("writes: %d acknowledged, %d refused while the cluster was full, %d without an answer", tally.Acknowledged, tally.Refused, tally.Unknown)
	for _, period := range tally.Refusals {
		say("writes were refused for %s", period.Length().Round(time.Millisecond))
	}
	for _, run := range runs {
		say("the member's own log: %s", run)
	}
	if len(overlaps) > 0 {
		err = errors.Join(err, fmt.Errorf("members were defragmented at once: %v", overlaps))
	}
	if len(runs) < members {
		err = errors.Join(err, fmt.Errorf("%d defragmentations, want one of each of the %d members", len(runs), members))
	}
	if err = errors.Join(err, lost, logErr); err != nil {
		return err
	}
	say("healed: writes are accepted, no alarm is listed, every acknowledged write is there, and never were two members defragmented at once")
	return nil
}
