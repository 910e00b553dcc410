package event

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// look is one call of Update.
type look struct {
	at    time.Duration
	stand []Event
	want  string // kind, member's name and time, of each that is recorded
}

func TestConditions(t *testing.T) {
	near := func(m uint8, bytes int64) Event {
		return Event{Kind: NearQuota, Member: cluster.MemberID(m), MemberName: fmt.Sprintf("n%d", m), SizeBytes: bytes, Took: time.Minute}
	}
	worse := func(e Event, grade int) Event { e.Grade = grade; return e }
	silent := func(cause string) Event {
		return Event{Kind: MemberUnreachable, Member: 1, MemberName: "n1", Detail: cause}
	}
	lost := Event{Kind: NotQuorate, Detail: "two of three"}
	for name, looks := range map[string][]look{
		"begins at once, ends once": {
			{0, []Event{lost}, "not_quorate//0s"},
			{time.Second, []Event{lost}, ""},
			{2 * time.Second, nil, "condition_ended:not_quorate//2s"},
			{3 * time.Second, nil, ""},
		},
		"is repeated after an hour and then every six": {
			{0, []Event{lost}, "not_quorate//0s"},
			{time.Hour - 1, []Event{lost}, ""},
			{time.Hour, []Event{lost}, "not_quorate//1h0m0s"},
			{7*time.Hour - 1, []Event{lost}, ""},
			{7 * time.Hour, []Event{lost}, "not_quorate//7h0m0s"},
			{13 * time.Hour, []Event{lost}, "not_quorate//13h0m0s"},
		},
		"changed figures are no new condition": {
			{0, []Event{near(1, 100)}, "near_quota/n1/0s"},
			{time.Minute, []Event{near(1, 200)}, ""},
		},
		"one that comes on slowly is told again when it is worse than ever, and not by the clock": {
			{0, []Event{near(1, 70)}, "near_quota/n1/0s"},
			{7 * time.Hour, []Event{near(1, 79)}, ""},
			{8 * time.Hour, []Event{worse(near(1, 80), 1)}, "near_quota/n1/8h0m0s"},
			{9 * time.Hour, []Event{near(1, 79)}, ""},
			{10 * time.Hour, []Event{worse(near(1, 80), 1)}, ""},
			{11 * time.Hour, []Event{worse(near(1, 95), 3)}, "near_quota/n1/11h0m0s"},
			{12 * time.Hour, nil, "condition_ended:near_quota/n1/12h0m0s"},
		},
		"each member has its own": {
			{0, []Event{near(1, 1)}, "near_quota/n1/0s"},
			{time.Minute, []Event{near(1, 1), near(2, 1)}, "near_quota/n2/0s"},
			{2 * time.Minute, []Event{near(2, 1)}, "condition_ended:near_quota/n1/2m0s"},
		},
		"what ended and comes back begins anew": {
			{0, []Event{lost}, "not_quorate//0s"},
			{time.Minute, nil, "condition_ended:not_quorate//1m0s"},
			{2 * time.Minute, []Event{lost}, "not_quorate//0s"},
			{3 * time.Minute, nil, "condition_ended:not_quorate//1m0s"},
		},
		"ends come first, in order": {
			{0, []Event{lost, near(2, 1), near(1, 1)}, "not_quorate//0s near_quota/n2/0s near_quota/n1/0s"},
			{time.Second, []Event{{Kind: CorruptArmed}}, "condition_ended:not_quorate//1s condition_ended:near_quota/n1/1s condition_ended:near_quota/n2/1s corrupt_armed//0s"},
		},
		"another cause that lasts is told, once": {
			{0, []Event{silent("refused, 1 s")}, "member_unreachable/n1/0s"},
			{1 * time.Second, []Event{silent("refused, 2 s")}, ""},
			{2 * time.Second, []Event{silent("expired")}, ""},
			{3 * time.Second, []Event{silent("refused, 4 s")}, ""},
			{4 * time.Second, []Event{silent("expired")}, ""},
			{5 * time.Second, []Event{silent("expired")}, ""},
			{6 * time.Second, []Event{silent("expired")}, "member_unreachable/n1/6s"},
			{7 * time.Second, []Event{silent("expired")}, ""},
			{8 * time.Second, []Event{silent("refused, 9 s")}, ""},
			{9 * time.Second, []Event{silent("refused, 10 s")}, ""},
			{10 * time.Second, []Event{silent("refused, 11 s")}, ""},
			{time.Hour, []Event{silent("refused, 60 min")}, "member_unreachable/n1/1h0m0s"},
		},
		"twice the same is once": {
			{0, []Event{lost, lost}, "not_quorate//0s"},
		},
	} {
		t.Run(name, func(t *testing.T) { replay(t, looks) })
	}
}

// replay makes the calls one after the other and checks each.
func replay(t *testing.T, looks []look) {
	var c Conditions
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, l := range looks {
		given := slices.Clone(l.stand)
		var got []string
		for _, e := range c.Update(start.Add(l.at), l.stand) {
			kind := e.Kind.String()
			if e.Kind == ConditionEnded {
				kind += ":" + e.Condition
			}
			got = append(got, fmt.Sprintf("%s/%s/%s", kind, e.MemberName, e.Took))
		}
		if s := strings.Join(got, " "); s != l.want {
			t.Errorf("at %s: recorded %q, want %q", l.at, s, l.want)
		}
		if !slices.Equal(given, l.stand) {
			t.Errorf("at %s: the argument was changed", l.at)
		}
	}
}
