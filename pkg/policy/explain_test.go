package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// explained is a cluster of three watched members, with files of that many of 100.
func explained(now time.Time, files ...int64) cluster.View {
	v := cluster.View{At: now, ClusterID: 1, Local: 1, Claims: cluster.Claims{Known: true, Enrolled: true}}
	for i, size := range files {
		id := cluster.MemberID(i + 1)
		v.Members = append(v.Members, cluster.Member{
			ID: id, Name: string(rune('a' + i)), Contact: cluster.Answered, Version: "3.6.16", Leader: 3, RaftTerm: 1, Revision: 5000, AppliedIndex: 9000,
			SizeBytes: size << 20, InUseBytes: 10 << 20, Quota: cluster.Quota{Bytes: 100 << 20, Source: cluster.QuotaLearnt},
		})
		v.Claims.Watched = append(v.Claims.Watched, id)
	}
	return v
}

func TestExplain(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC) // a Monday
	night := policy.Window{Days: [7]bool{true, true, true, true, true, true, true}, From: 22 * 60, To: 23 * 60, Location: time.UTC}
	type want struct {
		reason   policy.Reason
		due      bool
		steps    string // kinds
		earliest string // clock
		detail   string
	}
	for _, tt := range []struct {
		name  string
		files []int64
		edit  func(*policy.Limits, *cluster.View, *policy.Memory)
		want  []want
	}{
		{"nothing to do", []int64{20, 75, 20}, nil, []want{{reason: policy.BelowThreshold}, {reason: policy.NearQuota}, {reason: policy.BelowThreshold}}},
		{"the leader last", []int64{85, 90, 85}, nil, []want{
			{policy.NearQuota, true, "compact defragment", "", ""},
			{policy.NearQuota, true, "compact defragment", "", ""},
			{policy.AnotherMembersTurn, false, "compact move-leader defragment", "", "member c (3) leads and is worked on last"},
		}},
		{"who holds the claim is named", []int64{85, 20, 20}, func(_ *policy.Limits, v *cluster.View, _ *policy.Memory) {
			v.Claims.Holder, v.Claims.HolderMember = "db2 (process 7, version 1), the watchdog of member 2", 2
		}, []want{{policy.WaitingForClaim, false, "compact defragment", "", "held by db2"}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"cooling down", []int64{85, 20, 20}, func(_ *policy.Limits, _ *cluster.View, mem *policy.Memory) {
			mem.Members[0].WorkedAt, mem.Members[0].Cooldown = now.Add(-time.Hour), 6*time.Hour
		}, []want{{policy.CoolingDown, false, "", "08:00", "left alone until"}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"cooling down, and then a window", []int64{85, 20, 20}, func(l *policy.Limits, _ *cluster.View, mem *policy.Memory) {
			l.Windows = []policy.Window{night}
			mem.Members[0].WorkedAt, mem.Members[0].Cooldown = now.Add(-time.Hour), 6*time.Hour
		}, []want{{policy.CoolingDown, false, "", "22:00", ""}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"outside a window", []int64{85, 20, 20}, func(l *policy.Limits, _ *cluster.View, _ *policy.Memory) {
			l.Windows = []policy.Window{night}
		}, []want{{policy.OutsideWindow, false, "", "22:00", "waits for a maintenance window"}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"after a step that failed", []int64{85, 20, 20}, func(_ *policy.Limits, _ *cluster.View, mem *policy.Memory) {
			mem.Members[0].FailedAt, mem.Members[0].Failures = now, 4
		}, []want{{policy.CoolingDown, false, "", "03:10", "came to nothing, 4 times"}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"paused here, which says nothing of the others", []int64{90, 20, 20}, func(_ *policy.Limits, v *cluster.View, _ *policy.Memory) {
			v.Pause = cluster.Pause{Until: now.Add(2 * time.Hour)}
		}, []want{{policy.Paused, false, "compact defragment", "05:00", "paused until"}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"paused here, work on another", []int64{20, 90, 20}, func(_ *policy.Limits, v *cluster.View, _ *policy.Memory) {
			v.Pause = cluster.Pause{Until: now.Add(2 * time.Hour)}
		}, []want{{reason: policy.BelowThreshold}, {policy.NearQuota, true, "compact defragment", "", ""}, {reason: policy.BelowThreshold}}},
		{"only observing", []int64{90, 20, 20}, func(l *policy.Limits, _ *cluster.View, _ *policy.Memory) {
			l.Observe = true
		}, []want{{policy.Observing, false, "compact defragment", "", ""}, {reason: policy.BelowThreshold}, {reason: policy.BelowThreshold}}},
		{"no watchdog has tickets for it", []int64{20, 90, 20}, func(l *policy.Limits, v *cluster.View, mem *policy.Memory) {
			v.Claims.Watched = []cluster.MemberID{1, 3}
			mem.Members[1].LargeSince = now.Add(-time.Minute)
		}, []want{{reason: policy.BelowThreshold}, {policy.AnotherMembersTurn, false, "", "03:01", "it is adopted"}, {reason: policy.BelowThreshold}}},
		{"silent", []int64{20, 90, 20}, func(_ *policy.Limits, v *cluster.View, _ *policy.Memory) {
			v.Members[1].Contact, v.Members[1].Problem = cluster.Silent, "connection refused"
		}, []want{{reason: policy.BelowThreshold}, {policy.MemberUnreachable, false, "", "", "connection refused"}, {reason: policy.BelowThreshold}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, v := policy.DefaultLimits(), explained(now, tt.files...)
			earlier := v.Clone()
			earlier.At = now.Add(-time.Second)
			mem := policy.Memory{}.WithLook(l, earlier).WithLook(l, v)
			if tt.edit != nil {
				tt.edit(&l, &v, &mem)
			}
			got := policy.Explain(l, now, v, mem)
			if len(got) != len(tt.want) {
				t.Fatalf("%d prospects", len(got))
			}
			for i, w := range tt.want {
				p := got[i]
				var kinds []string
				for _, s := range p.Steps {
					kinds = append(kinds, s.Kind.String())
				}
				earliest := ""
				if !p.Earliest.IsZero() {
					earliest = p.Earliest.Format("15:04")
				}
				if p.Reason != w.reason || p.Due != w.due || strings.Join(kinds, " ") != w.steps || earliest != w.earliest || !strings.Contains(p.Detail, w.detail) {
					t.Errorf("member %s: %s, due %t, %v, at %q: %s; want %+v", p.Member, p.Reason, p.Due, kinds, earliest, p.Detail, w)
				}
			}
		})
	}
}
