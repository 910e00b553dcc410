package main

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
)

// takeTogether holds what takes a ticket until two watchdogs have sent one, or
// for the length, and lets all of it land at once. The second one comes to it
// because the first makes no progress.
func takeTogether(ctx context.Context, r *run) error {
	rule, _, err := r.catch(ctx, wire.Take, wire.Action{Hold: true})
	if err != nil {
		return err
	}
	defer rule.Remove()
	others := r.wire.rules.Add(wire.Rule{Match: wire.Match{Kind: wire.Take}, Action: wire.Action{Hold: true}})
	defer others.Remove()
	first := rule.Calls()[0].Caller
	for until := time.Now().Add(r.length); time.Now().Before(until); {
		for _, c := range others.Calls() {
			if c.Caller != first {
				r.note("%s and %s take at once", first, c.Caller)
				return nil
			}
		}
		if err := r.sleep(ctx, look); err != nil {
			return err
		}
	}
	return nil
}

// defragmentInDoubt holds a request to defragment and breaks the connection that
// it came on, so that its outcome is unknown to who sent it. It lands as soon as
// another member is being defragmented, which nobody may begin, and else after
// the length, which is less than what a request may be on its way.
func defragmentInDoubt(ctx context.Context, r *run) error {
	rule, _, err := r.catch(ctx, wire.Defragment, wire.Action{Hold: true})
	if err != nil {
		return err
	}
	defer rule.Remove()
	for _, m := range r.cluster.Members() {
		r.logged(m, defragmenting) // what was before
	}
	held := rule.Calls()[0].Member
	if err := r.wire.sever(held); err != nil {
		return err
	}
	for until := time.Now().Add(r.length); time.Now().Before(until); {
		for _, m := range r.cluster.Members() {
			if r.logged(m, defragmenting) && m.Name != held {
				r.note("%s is being defragmented meanwhile", m.Name)
				return nil
			}
		}
		if err := r.sleep(ctx, look); err != nil {
			return err
		}
	}
	return nil
}
