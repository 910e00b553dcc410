// Command demo shows the main job on a real cluster: three etcd members with a
// small quota are filled until they refuse writes, while writers go on; three
// watchdogs heal them. It ends with status 0 only if writes are accepted again,
// no alarm is left, no acknowledged write was lost, and no two members were
// defragmented at once.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	members = 3
	quota   = 128 << 20
	live    = 40 << 20
	within  = 3 * time.Minute
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		stop()
		os.Exit(1)
	}
}

// demo is one showing.
type demo struct {
	cluster *realetcd.Cluster
	writers *realetcd.Writers
	dogs    []*watchdogs.Watchdog
}

func run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	dir, err := os.MkdirTemp("", "etcd-watchdog-demo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	line, err := realetcd.FindLine("3.6")
	if err != nil {
		return err
	}
	say("starting %d members of etcd %s with a quota of %s on loopback", members, line.Version, cluster.FormatBytes(quota))
	d := &demo{}
	d.cluster, err = realetcd.Launch(ctx, dir, realetcd.Config{Line: line, Members: members, QuotaBytes: quota})
	if err != nil {
		return err
	}
	defer d.cluster.Close()
	if err := d.startWatchdogs(ctx, dir); err != nil {
		return err
	}
	defer d.stopWatchdogs()
	return d.show(ctx)
}

// startWatchdogs starts one beside each member, with the default configuration
// but for the endpoint.
func (d *demo) startWatchdogs(ctx context.Context, dir string) error {
	say("starting a watchdog beside each of them")
	binary := filepath.Join("build", "etcd-watchdog")
	for _, m := range d.cluster.Members() {
		dog, err := watchdogs.New(binary, dir, "watchdog-"+m.Name, watchdogs.Config(d.cluster, m.ClientURL, nil, ""))
		if err != nil {
			return err
		}
		if err := dog.Start(); err != nil {
			return err
		}
		d.dogs = append(d.dogs, dog)
	}
	return realetcd.Await(ctx, "the watchdogs to hold tickets", func() (bool, string) {
		enrolled := d.count("enrolled")
		return enrolled == members, fmt.Sprintf("%d of %d do", enrolled, members)
	})
}

func (d *demo) stopWatchdogs() {
	for _, dog := range d.dogs {
		if err := dog.Stop(); err != nil {
			say("stopping %s: %v", dog.Name, err)
		}
	}
}

// show fills the cluster, waits for the healing and judges it.
func (d *demo) show(ctx context.Context) error {
	var err error
	d.writers, err = d.cluster.StartWriters(ctx, realetcd.WritersConfig{Prefix: "demo/", Writers: members, Keys: 50, ValueBytes: 1 << 10, Pause: 5 * time.Millisecond})
	if err != nil {
		return err
	}
	say("overwriting %s of keys until etcd refuses writes; %d writers go on writing all the time", cluster.FormatBytes(live), members)
	say("the watchdogs are held still meanwhile: under their eyes the cluster would not get full")
	var filled realetcd.Filled
	err = watchdogs.WhileHeld(d.dogs, func() error {
		filled, err = d.cluster.Fill(ctx, realetcd.Load{Prefix: "fill/", LiveBytes: live, ValueBytes: 16 << 10, Seed: 1})
		return err
	})
	if err != nil {
		return err
	}
	say("full after %s in %s:", cluster.FormatBytes(filled.WrittenBytes), filled.Took.Round(time.Millisecond))
	before := d.table(ctx)
	say("nothing is done by hand now; waiting for the watchdogs")
	if err := d.awaitHealed(ctx); err != nil {
		return errors.Join(err, d.story())
	}
	if err := d.story(); err != nil {
		return err
	}
	after := d.table(ctx)
	fmt.Println()
	printTable(before, after)
	return d.judge(ctx)
}

// awaitHealed waits until the watchdogs say so and the servers agree.
func (d *demo) awaitHealed(ctx context.Context) error {
	return realetcd.Await(ctx, "the cluster to be healed", func() (bool, string) {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		alarms, err := d.cluster.Alarms(short)
		if err != nil || len(alarms) > 0 {
			return false, fmt.Sprint(alarms, err)
		}
		return d.count("healed") > 0, "no watchdog has said so"
	})
}

// count returns how many entries of that event the watchdogs have written; 0 if one cannot be read.
func (d *demo) count(event string) int {
	n, err := watchdogs.Count(d.dogs, event)
	if err != nil {
		return 0
	}
	return n
}

func say(format string, args ...any) { fmt.Printf("==> "+format+"\n", args...) }
