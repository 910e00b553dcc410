package etcdtest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

func TestModelKeepsTheContract(t *testing.T) {
	RunContract(t, func(t *testing.T, hold func(*testing.T, Subject)) {
		synctest.Test(t, func(t *testing.T) {
			config := DefaultConfig(3)
			const quota = 16 * mebibyte
			for i := range config.Members {
				m := &config.Members[i]
				m.QuotaBytes, m.Seen.Bytes = quota, quota
				m.LiveBytes, m.OldBytes, m.FreeBytes = 2*mebibyte, mebibyte, mebibyte
			}
			c := New(config)
			d := driver{c}
			hold(t, Subject{
				Observer: c.Observer(1), Operator: c.Operator(1),
				Driver: d, Membership: d, QuotaBytes: quota,
			})
		})
	})
}

// driver drives the model.
type driver struct{ c *Cluster }

func (d driver) Overwrite(ctx context.Context, through cluster.MemberID) error {
	return d.c.Overwrite(ctx, through, mebibyte/4)
}

func (d driver) Raise(_ context.Context, a cluster.Alarm) error {
	d.c.Raise(a)
	return nil
}

func (d driver) AddLearner(context.Context) (cluster.MemberID, error) {
	learner := DefaultConfig(9).Members[8]
	learner.Learner = true
	d.c.Add(learner)
	return learner.ID, nil
}

func (d driver) Remove(_ context.Context, id cluster.MemberID) error {
	d.c.Remove(id)
	return nil
}
