package cluster_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

func TestMemberID(t *testing.T) {
	const id = cluster.MemberID(0x8e9e05c52164694d)
	if got := id.String(); got != "8e9e05c52164694d" {
		t.Errorf("%s", got)
	}
	for text, want := range map[string]cluster.MemberID{
		"8e9e05c52164694d": id, "1": 1, "FF": 255, "ffffffffffffffff": math.MaxUint64,
		"0": 0, "": 0, "0x1": 0, "-1": 0, "g": 0, "1ffffffffffffffff": 0, " 1": 0,
	} {
		got, err := cluster.ParseMemberID(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}

func TestQuota(t *testing.T) {
	for _, tt := range []struct {
		quota                        cluster.Quota
		trusted, unlimited, conflict bool
	}{
		{cluster.Quota{Bytes: cluster.DefaultQuotaBytes}, false, false, false},
		{cluster.Quota{Bytes: 1, Source: cluster.QuotaConfigured, ConfiguredBytes: 1}, true, false, false},
		{cluster.Quota{Bytes: 1, Source: cluster.QuotaLearnt}, true, false, false},
		{cluster.Quota{Bytes: 1, Source: cluster.QuotaLearnt, ConfiguredBytes: 1}, true, false, false},
		{cluster.Quota{Bytes: 1, Source: cluster.QuotaLearnt, ConfiguredBytes: 2}, true, false, true},
		{cluster.Quota{Bytes: -1, Source: cluster.QuotaLearnt}, true, true, false},
	} {
		if q := tt.quota; q.Trusted() != tt.trusted || q.Unlimited() != tt.unlimited || q.Conflict() != tt.conflict {
			t.Errorf("%+v: trusted %v, unlimited %v, conflict %v", q, q.Trusted(), q.Unlimited(), q.Conflict())
		}
	}
}

func TestUsage(t *testing.T) {
	m := cluster.Member{SizeBytes: 90, InUseBytes: 30, Quota: cluster.Quota{Bytes: 100}}
	if m.Usage() != 0.9 || m.InUseUsage() != 0.3 || m.ReclaimableBytes() != 60 {
		t.Errorf("usage %v, in use %v, reclaimable %d", m.Usage(), m.InUseUsage(), m.ReclaimableBytes())
	}
	m.Quota.Bytes, m.InUseBytes = -1, 100 // in use is measured apart from the file, and may be ahead
	if m.Usage() != 0 || m.InUseUsage() != 0 || m.ReclaimableBytes() != 0 {
		t.Errorf("without a quota: usage %v, in use %v; reclaimable %d", m.Usage(), m.InUseUsage(), m.ReclaimableBytes())
	}
}

// The leader is whom more than half of the voters name in one term.
func TestLeader(t *testing.T) {
	voter := func(leader cluster.MemberID, term uint64) cluster.Member {
		return cluster.Member{Contact: cluster.Answered, Leader: leader, RaftTerm: term}
	}
	learner, silent := voter(1, 2), voter(1, 2)
	learner.Learner, silent.Contact = true, cluster.Silent
	for name, tt := range map[string]struct {
		members []cluster.Member
		want    cluster.MemberID
	}{
		"nobody":                       {nil, 0},
		"one":                          {[]cluster.Member{voter(1, 2)}, 1},
		"one that knows none":          {[]cluster.Member{voter(0, 2)}, 0},
		"three of three":               {[]cluster.Member{voter(1, 2), voter(1, 2), voter(1, 2)}, 1},
		"two of three":                 {[]cluster.Member{voter(1, 2), silent, voter(1, 2)}, 1},
		"one of three":                 {[]cluster.Member{voter(1, 2), silent, silent}, 0},
		"one of two":                   {[]cluster.Member{voter(1, 2), silent}, 0},
		"two of four":                  {[]cluster.Member{voter(1, 2), voter(1, 2), silent, silent}, 0},
		"two of three, in two terms":   {[]cluster.Member{voter(1, 2), voter(1, 0), silent}, 1},
		"the newer of two":             {[]cluster.Member{voter(1, 2), voter(3, 3), voter(3, 3)}, 3},
		"none knows any":               {[]cluster.Member{voter(0, 2), voter(0, 2), voter(0, 2)}, 0},
		"a learner has no say":         {[]cluster.Member{voter(1, 2), silent, silent, learner}, 0},
		"nor does it count as a voter": {[]cluster.Member{voter(1, 2), learner, learner}, 1},
	} {
		for i := range tt.members {
			tt.members[i].ID = cluster.MemberID(i + 1)
		}
		if got := (cluster.View{Members: tt.members}).Leader(); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

func testView() cluster.View {
	return cluster.View{
		Members: []cluster.Member{
			{ID: 2, ClientURLs: []string{"http://a:2379"}, AppliedIndex: 7, Revision: 30},
			{ID: 5, Learner: true, AppliedIndex: 9, Revision: 20},
			{ID: 8, AppliedIndex: 8, Revision: 40},
		},
		Alarms: []cluster.Alarm{{Member: 2, Kind: cluster.AlarmNoSpace}},
		Claims: cluster.Claims{Watched: []cluster.MemberID{2}, Own: []cluster.MemberID{2}},
	}
}

func TestView(t *testing.T) {
	v := testView()
	for id, want := range map[cluster.MemberID]bool{0: false, 1: false, 2: true, 5: true, 6: false, 8: true, 9: false} {
		if m, found := v.Member(id); found != want || want && m.ID != id {
			t.Errorf("member %s: found %v, %s", id, found, m.ID)
		}
	}
	if voters := v.Voters(); len(voters) != 2 || voters[0].ID != 2 || voters[1].ID != 8 {
		t.Errorf("voters: %+v", voters)
	}
	if v.AppliedIndex() != 9 || v.Revision() != 40 {
		t.Errorf("applied index %d, revision %d", v.AppliedIndex(), v.Revision())
	}
	if !v.Alarmed(cluster.AlarmNoSpace) || v.Alarmed(cluster.AlarmCorrupt) {
		t.Error("NOSPACE is listed, and nothing else")
	}
	if !reflect.DeepEqual(v, testView()) {
		t.Error("a question has changed the view")
	}
}

func TestClone(t *testing.T) {
	v := testView()
	c := v.Clone()
	if !reflect.DeepEqual(v, c) {
		t.Fatalf("%+v", c)
	}
	c.Members[0].SizeBytes, c.Members[0].ClientURLs[0], c.Alarms[0].Member, c.Claims.Watched[0], c.Claims.Own[0] = 1, "", 9, 9, 9
	if !reflect.DeepEqual(v, testView()) {
		t.Error("the copy shares something with what it was made of")
	}
}

func TestFormatBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1: "1 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.50 KiB", 10 << 10: "10 KiB", 10<<10 + 512: "10.5 KiB",
		99<<10 + 512: "99.5 KiB", 100<<10 + 512: "100 KiB", 1 << 20: "1 MiB", 512 << 20: "512 MiB", 1<<20 - 1: "1.00 MiB",
		2 << 30: "2 GiB", 1 << 40: "1 TiB", -2048: "-2 KiB", math.MaxInt64: "8 EiB",
	} {
		if got := cluster.FormatBytes(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// The words are those of etcd, and what a dry run prints.
func TestWords(t *testing.T) {
	for got, want := range map[string]string{
		cluster.AlarmNoSpace.String():    "NOSPACE",
		cluster.AlarmCorrupt.String():    "CORRUPT",
		cluster.AlarmOther.String():      "OTHER",
		cluster.QuotaLearnt.String():     "learnt",
		cluster.QuotaConfigured.String(): "configured",
		cluster.QuotaAssumed.String():    "assumed",
		cluster.Step{Kind: cluster.StepCompact, Member: 10, Revision: 7}.String():                "compact at revision 7, waiting for member a",
		cluster.Step{Kind: cluster.StepMoveLeader, Member: 10, To: 11}.String():                  "move the leadership from member a to member b",
		cluster.Step{Kind: cluster.StepDefragment, Member: 10}.String():                          "defragment member a",
		cluster.Step{Kind: cluster.StepDisarm, Member: 10, Alarm: cluster.AlarmNoSpace}.String(): "disarm the NOSPACE alarm of member a",
		cluster.StepCompact.String() + cluster.StepMoveLeader.String():                           "compactmove-leader",
		cluster.StepDefragment.String() + cluster.StepDisarm.String() + cluster.Step{}.String():  "defragmentdisarmstep(0)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
