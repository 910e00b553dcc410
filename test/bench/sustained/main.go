// Command sustained measures what a load of overwrites that never ends meets on
// a cluster with a small quota: nobody watching, three watchdogs with the
// default configuration, enough room, and servers whose own compaction keeps
// up. It prints a table and judges it:
//
//   - under watch no write is refused with NOSPACE, and no file is ever above
//     95 % of its quota;
//   - with values of up to 16 KiB the last 1000 revisions can be read at any
//     time;
//   - the longest gap between two acknowledged writes is at most twice that of
//     the same load with enough room, in the same run;
//   - where the servers' own compaction keeps up, the watchdogs do not compact.
//
// Each cluster lives below TMPDIR: with enough room it takes three times all
// that is written, and its figures are those of that disk. Status 1 means that
// a promise was broken, or that nothing could be measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/bench"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	members    = 3
	smallQuota = 256 << 20
	largeQuota = 8 << 30
)

// mode is one way to run the cluster.
type mode struct {
	name       string
	quotaBytes int64
	watched    bool
	arguments  []string // of the servers
}

const (
	unwatched      = "unwatched"
	watched        = "watched"
	room           = "room"
	autoCompaction = "auto-compaction"
)

// modes are all of them, in the order in which they run. The servers' own
// compaction is the periodic one: by revisions they compact every five minutes
// only, whatever is written meanwhile.
var modes = []mode{
	{name: unwatched, quotaBytes: smallQuota},
	{name: watched, quotaBytes: smallQuota, watched: true},
	{name: room, quotaBytes: largeQuota},
	{name: autoCompaction, quotaBytes: smallQuota, watched: true, arguments: []string{"--auto-compaction-mode=periodic", "--auto-compaction-retention=1s"}},
}

// plan is what the command line asks for.
type plan struct {
	line   realetcd.Line
	binary string // of the watchdog
	dir    string
	modes  []mode
	loads  []load // of one size of values each
}

func main() {
	line := flag.String("line", "3.6", "server line")
	rate := flag.Float64("rate", 16, "MB (of a million bytes) to overwrite in a second")
	values := flag.String("value", "16,64", "sizes of the values in KiB, separated by commas")
	length := flag.Duration("for", 3*time.Minute, "how long each load lasts")
	names := flag.String("modes", strings.Join([]string{unwatched, watched, room, autoCompaction}, ","), "how to run the cluster, separated by commas")
	seed := flag.Uint64("seed", 1, "of the values and of the order of the keys")
	flag.Parse()
	os.Exit(bench.Main("sustained", func(ctx context.Context, dir string) error {
		p := plan{dir: dir}
		var err error
		if p.modes, err = parseModes(*names); err != nil {
			return err
		}
		if p.loads, err = parseLoads(*values, load{bytesPerSecond: *rate * 1e6, length: *length, seed: *seed}); err != nil {
			return err
		}
		if p.line, err = realetcd.FindLine(*line); err != nil {
			return err
		}
		if p.binary, err = watchdogs.Build(ctx, dir); err != nil {
			return err
		}
		return p.run(ctx)
	}))
}

func parseModes(names string) ([]mode, error) {
	asked := strings.Split(names, ",")
	for _, name := range asked {
		if !slices.ContainsFunc(modes, func(m mode) bool { return m.name == name }) {
			return nil, fmt.Errorf("-modes: there is no %q", name)
		}
	}
	return slices.DeleteFunc(slices.Clone(modes), func(m mode) bool { return !slices.Contains(asked, m.name) }), nil
}

// parseLoads returns one load like that for each size of values.
func parseLoads(sizes string, like load) ([]load, error) {
	if like.bytesPerSecond <= 0 || like.length <= 0 {
		return nil, errors.New("-rate and -for have to be above zero")
	}
	if written := like.bytesPerSecond * like.length.Seconds(); written > 0.8*largeQuota {
		return nil, fmt.Errorf("-rate and -for make %.0f MB, for which mode %s does not have enough room", written/1e6, room)
	}
	var loads []load
	for size := range strings.SplitSeq(sizes, ",") {
		kib, err := strconv.Atoi(size)
		if err != nil || kib < 1 || kib > 1024 {
			return nil, fmt.Errorf("-value: %q is not a size in KiB, from 1 to 1024", size)
		}
		like.valueBytes = kib << 10
		loads = append(loads, like)
	}
	return loads, nil
}

// run is the whole benchmark. Its error names the promises that were broken.
func (p plan) run(ctx context.Context) error {
	printHead(p)
	var broken []error
	for _, l := range p.loads {
		var results []result
		for _, m := range p.modes {
			r, err := p.try(ctx, m, l)
			if err != nil {
				return fmt.Errorf("%s, values of %s: %w", m.name, valueSize(l.valueBytes), err)
			}
			r.print()
			results = append(results, r)
		}
		printRemarks(results)
		broken = append(broken, judge(results)...)
	}
	return errors.Join(broken...)
}

// try runs one load on one new cluster.
func (p plan) try(ctx context.Context, m mode, l load) (r result, err error) {
	w, err := bench.Launch(ctx, p.dir, realetcd.Config{Line: p.line, Members: members, QuotaBytes: m.quotaBytes, Args: m.arguments})
	if err != nil {
		return result{}, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if m.watched {
		if err := w.Watch(ctx, p.binary); err != nil {
			return result{}, err
		}
	}
	keys, err := l.lay(ctx, w.Cluster)
	if err != nil {
		return result{}, err
	}
	observing, stop := context.WithCancel(ctx)
	seen := make(chan observed)
	go func() { seen <- observe(observing, w.Cluster, keys[0], l.seed) }()
	written, err := l.run(ctx, w.Cluster, keys)
	stop()
	r = result{mode: m, load: l, tally: written, observed: <-seen}
	if err != nil {
		return result{}, err
	}
	return r, r.countWork(w)
}
