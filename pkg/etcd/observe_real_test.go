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

func TestMembersThatAllAdvertiseOneURL(t *testing.T) {
	onOneLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, AdvertiseLocalhost: true})
		c := watch(t, real, 0)
		view := observe(t, c)
		for i := range 3 {
			if i == 0 {
				wantContact(t, view, memberID(real, i), cluster.Answered, "")
				continue
			}
			wantContact(t, view, memberID(real, i), cluster.Mismatched, "is answered by member "+memberID(real, 0).String())
			if e := c.Evidence(t.Context(), memberID(real, i)); e.Known {
				t.Errorf("member %d: evidence %+v, which is another member's", i, e)
			}
			if err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: memberID(real, i)}); err == nil {
				t.Errorf("member %d was defragmented, or rather member 0", i)
			}
		}
		if e := c.Evidence(t.Context(), memberID(real, 0)); !e.Known || e.Completed != 0 {
			t.Errorf("evidence %+v of the local member, want no defragmentation", e)
		}
		if n := len(c.Clients()); n != 1 {
			t.Errorf("%d clients, want the local one alone", n)
		}
	})
}

func TestMemberGoesAndComesBack(t *testing.T) {
	onOneLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, QuotaBytes: 32 << 20})
		c := watch(t, real, 0)
		observeUntil(t, c, "every member to answer", allAnswer)
		for _, i := range []int{2, 0} { // another one, then the local one
			id := memberID(real, i)
			if err := real.Member(i).Kill(); err != nil {
				t.Fatal(err)
			}
			view := observeUntil(t, c, "the member to be silent and the others to have a leader", func(v cluster.View) bool {
				m := mustFind(t, v, id)
				return m.Contact == cluster.Silent && v.Leader() != 0 && v.Leader() != id
			})
			if len(view.Members) != 3 || view.Local != memberID(real, 0) || view.Problem != "" {
				t.Errorf("view %+v, want three members", view)
			}
			if err := real.Member(i).Start(); err != nil {
				t.Fatal(err)
			}
			view = observeUntil(t, c, "the member to answer again", allAnswer)
			if q := mustFind(t, view, id).Quota; q.Bytes != 32<<20 || q.Source != cluster.QuotaLearnt {
				t.Errorf("quota %+v after a restart", q)
			}
		}
	})
}
