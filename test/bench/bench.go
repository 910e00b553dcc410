// Package bench is what the benchmarks below it share: a place to run in, and
// a real cluster on loopback with the built program beside its members. It
// measures nothing and judges nothing.
//
// What it keeps to:
//
//  1. The watchdogs run as an operator's do: the built binary, one beside each
//     member, the default configuration.
//  2. A cluster ends with its Close, and nothing is left of it on the disk.
package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// enrolPatience bounds how long the watchdogs may take until each has tickets.
const enrolPatience = time.Minute

// Main runs a benchmark in a directory that is taken away afterwards, until
// SIGINT or SIGTERM ends its context, and returns the status to exit with.
func Main(name string, run func(ctx context.Context, dir string) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "etcd-watchdog-bench")
	if err == nil {
		err = errors.Join(run(ctx, dir), os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return 1
	}
	return 0
}

// Seconds writes a time as the tables do.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// Watched is a running cluster and the watchdogs beside it, if there are any.
type Watched struct {
	Cluster *realetcd.Cluster

	dir  string
	dogs []*watchdogs.Watchdog
}

// Launch starts the cluster, in a directory of its own below dir, unwatched.
// Whoever calls it calls Close.
func Launch(ctx context.Context, dir string, cfg realetcd.Config) (*Watched, error) {
	own, err := os.MkdirTemp(dir, "cluster")
	if err != nil {
		return nil, err
	}
	c, err := realetcd.Launch(ctx, own, cfg)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(own))
	}
	return &Watched{Cluster: c, dir: own}, nil
}

// Watch starts a watchdog beside each member and waits until each has enrolled.
func (w *Watched) Watch(ctx context.Context, binary string) error {
	for _, m := range w.Cluster.Members() {
		dog, err := watchdogs.New(binary, w.dir, "dog-"+m.Name, watchdogs.Config(w.Cluster, m.ClientURL, nil, ""))
		if err != nil {
			return err
		}
		if err := dog.Start(); err != nil {
			return fmt.Errorf("start %s: %w", dog.Name, err)
		}
		w.dogs = append(w.dogs, dog)
	}
	ctx, cancel := context.WithTimeout(ctx, enrolPatience)
	defer cancel()
	return realetcd.Await(ctx, "every watchdog to enrol", func() (bool, string) {
		n, err := w.Reported("enrolled")
		if err != nil {
			return false, err.Error()
		}
		return n >= len(w.dogs), fmt.Sprintf("%d of %d have", n, len(w.dogs))
	})
}

// Reported is how often the watchdogs together have reported the event. That
// one of them has ended is an error: it was to run until Close.
func (w *Watched) Reported(event string) (int, error) {
	for _, dog := range w.dogs {
		select {
		case <-dog.Ended():
			return 0, fmt.Errorf("%s has ended by itself with status %d", dog.Name, dog.ExitStatus())
		default:
		}
	}
	return watchdogs.Count(w.dogs, event)
}

// WhileHeld lets something happen while the watchdogs stand still.
func (w *Watched) WhileHeld(do func() error) error { return watchdogs.WhileHeld(w.dogs, do) }

// Close ends the watchdogs and the members and removes what they have written.
func (w *Watched) Close() error {
	var errs []error
	for _, dog := range w.dogs {
		if err := dog.Kill(); err != nil {
			errs = append(errs, fmt.Errorf("end %s: %w", dog.Name, err))
		}
	}
	return errors.Join(append(errs, w.Cluster.Close(), os.RemoveAll(w.dir))...)
}
