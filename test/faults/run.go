package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	// patience bounds the wait for a phase, and what the fault takes.
	patience = 2 * time.Minute
	// healPatience bounds the end of a heal after its fault is undone. After a
	// third step that failed a member is left alone for two minutes.
	healPatience = 4 * time.Minute
	// liveBytes is what is left of the database after a heal: enough for a
	// defragmentation to be met in the middle.
	liveBytes = 16 * mebibyte
	// look is the pause between two looks at logs and members.
	look = 3 * time.Millisecond
)

// run is one plan being carried out in a world.
type run struct {
	plan
	*world
	journal  *journal
	recorder *recorder
	writers  *realetcd.Writers
	history  history.Run
	logs     map[*realetcd.Member]*tail
	offsets  map[*realetcd.Member]int64 // of their logs, as the run began; none: of one that joined
	ids      map[string]string          // of the members, by name

	lock     sync.Mutex
	injected time.Time // zero: not yet
	byHand   []byHand
	notes    []string

	revived   *realetcd.Member // is started again when it ends
	said      string           // the verdict of all watchdogs, as of the last look
	saidSince time.Time
	obeyed    []string // the members that were restarted because of it
}

// byHand is a defragmentation that the test has sent.
type byHand struct {
	member string
	history.Period
}

// result is what came of a run.
type result struct {
	plan
	violations []history.Violation
	missed     string        // why the fault was not injected during a heal; empty: it was
	healed     time.Duration // from the fault to the healed cluster
	took       time.Duration
	err        error    // of the suite itself, not of the watchdogs
	obeyed     []string // the members that were restarted as the watchdogs said
	kept       string
	notes      []string
}

// errMissed says that the heal had ended before the phase came.
var errMissed = errors.New("the phase did not come")

// carryOut does the plan in the world and judges it.
func carryOut(ctx context.Context, w *world, p plan) result {
	begun := time.Now()
	r := &run{plan: p, world: w}
	res := result{plan: p}
	err := r.stage(ctx)
	if err == nil {
		err = r.suffer(ctx)
	}
	switch {
	case errors.Is(err, errMissed):
		res.missed = err.Error()
	case err != nil:
		res.err = err
	}
	if res.err == nil {
		r.awaitHealed(ctx)
		res.healed = r.history.End.Sub(r.injected)
		res.err = r.collect(ctx)
		res.violations = history.Check(r.history)
	}
	r.leave(ctx)
	res.notes, res.obeyed, res.took = r.notes, r.obeyed, time.Since(begun)
	w.runs++
	return res
}

// stage prepares the world and fills the cluster, while the watchdogs stand
// still, and lets them go.
func (r *run) stage(ctx context.Context) error {
	if err := r.prepare(ctx); err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	if r.fault.before != nil {
		if err := r.fault.before(ctx, r); err != nil {
			return err
		}
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	return watchdogs.WhileHeld(r.watching(), func() error {
		var err error
		r.writers, err = r.cluster.StartWriters(ctx, realetcd.WritersConfig{
			Prefix: fmt.Sprintf("w/%d", r.seed), Writers: 2, Keys: 20, ValueBytes: 512, Pause: 25 * time.Millisecond,
		})
		if err != nil {
			return err
		}
		value := 16 << 10
		if r.fault.manyRevisions {
			value = 4 << 10
		}
		if _, err := r.cluster.Fill(ctx, realetcd.Load{Prefix: "data", LiveBytes: liveBytes, ValueBytes: value, Seed: r.seed}); err != nil {
			return err
		}
		r.recorder = record(ctx, r.cluster)
		r.recorder.watchClaim(r.tickets)
		r.logs, r.offsets, r.ids = map[*realetcd.Member]*tail{}, map[*realetcd.Member]int64{}, map[string]string{}
		for _, m := range r.cluster.Members() {
			r.offsets[m] = end(m.LogPath).offset
			r.logs[m], r.ids[m.Name] = end(m.LogPath), fmt.Sprintf("%x", m.ID())
		}
		r.journal = newJournal(r.watching())
		r.history = history.Run{Begin: time.Now(), QuotaBytes: quota, Disarm: disarmBelow, Keep: keep}
		return nil
	})
}

// suffer waits for the phase, injects the fault and undoes it.
func (r *run) suffer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.fault.inject(ctx, r)
}

