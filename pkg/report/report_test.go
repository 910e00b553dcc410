package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/report"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

var now = time.Date(2026, 5, 4, 3, 0, 0, 0, time.UTC)

// facts are those of three healthy, watched members whose daemon runs here.
func facts() report.Facts {
	f := report.Facts{Limits: policy.DefaultLimits(), StateDir: "/state", Running: true}
	f.State = state.Record{PolledAt: now.Add(-20 * time.Second), Decision: state.Decision{At: now.Add(-20 * time.Second), Reason: policy.BelowThreshold}}
	f.View = cluster.View{At: now, ClusterID: 0xabc, Local: 1, Claims: cluster.Claims{Known: true, Enrolled: true, Watched: []cluster.MemberID{1, 2, 3}}}
	for id := range cluster.MemberID(3) {
		id++
		f.View.Members = append(f.View.Members, cluster.Member{
			ID: id, Name: string(rune('d' - rune(id))), Contact: cluster.Answered, Version: "3.6.16", Leader: 2, RaftTerm: 1, Revision: 9, AppliedIndex: 9,
			SizeBytes: 20 << 20, InUseBytes: 10 << 20, Quota: cluster.Quota{Bytes: 100 << 20, Source: cluster.QuotaLearnt},
		})
		f.Watchers = append(f.Watchers, claim.Watcher{Member: id, Host: "db" + id.String(), Tickets: 16})
	}
	return f
}

func TestSeverity(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*report.Facts)
		want report.Severity
		code string // of the worst finding
	}{
		{"healthy", func(*report.Facts) {}, report.Fine, ""},
		{"near the quota", func(f *report.Facts) { f.View.Members[1].SizeBytes = 75 << 20 }, report.Warning, "near_quota"},
		{"urgent", func(f *report.Facts) { f.View.Members[1].SizeBytes = 96 << 20 }, report.Critical, "urgent"},
		{"a large file without a quota", func(f *report.Facts) {
			f.View.Members[1].SizeBytes, f.View.Members[1].Quota.Bytes = 1<<40, -1
		}, report.Fine, ""},
		{"NOSPACE", func(f *report.Facts) { f.View.Alarms = []cluster.Alarm{{Member: 1, Kind: cluster.AlarmNoSpace}} }, report.Critical, "nospace_armed"},
		{"CORRUPT", func(f *report.Facts) { f.View.Alarms = []cluster.Alarm{{Member: 1, Kind: cluster.AlarmCorrupt}} }, report.Critical, "corrupt_armed"},
		{"a member is silent", func(f *report.Facts) {
			f.View.Members[2].Contact, f.View.Members[2].Problem = cluster.Silent, "refused"
		}, report.Warning, "member_unreachable"},
		{"a member answers as another", func(f *report.Facts) { f.View.Members[2].Contact = cluster.Mismatched }, report.Critical, "identity_mismatch"},
		{"no quorum", func(f *report.Facts) {
			for i := range 2 {
				f.View.Members[1+i].Contact = cluster.Silent
			}
		}, report.Critical, "not_quorate"},
		{"nobody answers", func(f *report.Facts) {
			for i := range f.View.Members {
				f.View.Members[i].Contact, f.View.Members[i].Problem = cluster.Silent, "refused"
			}
		}, report.Unknown, "member_unreachable"},
		{"no member list", func(f *report.Facts) { f.View.Members, f.View.Problem = nil, "refused" }, report.Unknown, ""},
		{"nobody watches a member", func(f *report.Facts) { f.Watchers = f.Watchers[:2] }, report.Warning, "member_not_watched"},
		{"nobody has to, where all observe", func(f *report.Facts) { f.Watchers, f.Limits.Observe = nil, true }, report.Fine, ""},
		{"the daemon is down", func(f *report.Facts) { f.Running = false }, report.Warning, "daemon_not_running"},
		{"no daemon on this host", func(f *report.Facts) { f.Running, f.State = false, state.Record{} }, report.Fine, ""},
		{"the daemon's verdict", func(f *report.Facts) { f.State.Decision.Reason = policy.LiveDataTooLarge }, report.Critical, "live_data_too_large"},
		{"the daemon's verdict of yesterday", func(f *report.Facts) {
			f.State.Decision = state.Decision{At: now.Add(-24 * time.Hour), Reason: policy.LiveDataTooLarge}
		}, report.Fine, ""},
		{"tickets that can't be read", func(f *report.Facts) {
			f.View.Claims, f.Watchers, f.Unread = cluster.Claims{}, nil, "permission denied"
		}, report.Warning, "tickets_unread"},
		{"paused", func(f *report.Facts) { f.View.Pause = cluster.Pause{Until: now.Add(time.Hour)} }, report.Fine, "paused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := facts()
			tt.edit(&f)
			f.Memory = f.Memory.WithLook(f.Limits, f.View)
			f.Decision = policy.Decide(f.Limits, now, f.View, f.Memory)
			s := report.NewStatus(f)
			code := ""
			if len(s.Findings) > 0 {
				code = s.Findings[0].Code
			}
			if s.Status != tt.want || code != tt.code {
				t.Errorf("%s, %+v; want %s, %s first", s.Status, s.Findings, tt.want, tt.code)
			}
			if p := report.NewPlan(f); p.Status != s.Status {
				t.Errorf("plan says %s, status %s", p.Status, s.Status)
			}
		})
	}
}

