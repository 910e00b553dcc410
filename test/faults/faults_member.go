package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// Messages of etcd's own log.
const (
	defragmenting = `"msg":"defragmenting"`
	compacted     = `"msg":"finished scheduled compaction"`
	moving        = `"msg":"leadership transfer starting"`
)

// awaitLog waits until a member logs the message, from now on. It is missed if
// the cluster is healed before.
func (r *run) awaitLog(ctx context.Context, message string) (*realetcd.Member, error) {
	for {
		for _, m := range r.cluster.Members() {
			if r.logged(m, message) {
				return m, nil
			}
		}
		for _, e := range r.journal.read() {
			if e.Event == "healed" {
				return nil, fmt.Errorf("%w: %s", errMissed, message)
			}
		}
		if err := r.sleep(ctx, look); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errMissed, message, err)
		}
	}
}

// logged reports that the member has logged the message since the last time
// that its log was looked at.
func (r *run) logged(m *realetcd.Member, message string) bool {
	found := false
	for _, line := range r.logs[m].lines() {
		found = found || bytes.Contains(line, []byte(message))
	}
	return found
}

// midway stops the member if it is still in what the message ends, and reports
// whether it was.
func (r *run) midway(m *realetcd.Member, messages ...string) (bool, error) {
	if err := m.Suspend(); err != nil {
		return false, err
	}
	for _, line := range r.logs[m].lines() {
		for _, message := range messages {
			if bytes.Contains(line, []byte(message)) {
				return false, m.Resume()
			}
		}
	}
	return true, nil
}

func killDefragmenting(ctx context.Context, r *run) error {
	for range r.pick % r.members { // not always the first
		if _, err := r.awaitLog(ctx, defragmenting); err != nil {
			return err
		}
	}
	for {
		m, err := r.awaitLog(ctx, defragmenting)
		if err != nil {
			return err
		}
		if err := r.sleep(ctx, r.delay/4); err != nil {
			return err
		}
		caught, err := r.midway(m, `"msg":"defragmented"`, `"msg":"finished defragmenting directory"`)
		if err != nil {
			return err
		}
		if caught {
			return r.killMember(ctx, m)
		}
	}
}

func killCompacting(ctx context.Context, r *run) error {
	for {
		e, err := r.atPhase(ctx)
		if err != nil {
			return err
		}
		m := r.memberOf(e.Member)
		caught, err := r.midway(m, compacted)
		if err != nil {
			return err
		}
		if caught {
			return r.killMember(ctx, m)
		}
		r.phase.nth++
	}
}

// killMember kills a member, as a power cut would, and starts it again after
// the length.
func (r *run) killMember(ctx context.Context, m *realetcd.Member) error {
	r.now()
	if err := m.Kill(); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return r.startMember(ctx, m)
}

func (r *run) startMember(ctx context.Context, m *realetcd.Member) error {
	return errors.Join(m.Start(), m.AwaitReady(ctx))
}

// victim is the member that is worked on, or another one, as the seed chooses.
func (r *run) victim(id string) *realetcd.Member {
	if r.pick%2 == 0 {
		return r.memberOf(id)
	}
	members := r.cluster.Members()
	return members[r.pick/2%len(members)]
}

func stopMember(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	m := r.victim(e.Member)
	r.now()
	if err := m.Suspend(); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return m.Resume()
}

func restartMember(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	m := r.victim(e.Member)
	r.now()
	if err := m.Stop(); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return r.startMember(ctx, m)
}

// slowMember lets the member run a tenth of the time only: whatever it has to
// do takes ten times as long.
func slowMember(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	m := r.victim(e.Member)
	r.now()
	for until := time.Now().Add(r.length); time.Now().Before(until); {
		if err := m.Suspend(); err != nil {
			return err
		}
		if err := r.sleep(ctx, 90*time.Millisecond); err != nil {
			return err
		}
		if err := m.Resume(); err != nil {
			return err
		}
		if err := r.sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func killLeaderMoving(ctx context.Context, r *run) error {
	m, err := r.awaitLog(ctx, moving)
	if err != nil {
		return err
	}
	return r.killMember(ctx, m)
}
