package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// kill ends the watchdog as a power cut would; nobody starts it until start.
func (r *run) kill(dog *watchdogs.Watchdog) error {
	r.expectDown(dog)
	err := dog.Kill()
	r.died(dog)
	return err
}

// expectDown keeps the watchdog from being started by anybody but start.
func (r *run) expectDown(dog *watchdogs.Watchdog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down[dog] = true
}

// start starts a watchdog that was ended by the fault.
func (r *run) start(dog *watchdogs.Watchdog) error {
	if err := dog.Start(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.down, dog)
	return nil
}

func killWatchdog(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	dog := r.dogOf(e.Watchdog)
	r.now()
	if err := r.kill(dog); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return r.start(dog)
}

func stopWatchdog(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	dog := r.dogOf(e.Watchdog)
	r.now()
	begin := time.Now()
	if err := dog.Suspend(); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	err = dog.Resume()
	r.history.Standstills = append(r.history.Standstills, history.Standstill{Watchdog: dog.Name, Period: history.Period{Begin: begin, End: time.Now()}})
	return err
}

// otherSections are configurations that differ from that of the others, each in
// something that matters in a heal.
var otherSections = []string{
	"claim:\n  ttl: 40s\n",
	"claim:\n  ttl: 30s\n  tickets: 2\n",
	"maintenance:\n  mode: observe\nclaim:\n  ttl: 30s\n",
	"maintenance:\n  move-leader: false\n  adopt-after: 1s\nclaim:\n  ttl: 30s\n",
	"thresholds:\n  disarm-below: 50%\nmaintenance:\n  keep-revisions: 10\nclaim:\n  ttl: 30s\n",
}

func reconfigureWatchdog(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	dog := r.dogOf(e.Watchdog)
	i := max(0, slices.Index(r.watching(), dog))
	r.now()
	if err := r.restartWith(dog, r.config(r.cluster.Member(i), otherSections[r.pick%len(otherSections)])); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return r.restartWith(dog, r.config(r.cluster.Member(i), sections))
}

// restartWith stops the watchdog in order and starts it with that
// configuration.
func (r *run) restartWith(dog *watchdogs.Watchdog, config string) error {
	r.expectDown(dog)
	if err := dog.Stop(); err != nil {
		return err
	}
	r.died(dog)
	if err := os.WriteFile(filepath.Join(dog.Dir, "etcd-watchdog.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	return r.start(dog)
}

func addTwin(ctx context.Context, r *run) error {
	m := r.anyMember()
	_, err := r.addDog(fmt.Sprintf("twin-%d", r.seed), m)
	return err
}

// endTwin ends the second watchdog, as a power cut would or in order.
func endTwin(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	r.now()
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	twin := r.dogOf(fmt.Sprintf("twin-%d", r.seed))
	end := twin.Stop
	if r.pick%2 == 0 {
		end = twin.Kill
	}
	r.expectDown(twin)
	if err := end(); err != nil {
		return err
	}
	r.died(twin)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dogs = slices.DeleteFunc(r.dogs, func(d *watchdogs.Watchdog) bool { return d == twin })
	return nil
}

// stepClock steps the wall clock of the watchdog that wrote last, and back. The
// monotonic clock goes on, as it does where a person or a time server sets a
// clock.
func stepClock(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	dog := r.dogOf(e.Watchdog)
	seconds := []int{-3600, -90, 90, 3600, 86400}[r.pick%5]
	r.journal.step(dog, time.Duration(seconds)*time.Second)
	r.now()
	for _, step := range []int{seconds, 0} {
		if err := os.WriteFile(filepath.Join(dog.Dir, stepFile), []byte(strconv.Itoa(step)), 0o600); err != nil {
			return err
		}
		if err := dog.Signal(syscall.SIGUSR1); err != nil {
			return err
		}
		if err := r.sleep(ctx, r.length); err != nil {
			return err
		}
	}
	return nil
}
