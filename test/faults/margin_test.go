package main

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// tries bounds how often the request may arrive when the other defragmentation is
// over already.
const tries = 4

// Nothing on a server fences a defragmentation, so one overlap is left that no
// client can close: a watchdog is stopped when its request has passed the last
// check, its lease ends, the next one begins, and then the request arrives. It
// takes a stop for longer than the margin: with a shorter one the claim keeps all
// others away until the request has arrived.
func TestOverlapNeedsAStopBeyondTheMargin(t *testing.T) {
	s := suite{dir: t.TempDir()}
	var err error
	if s.binary, err = watchdogs.Build(t.Context(), s.dir); err != nil {
		t.Fatal(err)
	}
	w, err := launch(t.Context(), s.dir, s.binary, worldKey{line: "3.6", members: 3, kind: wired})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	for _, tt := range []struct {
		name     string
		arrives  func(context.Context, *run) error // returns when the request is to arrive
		overlaps bool
	}{
		{"shorter", func(ctx context.Context, r *run) error { return r.sleep(ctx, 1500*time.Millisecond) }, false},
		{"longer, until another one has begun", func(ctx context.Context, r *run) error {
			_, err := r.awaitLog(ctx, defragmenting)
			return err
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fault{name: "stopped-on-the-way", kind: wired, inject: func(ctx context.Context, r *run) error {
				return stopOnTheWay(ctx, r, tt.arrives)
			}}
			for try := uint64(1); ; try++ {
				res := carryOut(t.Context(), w, plan{seed: try, fault: &f, line: "3.6", members: 3})
				if res.err != nil || res.missed != "" {
					t.Fatalf("%v, %s", res.err, res.missed)
				}
				for _, v := range res.violations {
					t.Log(v)
					if v.Rule != "overlap" || !v.Unclosable {
						t.Errorf("%v, want no other violation than the one that nobody can close", v)
					}
				}
				if overlaps := len(res.violations) > 0; overlaps == tt.overlaps {
					return
				} else if overlaps || try == tries {
					t.Fatalf("overlaps: %t, want %t", overlaps, tt.overlaps)
				}
			}
		})
	}
}

// stopOnTheWay stops the watchdog whose request to defragment has left and not yet
// arrived, lets it arrive, and lets the watchdog go on.
func stopOnTheWay(ctx context.Context, r *run, arrives func(context.Context, *run) error) error {
	rule, dog, err := r.catch(ctx, wire.Defragment, wire.Action{Hold: true})
	if err != nil {
		return err
	}
	defer rule.Remove()
	begin := time.Now()
	if err := dog.Suspend(); err != nil {
		return err
	}
	err = arrives(ctx, r)
	rule.Release()
	_, errArrived := r.awaitLog(ctx, defragmenting)
	err = errors.Join(err, errArrived, dog.Resume())
	r.history.Standstills = append(r.history.Standstills, history.Standstill{Watchdog: dog.Name, Period: history.Period{Begin: begin, End: time.Now()}})
	return err
}
