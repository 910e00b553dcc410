package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// awaitHealed waits until the cluster is healed, if need be after what the
// watchdogs asked for was done, and books whether it came to that.
func (r *run) awaitHealed(ctx context.Context) {
	deadline := time.Now().Add(healPatience)
	for {
		found := r.unhealed(ctx)
		r.history.End = time.Now()
		r.history.Final = history.Final{Healed: found == "", Found: found}
		if found == "" || time.Now().After(deadline) {
			return
		}
		if err := errors.Join(r.obey(ctx), r.sleep(ctx, 50*time.Millisecond)); err != nil {
			r.history.Final.Found = err.Error()
			return
		}
	}
}

// unhealed says what is missing from a healed cluster: no alarm, every voter's
// file small, writes accepted through every member, no ticket busy, and every
// watchdog at rest.
func (r *run) unhealed(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, m := range r.cluster.Members() {
		s, err := sample(ctx, m)
		switch {
		case err != nil:
			return fmt.Sprintf("%s: %v", m.Name, err)
		case s.Alarms != "":
			return fmt.Sprintf("%s: %s", m.Name, s.Alarms)
		case s.Learner:
			continue
		case float64(s.FileBytes) >= disarmBelow*quota:
			return fmt.Sprintf("the file of %s has %d bytes", m.Name, s.FileBytes)
		}
		if _, err := m.Client().Put(ctx, "probe/"+m.Name, "x"); err != nil {
			return fmt.Sprintf("write through %s: %v", m.Name, err)
		}
	}
	keys, err := r.tickets(ctx)
	if err != nil {
		return err.Error()
	}
	if names := busy(keys); len(names) > 0 {
		return "busy: " + strings.Join(names, " ")
	}
	return r.restless()
}

// resting are the reasons of a watchdog that has nothing to do, or nothing that
// cannot wait: a file between defragment-at and disarm-below is left for a
// window or for a better time.
var resting = []string{"below_threshold", "near_quota", "outside_window", "cooling_down", "stall_budget", "nothing_to_reclaim"}

// restless names a watchdog whose latest poll did not end in rest.
func (r *run) restless() string {
	last := map[string]history.Entry{}
	for _, e := range r.journal.read() {
		if e.Event == "polled" {
			last[e.Watchdog] = e
		}
	}
	for _, dog := range r.watching() {
		if e := last[dog.Name]; !slices.Contains(resting, e.Reason) {
			return fmt.Sprintf("%s: %s %s", dog.Name, e.Reason, e.Detail)
		}
	}
	return ""
}

// collect completes the history, after the end.
func (r *run) collect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	r.writers.Stop()
	r.recorder.stop()
	h := &r.history
	h.Entries, h.Samples, h.Claims = r.journal.read(), r.recorder.samples, r.recorder.claims
	slices.SortStableFunc(h.Samples, func(a, b history.Sample) int { return a.At.Compare(b.At) })
	all, err := r.cluster.Defragmentations()
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.Begin.Before(h.Begin) {
			continue
		}
		own := history.Defragmentation{Period: history.Period(d.Period), Member: cmp.Or(r.ids[d.Member], d.Member), AfterBytes: d.AfterBytes}
		own.ByHand = slices.ContainsFunc(r.byHand, func(b byHand) bool { return b.member == own.Member && b.Contains(d.Begin) })
		h.Defragmentations = append(h.Defragmentations, own)
	}
	if !h.Final.Healed {
		return nil // nobody has to answer what follows
	}
	return errors.Join(r.readWrites(ctx), r.readHistory(ctx))
}

func (r *run) readWrites(ctx context.Context) error {
	h := &r.history
	h.Writes.Acknowledged, h.Writes.Sent = r.writers.Record()
	h.Writes.Stored = map[string]map[string]int64{}
	for _, m := range r.voters(ctx) {
		stored, err := r.writers.Stored(ctx, m)
		if err != nil {
			return fmt.Errorf("read the writes from %s: %w", m.Name, err)
		}
		h.Writes.Stored[m.Name] = stored
	}
	return nil
}

// voters returns the members but for the learners, who serve no reads.
func (r *run) voters(ctx context.Context) []*realetcd.Member {
	return slices.DeleteFunc(r.cluster.Members(), func(m *realetcd.Member) bool {
		s, err := sample(ctx, m)
		return err == nil && s.Learner
	})
}

// readHistory finds how far back each voter can be read.
func (r *run) readHistory(ctx context.Context) error {
	h := &r.history
	for _, s := range h.Samples {
		h.Kept.LatestRevision = max(h.Kept.LatestRevision, s.Revision)
	}
	h.Kept.FloorRevision = history.Floor(h.Samples)
	h.Kept.OldestReadable = map[string]int64{}
	wanted := max(h.Kept.LatestRevision-h.Keep+1, h.Kept.FloorRevision)
	for _, m := range r.voters(ctx) {
		oldest := wanted
		_, err := m.Client().Get(ctx, "none", clientv3.WithRev(wanted), clientv3.WithSerializable())
		if errors.Is(err, rpctypes.ErrCompacted) {
			oldest++
			err = nil
		}
		if err != nil {
			return fmt.Errorf("read revision %d from %s: %w", wanted, m.Name, err)
		}
		h.Kept.OldestReadable[fmt.Sprintf("%x", m.ID())] = oldest
	}
	return nil
}

// forget deletes the keys below the prefix.
func (r *run) forget(ctx context.Context, prefix string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := r.cluster.Client(0).Delete(ctx, prefix, clientv3.WithPrefix())
	return err
}