// atPhase waits for the phase of the plan and then for its delay, and returns
// the entry that told of the phase.
func (r *run) atPhase(ctx context.Context) (history.Entry, error) {
	e, err := r.await(ctx, r.phase)
	if err == nil && r.delay > 0 {
		err = r.sleep(ctx, r.delay)
	}
	if err == nil && r.over() {
		err = fmt.Errorf("%w in time: %s", errMissed, r.phase)
	}
	return e, err
}

// over reports that nothing of the heal is left: the cluster is healed and nobody
// holds the claim.
func (r *run) over() bool {
	healed, held := false, map[string]bool{}
	for _, e := range r.journal.read() {
		switch e.Event {
		case "healed":
			healed = true
		case "claim_taken":
			held[e.Watchdog] = true
		case "claim_given_back", "claim_lost":
			delete(held, e.Watchdog)
		}
	}
	return healed && len(held) == 0
}

// await waits until the event was reported so often. It is missed if the
// cluster is healed before.
func (r *run) await(ctx context.Context, p phase) (history.Entry, error) {
	for {
		n, healed := 0, false
		for _, e := range r.journal.read() {
			if e.Event == p.event {
				if n++; n == p.nth {
					return e, nil
				}
			}
			healed = healed || e.Event == "healed"
		}
		if healed {
			return history.Entry{}, fmt.Errorf("%w: %s", errMissed, p)
		}
		if err := r.sleep(ctx, look); err != nil {
			return history.Entry{}, fmt.Errorf("%w: %s: %w", errMissed, p, err)
		}
	}
}

// now books that the fault is injected.
func (r *run) now() {
	r.lock.Lock()
	defer r.lock.Unlock()
	if r.injected.IsZero() {
		r.injected = time.Now()
	}
}

// note books what only this run knows, for the artefacts.
func (r *run) note(format string, args ...any) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.notes = append(r.notes, time.Now().UTC().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// sleep waits, and starts what has ended by itself, as a service manager does.
func (r *run) sleep(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(length):
		return r.restartEnded()
	}
}

// restartEnded starts each watchdog again that has ended though no fault wants
// it to be down, and the member that is to be.
func (r *run) restartEnded() error {
	if m := r.revived; m != nil && !m.Running() {
		r.note("%s has ended and is started again", m.Name)
		if err := m.Start(); err != nil {
			return err
		}
	}
	for _, dog := range r.watching() {
		r.mu.Lock()
		down := r.down[dog]
		r.mu.Unlock()
		if down || runs(dog) {
			continue
		}
		r.died(dog)
		r.note("%s has ended with %d and is started again", dog.Name, dog.ExitStatus())
		r.history.Fell = append(r.history.Fell, history.Death{At: time.Now(), Watchdog: dog.Name})
		if err := dog.Start(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) died(dog *watchdogs.Watchdog) {
	r.lock.Lock()
	defer r.lock.Unlock()
	r.history.Deaths = append(r.history.Deaths, history.Death{At: time.Now(), Watchdog: dog.Name})
}

// leave ends what the run has begun in the world.
func (r *run) leave(ctx context.Context) {
	if r.writers != nil {
		r.writers.Stop()
	}
	if r.recorder != nil {
		r.recorder.stop()
	}
	if r.spent {
		return
	}
	for _, prefix := range []string{fmt.Sprintf("w/%d/", r.seed), "probe/"} {
		if err := r.forget(ctx, prefix); err != nil {
			r.note("forget %s: %v", prefix, err)
			r.spent = true
		}
	}
}

// dogOf is the watchdog of that name.
func (r *run) dogOf(name string) *watchdogs.Watchdog {
	dogs := r.watching()
	return dogs[max(0, slices.IndexFunc(dogs, func(d *watchdogs.Watchdog) bool { return d.Name == name }))]
}

// memberOf is the member of that id, in hexadecimal; another one if there is
// none.
func (r *run) memberOf(id string) *realetcd.Member {
	members := r.cluster.Members()
	for _, m := range members {
		if fmt.Sprintf("%x", m.ID()) == id {
			return m
		}
	}
	return members[r.pick%len(members)]
}

// anyMember is the member that the seed chooses.
func (r *run) anyMember() *realetcd.Member {
	members := r.cluster.Members()
	return members[r.pick%len(members)]
}
