package main

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/bench"
)

// The promises, in figures.
const (
	highestShare = 0.95     // of the quota, of any file, ever
	gapFactor    = 2        // times the longest gap with enough room
	historyUpTo  = 16 << 10 // bytes of a value: larger ones may cost history
)

// delivered is the part of the rate that makes a run one at that rate.
const delivered = 0.9

// result is one load on one cluster.
type result struct {
	mode     mode
	load     load
	tally    tally
	observed observed

	compactions       int // that the watchdogs asked for; one at a revision compacted already counts too
	defragmentations  int // by the watchdogs
	serverCompactions int // that were carried out, whoever asked, on the member with the most of them
}

// countWork reads from the logs what was done to the cluster, and by whom.
func (r *result) countWork(w *bench.Watched) error {
	for _, event := range []string{"routine_compaction", "compaction_completed"} {
		n, err := w.Reported(event)
		if err != nil {
			return err
		}
		r.compactions += n
	}
	var err error
	if r.defragmentations, err = w.Reported("defragmentation_completed"); err != nil {
		return err
	}
	for _, m := range w.Cluster.Members() {
		all, err := m.Compactions()
		if err != nil {
			return err
		}
		r.serverCompactions = max(r.serverCompactions, len(all))
	}
	return nil
}

// share is the highest file as a share of the quota.
func (r result) share() float64 { return float64(r.observed.highestFile) / float64(r.mode.quotaBytes) }

// bytesPerSecond is what was acknowledged.
func (r result) bytesPerSecond() float64 {
	return float64(r.tally.acknowledged) * float64(r.load.valueBytes) / r.load.length.Seconds()
}

func (r result) String() string { return r.mode.name + ", values of " + valueSize(r.load.valueBytes) }

func valueSize(bytes int) string { return cluster.FormatBytes(int64(bytes)) }

func printHead(p plan) {
	l := p.loads[0]
	fmt.Printf("etcd %s, %d members, quota %s (%s: %s), %s live, overwrites at %.0f MB/s for %s, default configuration\n\n",
		p.line.Version, members, cluster.FormatBytes(smallQuota), room, cluster.FormatBytes(largeQuota),
		cluster.FormatBytes(liveBytes), l.bytesPerSecond/1e6, l.length)
	fmt.Println("                                                                                       by the watchdogs               by etcd      last 1000 revisions")
	fmt.Println("value   mode             acknowledged  refused  errors  longest gap  highest file   MB/s   compactions  defragmentations  compactions  readable")
}

func (r result) print() {
	h := r.observed.history
	fmt.Printf("%-6s  %-15s  %12d  %7d  %6d  %11s  %10.1f %%  %5.1f  %12d  %16d  %11d  %d of %d looks\n",
		valueSize(r.load.valueBytes), r.mode.name, r.tally.acknowledged, r.tally.refused, r.tally.failures(),
		r.tally.longestGap.Round(time.Millisecond), 100*r.share(), r.bytesPerSecond()/1e6,
		r.compactions, r.defragmentations, r.serverCompactions, h.readable, h.readable+h.compacted)
}

// printRemarks says what the table has no column for.
func printRemarks(results []result) {
	for _, r := range results {
		for _, message := range slices.Sorted(maps.Keys(r.tally.failed)) {
			fmt.Printf("%s: %d writes ended in %q\n", r, r.tally.failed[message], message)
		}
		if n := r.observed.history.unanswered; n > 0 {
			fmt.Printf("%s: %d looks at the history had no answer\n", r, n)
		}
		if r.mode.name == room && r.bytesPerSecond() < delivered*r.load.bytesPerSecond {
			fmt.Printf("%s: this machine takes no more than %.1f of the %.0f MB/s\n", r, r.bytesPerSecond()/1e6, r.load.bytesPerSecond/1e6)
		}
	}
	if !slices.ContainsFunc(results, func(r result) bool { return r.mode.name == room }) {
		fmt.Printf("the longest gaps are not judged: that takes mode %s\n", room)
	}
	fmt.Println()
}

// judge returns what the results of one load break of the promises. What was
// not measured is broken too; only the comparison with a mode that was not
// asked for is left out.
func judge(results []result) []error {
	var broken []error
	for _, r := range results {
		breach := func(format string, args ...any) {
			broken = append(broken, fmt.Errorf("%s: %w", r, fmt.Errorf(format, args...)))
		}
		switch r.mode.name {
		case watched:
			r.judgeWrites(breach)
			r.judgeHistory(breach)
			r.judgeGap(results, breach)
		case autoCompaction:
			r.judgeWrites(breach)
			if r.serverCompactions == 0 {
				breach("the servers have not compacted by themselves")
			}
			if r.compactions > 0 {
				breach("the watchdogs compacted %d times, though the servers do", r.compactions)
			}
		}
	}
	return broken
}

func (r result) judgeWrites(breach func(string, ...any)) {
	if r.tally.acknowledged == 0 {
		breach("no write was acknowledged")
	}
	if r.tally.refused > 0 {
		breach("%d writes were refused with NOSPACE", r.tally.refused)
	}
	if r.observed.samples == 0 {
		breach("a member never told the size of its file")
	}
	if r.share() > highestShare {
		breach("a file was at %.1f %% of its quota", 100*r.share())
	}
}

func (r result) judgeHistory(breach func(string, ...any)) {
	h := r.observed.history
	switch {
	case r.load.valueBytes > historyUpTo:
	case h.compacted > 0:
		breach("the last %d revisions could not be read in %d of %d looks", keptRevisions, h.compacted, h.compacted+h.readable)
	case h.readable == 0:
		breach("nobody could look whether the last %d revisions are readable", keptRevisions)
	}
}

func (r result) judgeGap(results []result, breach func(string, ...any)) {
	i := slices.IndexFunc(results, func(r result) bool { return r.mode.name == room })
	if i < 0 {
		return
	}
	if bound := gapFactor * results[i].tally.longestGap; r.tally.longestGap > bound {
		breach("the longest gap is %s, the bound %s", r.tally.longestGap.Round(time.Millisecond), bound.Round(time.Millisecond))
	}
}