// TestTableActsOnNothing: the text of a server comes escaped, and colour only
// where it is wanted.
func TestTableActsOnNothing(t *testing.T) {
	f := facts()
	f.View.Members[0].Name, f.View.Members[0].Version = "evil\x1b[2J", "3\n6"
	f.Watchers[0].Host, f.Watchers[0].Holds = "db\x07", true
	f.View.Claims.Holder = "db\x07"
	f.View.Members[1].SizeBytes = 96 << 20
	f.State.Decision.Detail = "x\x1b]0;y"
	escape := func(s string) string {
		return strings.NewReplacer("\x1b", "^[", "\x07", "^G", "\n", "^J").Replace(s)
	}
	for _, color := range []bool{false, true} {
		var b strings.Builder
		if err := report.NewStatus(f).WriteTable(&b, report.Style{Color: color, Escape: escape}); err != nil {
			t.Fatal(err)
		}
		if err := report.NewPlan(f).WriteTable(&b, report.Style{Color: color, Escape: escape}); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		for _, mine := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
			if color {
				out = strings.ReplaceAll(out, mine, "")
			}
		}
		if i := strings.IndexFunc(out, func(r rune) bool { return r < ' ' && r != '\n' }); i >= 0 {
			t.Errorf("colour %t: a control character in %q", color, out[max(0, i-20):i+1])
		}
		if got := strings.Contains(out, "██████████ 96 %"); got != color {
			t.Errorf("colour %t: a bar %t:\n%s", color, got, out)
		}
		for _, want := range []string{`evil^[[2J`, "3^J6", "db^G (holds the claim)", "96 %", "claim: held by db^G", "x^[]0;y"} {
			if !strings.Contains(out, want) {
				t.Errorf("colour %t: %q is not in\n%s", color, want, out)
			}
		}
	}
}

func TestWhatWasLearntIsShown(t *testing.T) {
	f := facts()
	f.Memory.Members = []policy.MemberMemory{{ID: 1, WorkedAt: now.Add(-time.Hour), WonBytes: 5 << 20, Cooldown: 6 * time.Hour}, {ID: 2, WorkedAt: now.Add(-time.Hour), Cooldown: time.Minute}}
	s := report.NewStatus(f)
	byID := map[string]report.Member{}
	for _, m := range s.Members {
		byID[m.MemberID] = m
	}
	if m := byID["1"]; m.LastWork == nil || m.LastWork.WonBytes != 5<<20 || m.CooldownEnds == nil || *m.CooldownEnds != 5*3600 {
		t.Errorf("of a member that cools down: %+v", m)
	}
	if m := byID["2"]; m.LastWork == nil || m.CooldownEnds != nil || m.Role != "leader" {
		t.Errorf("of a leader that has cooled down: %+v", m)
	}
	if m := byID["3"]; m.LastWork != nil || m.Growth != nil || m.TimeToQuota != nil {
		t.Errorf("of a member nothing is known of: %+v", m)
	}
	if s.Members[0].MemberID != "3" {
		t.Errorf("not in order of the names: %+v", s.Members)
	}
}
