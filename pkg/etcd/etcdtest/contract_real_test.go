package etcdtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestRealServersKeepTheContract(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		etcdtest.RunContract(t, func(t *testing.T, hold func(*testing.T, etcdtest.Subject)) {
			t.Parallel() // most of each is waiting for an election
			hold(t, realSubject(t, line))
		})
	})
}

func realSubject(t *testing.T, line realetcd.Line) etcdtest.Subject {
	t.Helper()
	const quota = 16 << 20
	servers := realetcd.Start(t, realetcd.Config{
		Line: line, Members: 3, QuotaBytes: quota,
	})
	opts := etcd.DefaultOptions()
	opts.Endpoint = servers.Endpoints()[0]
	opts.RequestTimeout = 2 * time.Second
	c, err := etcd.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &realDriver{servers: servers}
	return etcdtest.Subject{Observer: c, Operator: c, Driver: d, Membership: d, QuotaBytes: quota}
}

// realDriver drives a cluster of real servers.
type realDriver struct {
	servers *realetcd.Cluster
	written int
}

func (d *realDriver) member(id cluster.MemberID) (*realetcd.Member, error) {
	for _, m := range d.servers.Members() {
		if m.ID() == uint64(id) {
			return m, nil
		}
	}
	return nil, fmt.Errorf("no member %s among the servers", id)
}

// Overwrite writes 256 KiB over one of eight keys.
func (d *realDriver) Overwrite(ctx context.Context, through cluster.MemberID) error {
	m, err := d.member(through)
	if err != nil {
		return err
	}
	d.written++
	value := bytes.Repeat([]byte{byte(d.written)}, 256<<10)
	_, err = m.Client().Put(ctx, fmt.Sprintf("contract/%d", d.written%8), string(value))
	if errors.Is(err, rpctypes.ErrNoSpace) {
		return fmt.Errorf("%w: %w", claim.ErrRefused, err)
	}
	return err
}

func (d *realDriver) Raise(ctx context.Context, a cluster.Alarm) error {
	kind := etcdserverpb.AlarmType_NOSPACE
	if a.Kind == cluster.AlarmCorrupt {
		kind = etcdserverpb.AlarmType_CORRUPT
	}
	_, err := etcdserverpb.NewMaintenanceClient(d.servers.Client(0).ActiveConnection()).Alarm(ctx, &etcdserverpb.AlarmRequest{
		Action:   etcdserverpb.AlarmRequest_ACTIVATE,
		MemberID: uint64(a.Member),
		Alarm:    kind,
	})
	return err
}

func (d *realDriver) AddLearner(ctx context.Context) (cluster.MemberID, error) {
	m, err := d.servers.AddLearner(ctx)
	if err != nil {
		return 0, err
	}
	return cluster.MemberID(m.ID()), nil
}

func (d *realDriver) Remove(ctx context.Context, id cluster.MemberID) error {
	m, err := d.member(id)
	if err != nil {
		return err
	}
	return d.servers.RemoveMember(ctx, m)
}
