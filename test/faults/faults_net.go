package main

import (
	"context"
	"errors"
	"slices"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/netns"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// hostOf is the host of a member; of its watchdog, which has one of its own, if
// that is meant.
func (w *world) hostOf(m *realetcd.Member, dog bool) (*netns.Host, error) {
	i := slices.Index(w.cluster.Members(), m)
	if dog {
		i += w.key.members
	}
	return w.net.Host(i)
}

// hostOfDog is where the member's watchdog runs.
func (w *world) hostOfDog(m *realetcd.Member) (realetcd.Host, error) { return w.hostOf(m, true) }

// memberOfDog is the member that the watchdog stands beside.
func (w *world) memberOfDog(dog *watchdogs.Watchdog) *realetcd.Member {
	return w.cluster.Member(max(0, slices.Index(w.watching(), dog)))
}

// cutWatchdogOff cuts between the watchdog that wrote last and every member.
func cutWatchdogOff(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	host, err := r.hostOf(r.memberOfDog(r.dogOf(e.Watchdog)), true)
	if err != nil {
		return err
	}
	return r.cutOff(ctx, host, r.cluster.Members())
}

// cutMembersApart cuts between a member and the others.
func cutMembersApart(ctx context.Context, r *run) error {
	e, err := r.atPhase(ctx)
	if err != nil {
		return err
	}
	m := r.victim(e.Member)
	host, err := r.hostOf(m, false)
	if err != nil {
		return err
	}
	return r.cutOff(ctx, host, slices.DeleteFunc(r.cluster.Members(), func(o *realetcd.Member) bool { return o == m }))
}

// cutOff cuts between a host and the members', in one direction or both, as the
// seed chooses, and heals that after the length.
func (r *run) cutOff(ctx context.Context, host *netns.Host, from []*realetcd.Member) error {
	cut := []func(a, b *netns.Host) error{
		r.net.Cut,
		r.net.CutOneWay,
		func(a, b *netns.Host) error { return r.net.CutOneWay(b, a) },
	}[r.pick%3]
	r.now()
	for _, m := range from {
		other, err := r.hostOf(m, false)
		if err == nil {
			err = cut(host, other)
		}
		if err != nil {
			return errors.Join(err, r.net.Heal())
		}
	}
	return errors.Join(r.sleep(ctx, r.length), r.net.Heal())
}
