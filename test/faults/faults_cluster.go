package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// brief bounds a call that is answered at once by a cluster that is well. A
// member that is being defragmented answers when that is done.
const brief = 20 * time.Second

func revokeLeases(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	r.now()
	return r.endLeases(ctx)
}

func defragmentByHand(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	m := r.anyMember()
	r.now()
	hand := byHand{member: fmt.Sprintf("%x", m.ID()), Period: history.Period{Begin: time.Now()}}
	_, err := m.Client().Defragment(ctx, m.ClientURL)
	hand.End = time.Now()
	r.byHand = append(r.byHand, hand)
	return err
}

// slowSnapshot reads a snapshot so slowly that it lasts for the length.
func slowSnapshot(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := r.victim(e.Member).Client().Snapshot(ctx)
	if err != nil {
		return err
	}
	defer stream.Close()
	r.now()
	piece := make([]byte, 32<<10)
	for until := time.Now().Add(r.length); time.Now().Before(until); {
		if _, err := stream.Read(piece); err != nil {
			return nil // complete, or the member was defragmented first
		}
		if err := r.sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// fillDisk leaves less room than a defragmentation needs, and takes the ballast
// away after the length. From then on the member is started again whenever it
// ends: etcd 3.4 does, a second or so after a defragmentation has failed for want
// of room.
func fillDisk(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	m := r.victim(e.Member)
	dir := r.disk(slices.Index(r.cluster.Members(), m))
	ballast := filepath.Join(dir, "ballast")
	err = fillUp(dir, ballast, int64(1+r.pick%8)*mebibyte)
	r.now()
	if err == nil {
		err = r.sleep(ctx, r.length)
	}
	if err := errors.Join(err, os.Remove(ballast)); err != nil {
		return err
	}
	r.revived = m
	return r.restartEnded()
}

// fillUp makes the ballast so large that just so much is free. etcd takes room
// meanwhile, so it takes a few tries.
func fillUp(dir, ballast string, free int64) error {
	f, err := os.Create(ballast)
	if err != nil {
		return err
	}
	defer f.Close()
	for range 10 {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			return err
		}
		size := int64(fs.Bavail)*fs.Bsize - free
		if size <= 0 {
			return nil
		}
		if err = syscall.Fallocate(int(f.Fd()), 0, 0, size); err == nil || !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return err
}

func addMember(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	r.spent = true
	r.now()
	m, err := r.cluster.AddMember(ctx)
	if err != nil {
		return err
	}
	r.joined(m)
	return nil
}

// joined books a member that came during the run.
func (r *run) joined(m *realetcd.Member) {
	r.ids[m.Name] = fmt.Sprintf("%x", m.ID())
	r.recorder.follow(m)
}

func removeMember(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	i := r.pick % r.members
	dog := r.watching()[i]
	r.spent = true
	r.now()
	m := r.cluster.Member(i)
	r.history.Removed = append(r.history.Removed, history.Removal{At: time.Now(), Member: fmt.Sprintf("%x", m.ID())})
	if err := r.cluster.RemoveMember(ctx, m); err != nil {
		return err
	}
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	if err := r.kill(dog); err != nil { // its host is switched off
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dogs = slices.DeleteFunc(r.dogs, func(d *watchdogs.Watchdog) bool { return d == dog })
	return nil
}

// promoteLearner adds a learner, which becomes as full as the others are, and
// promotes it. It has no watchdog.
func promoteLearner(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	r.spent = true
	r.now()
	m, err := r.cluster.AddLearner(ctx)
	if err != nil {
		return err
	}
	r.joined(m)
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	return realetcd.Await(ctx, "the learner to be promoted", func() (bool, string) {
		short, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := r.cluster.Client(0).MemberPromote(short, m.ID())
		return err == nil, fmt.Sprint(err)
	})
}

func raiseCorrupt(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	id := r.anyMember().ID()
	r.now()
	if err := r.alarm(ctx, pb.AlarmRequest_ACTIVATE, pb.AlarmType_CORRUPT, id); err != nil {
		return err
	}
	r.history.Corrupt.Begin = time.Now()
	if err := r.sleep(ctx, r.length); err != nil {
		return err
	}
	r.expect(`"event":"corrupt_armed"`)
	r.history.Corrupt.End = time.Now()
	return r.alarm(ctx, pb.AlarmRequest_DEACTIVATE, pb.AlarmType_CORRUPT, id)
}

func (r *run) alarm(ctx context.Context, action pb.AlarmRequest_AlarmAction, kind pb.AlarmType, id uint64) error {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	client := pb.NewMaintenanceClient(r.cluster.Client(0).ActiveConnection())
	_, err := client.Alarm(ctx, &pb.AlarmRequest{Action: action, MemberID: id, Alarm: kind})
	return err
}

// expect books which watchdogs have looked at the cluster twice since the fault
// and have no entry that has one of the texts.
func (r *run) expect(texts ...string) {
	looks, said := map[string]int{}, map[string]bool{}
	for _, e := range r.journal.read() {
		if e.Event == "polled" && e.At.After(r.injected) {
			looks[e.Watchdog]++
		}
		for _, text := range texts {
			said[e.Watchdog] = said[e.Watchdog] || strings.Contains(e.Line, text)
		}
	}
	for _, dog := range r.watching() {
		if looks[dog.Name] > 2 && !said[dog.Name] { // the first may have begun before it
			r.history.Unsaid = append(r.history.Unsaid, fmt.Sprintf("%s did not report any of %q", dog.Name, texts))
		}
	}
}

const rootPassword = "secret"

// enableAuth switches authentication on, and off after the length.
func enableAuth(ctx context.Context, r *run) error {
	if _, err := r.atPhase(ctx); err != nil {
		return err
	}
	m := r.anyMember()
	short, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	if _, err := m.Client().UserAdd(short, "root", rootPassword); err != nil {
		return err
	}
	if _, err := m.Client().UserGrantRole(short, "root", "root"); err != nil {
		return err
	}
	if _, err := m.Client().AuthEnable(short); err != nil {
		return err
	}
	r.now()
	err := r.sleep(ctx, r.length)
	r.expect(`"event":"rights_missing"`, "set user and password-file")
	return errors.Join(err, disableAuth(ctx, m))
}

func disableAuth(ctx context.Context, m *realetcd.Member) error {
	ctx, cancel := context.WithTimeout(ctx, brief)
	defer cancel()
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{m.ClientURL}, DialTimeout: brief, Username: "root", Password: rootPassword})
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := root.AuthDisable(ctx); err != nil {
		return err
	}
	_, err = m.Client().UserDelete(ctx, "root")
	return err
}
