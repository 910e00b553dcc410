package policy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// TestPausedWatchdogBeginsNothing: it decides as ever, says what it would do, and
// does it as soon as the pause is over.
func TestPausedWatchdogBeginsNothing(t *testing.T) {
	now := time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)
	v := cluster.View{At: now, ClusterID: 1, Local: 1, Alarms: []cluster.Alarm{{Member: 1, Kind: cluster.AlarmNoSpace}}}
	v.Members = []cluster.Member{{
		ID: 1, Name: "a", Contact: cluster.Answered, Version: "3.6.5", Leader: 1, RaftTerm: 1, Revision: 9, AppliedIndex: 9,
		SizeBytes: 100, InUseBytes: 10, Quota: cluster.Quota{Bytes: 100, Source: cluster.QuotaLearnt},
	}}
	l := policy.DefaultLimits()
	mem := policy.Memory{}.WithLook(l, v)
	want := policy.Decide(l, now, v, mem)
	if !want.Acts() {
		t.Fatalf("not paused: %+v", want)
	}
	v.Pause = cluster.Pause{Since: now.Add(-time.Hour), Until: now.Add(time.Hour), Reason: "backup"}
	d := policy.Decide(l, now, v, mem)
	if d.Acts() || d.Reason != policy.Paused || !strings.Contains(d.Detail, "until 2026-05-04T04:00:00Z (backup); would compact at revision 9") {
		t.Errorf("paused: %s: %s, steps %v", d.Reason, d.Detail, d.Steps)
	}
	stands := func(d policy.Decision) int {
		return len(slices.DeleteFunc(slices.Clone(d.Standing), func(c policy.Condition) bool { return c.Reason != policy.Paused }))
	}
	if n := stands(d); n != 1 {
		t.Errorf("paused stands %d times: %v", n, d.Standing)
	}
	v.Alarms = nil
	if d := policy.Decide(l, now, v, policy.Memory{}); stands(d) != 1 {
		t.Errorf("with nothing to do paused stands %d times: %v", stands(d), d.Standing)
	}
	if d := policy.Decide(l, v.Pause.Until, v, mem); d.Reason == policy.Paused || stands(d) != 0 {
		t.Errorf("at the end: %s, %v", d.Reason, d.Standing)
	}
}
