package etcd_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestObserveThreeMembers(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		const quota = 64 << 20
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, QuotaBytes: quota})
		const filled = 3 * 64 << 10
		revision := fill(t, real.Client(0), 3)
		c := watch(t, real, 1)
		view := observeUntil(t, c, "every member to have written what was put", func(v cluster.View) bool {
			return allAnswer(v) && !slices.ContainsFunc(v.Members, func(m cluster.Member) bool {
				return m.Revision < revision || m.InUseBytes < filled
			})
		})
		if len(view.Members) != 3 || view.Local != memberID(real, 1) || view.ClusterID == 0 || view.Problem != "" {
			t.Errorf("view %+v, want three members and member %s as the local one", view, memberID(real, 1))
		}
		if !slices.IsSortedFunc(view.Members, func(a, b cluster.Member) int { return cmp.Compare(a.ID, b.ID) }) {
			t.Errorf("the members are not sorted by id: %+v", view.Members)
		}
		for i := range 3 {
			m := mustFind(t, view, memberID(real, i))
			if m.Name != real.Member(i).Name || m.Version != line.Version || m.Problem != "" {
				t.Errorf("member %d: %+v, want name %s and version %s", i, m, real.Member(i).Name, line.Version)
			}
			if m.InUseBytes > m.SizeBytes || m.AppliedIndex == 0 || m.RaftIndex < m.AppliedIndex || m.RaftTerm == 0 {
				t.Errorf("member %d: implausible figures: %+v", i, m)
			}
			if want := (cluster.Quota{Bytes: quota, Source: cluster.QuotaLearnt}); m.Quota != want {
				t.Errorf("member %d: quota %+v, want %+v", i, m.Quota, want)
			}
		}
		if n := len(c.Clients()); n != 3 {
			t.Errorf("%d clients, want 3", n)
		}
		if first := c.Clients()[0].Endpoints(); first[0] != real.Member(1).ClientURL {
			t.Errorf("the first client leads to %v, want the local member", first)
		}
	})
}
