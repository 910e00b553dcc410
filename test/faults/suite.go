package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/netns"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// batch is how many runs a world serves; its logs, and etcd's memory of its raft
// log, grow with each.
const batch = 12

// suite is what the command was asked for.
type suite struct {
	runs      int
	seed      uint64
	only      []string
	lines     []string
	parallel  int
	length    time.Duration
	table     string
	ledger    string
	artefacts string

	dir      string
	binary   string // as it is
	stepping string // with a clock that can be stepped

	done    []outcome // that the ledger holds
	mu      sync.Mutex
	results []result
	booking error
}

// run carries the runs out and returns what came of them, in the order of their
// seeds. An error is one of the suite; the results are good without it.
func (s *suite) run(ctx context.Context) ([]result, error) {
	dir, err := os.MkdirTemp(inMemory(), "faults")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s.dir = dir
	if s.binary == "" {
		if s.binary, err = watchdogs.Build(ctx, dir); err != nil {
			return nil, err
		}
	}
	if s.artefacts == "" {
		s.artefacts = filepath.Join(os.TempDir(), fmt.Sprintf("faults-%d", os.Getpid()))
	}
	plans, err := s.plans()
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(plans, func(p plan) bool { return p.fault.kind == stepping }) {
		if s.stepping, err = buildStepping(ctx, dir); err != nil {
			return nil, err
		}
	}
	until := time.Time{}
	if s.length > 0 {
		until = time.Now().Add(s.length)
	}
	batches := batchesOf(plans)
	next := make(chan []plan)
	errs := make([]error, s.parallel)
	var workers sync.WaitGroup
	for i := range s.parallel {
		workers.Go(func() {
			for b := range next {
				errs[i] = errors.Join(errs[i], s.serve(ctx, b, until))
			}
		})
	}
	for _, b := range batches {
		if ctx.Err() == nil && (until.IsZero() || time.Now().Before(until)) {
			next <- b
		}
	}
	close(next)
	workers.Wait()
	slices.SortFunc(s.results, func(a, b result) int { return int(int64(a.seed) - int64(b.seed)) })
	return s.results, errors.Join(append(errs, s.booking, context.Cause(ctx))...)
}

// inMemory is a directory whose files are kept in memory, if there is one:
// where temporary files are, else.
func inMemory() string {
	const shared = "/dev/shm"
	if probe, err := os.MkdirTemp(shared, "faults-probe"); err == nil {
		if os.Remove(probe) == nil {
			return shared
		}
	}
	return ""
}

// plans are the runs that were asked for.
func (s *suite) plans() ([]plan, error) {
	all, err := realetcd.Lines()
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, l := range all {
		lines = append(lines, l.Name)
	}
	wanted := s.runs
	switch {
	case wanted > 0:
	case s.length > 0:
		wanted = int(s.length / time.Second) // more than can be done
	default:
		wanted = len(faults)
	}
	done := map[uint64]bool{}
	for _, o := range s.done {
		done[o.seed] = true
	}
	var plans []plan
	for seed := s.seed; wanted > 0; seed++ {
		p := planOf(seed, lines)
		if (len(s.only) == 0 || slices.Contains(s.only, p.fault.name)) && (len(s.lines) == 0 || slices.Contains(s.lines, p.line)) {
			wanted--
			if !done[seed] {
				plans = append(plans, p)
			}
		}
	}
	return plans, nil
}

// batchesOf puts runs together that can share a world, in the order in which
// the first of each batch stands.
func batchesOf(plans []plan) [][]plan {
	var batches [][]plan
	open := map[worldKey]int{}
	for _, p := range plans {
		i, is := open[p.world()]
		if !is || len(batches[i]) >= batch {
			i = len(batches)
			open[p.world()] = i
			batches = append(batches, nil)
		}
		batches[i] = append(batches[i], p)
	}
	return batches
}

// serve carries out the runs of a batch, in as many worlds as it takes.
func (s *suite) serve(ctx context.Context, batch []plan, until time.Time) error {
	var w *world
	var errs []error
	for _, p := range batch {
		if ctx.Err() != nil || (!until.IsZero() && time.Now().After(until)) {
			break
		}
		var err error
		if w == nil {
			w, err = launch(ctx, s.dir, s.binaryFor(p), p.world())
			if errors.Is(err, netns.ErrUnavailable) {
				fmt.Printf("seed %d: %s: skipped: %v\n", p.seed, p, err)
				continue
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
		}
		res := carryOut(ctx, w, p)
		if ctx.Err() != nil {
			break // told to end: no verdict
		}
		if broken := len(res.violations) > 0 || res.err != nil; broken || w.spent {
			if broken {
				res.kept = s.keep(w, res)
			}
			errs = append(errs, w.close())
			w = nil
		}
		s.book(res)
	}
	if w != nil {
		errs = append(errs, w.close())
	}
	return errors.Join(errs...)
}

func (s *suite) binaryFor(p plan) string {
	if p.fault.kind == stepping {
		return s.stepping
	}
	return s.binary
}

func (s *suite) book(res result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, res)
	if s.ledger != "" {
		s.booking = errors.Join(s.booking, enter(s.ledger, res.outcome()))
	}
	fmt.Println(res)
}

// keep copies the logs of the world, and what the run knows, to where they
// outlive it, and returns that directory.
func (s *suite) keep(w *world, res result) string {
	dir := filepath.Join(s.artefacts, fmt.Sprintf("seed-%d", res.seed))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err.Error()
	}
	var story strings.Builder
	fmt.Fprintln(&story, res)
	for _, n := range res.notes {
		fmt.Fprintln(&story, n)
	}
	errs := []error{os.WriteFile(filepath.Join(dir, "result"), []byte(story.String()), 0o600)}
	if w.cluster != nil {
		for _, m := range w.cluster.Members() {
			errs = append(errs, copyFile(m.LogPath, filepath.Join(dir, m.Name+".log")))
		}
	}
	for _, dog := range w.watching() {
		errs = append(errs, copyFile(dog.LogPath, filepath.Join(dir, dog.Name+".log")))
	}
	if err := errors.Join(errs...); err != nil {
		return err.Error()
	}
	return dir
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o600)
}
