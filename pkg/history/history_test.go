package history_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event/eventtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/history"
)

var noon = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

// host is one that runs a process after the other.
type host struct {
	now    time.Time
	kept   history.Log
	keeper *history.Keeper
	events eventtest.Memory
}

// restart begins a process with what the one before has kept, by way of JSON.
func (h *host) restart(t *testing.T) {
	t.Helper()
	text, err := json.Marshal(h.kept)
	if err != nil {
		t.Fatal(err)
	}
	var earlier history.Log
	if err := json.Unmarshal(text, &earlier); err != nil {
		t.Fatal(err)
	}
	h.keeper = history.NewKeeper(earlier, func() time.Time { return h.now })
}

func (h *host) record(events ...event.Event) {
	for _, e := range events {
		h.keeper.Recorder(&h.events).Record(e)
	}
	h.kept = h.keeper.Log()
}

func (h *host) settle(standing ...event.Event) {
	h.keeper.Settle(h.now, standing)
	h.kept = h.keeper.Log()
}

func running(t *testing.T) *host {
	t.Helper()
	h := &host{now: noon}
	h.restart(t)
	return h
}

// story is the log in few words.
func story(l history.Log) string {
	var b strings.Builder
	for _, w := range l.Work {
		fmt.Fprintf(&b, "%s %s %s %s %d>%d %gs\n", w.EndedAt.Format("15:04:05"), w.Kind, w.MemberName, w.Outcome, w.BeforeBytes, w.AfterBytes, w.Seconds)
	}
	for _, c := range l.Conditions {
		ended := "stands"
		if !c.EndedAt.IsZero() {
			ended = c.EndedAt.Format("15:04:05")
		}
		fmt.Fprintf(&b, "%s to %s %s %s", c.BeganAt.Format("15:04:05"), ended, c.Condition, c.MemberName)
		if c.EndUnseen {
			b.WriteString(" unseen")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func want(t *testing.T, h *host, lines ...string) {
	t.Helper()
	if got := strings.TrimSpace(story(h.kept)); got != strings.Join(lines, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(lines, "\n"))
	}
}

func TestWorkIsKept(t *testing.T) {
	h := running(t)
	h.record(
		event.Event{Kind: event.CompactionCompleted, Member: 1, MemberName: "m1", InUseBytes: 30, WonBytes: 70, Took: time.Second},
		event.Event{Kind: event.DefragmentationStarted, Member: 1, MemberName: "m1", BeforeBytes: 100},
		event.Event{Kind: event.DefragmentationCompleted, Member: 1, MemberName: "m1", BeforeBytes: 100, SizeBytes: 30, Took: 1500 * time.Millisecond},
		event.Event{Kind: event.DefragmentationFailed, Member: 2, MemberName: "m2", BeforeBytes: 100, SizeBytes: 100, Error: "no space left"},
		event.Event{Kind: event.DefragmentationStarted, Member: 3, MemberName: "m3", BeforeBytes: 90},
	)
	h.now = h.now.Add(40 * time.Second)
	h.record(
		event.Event{Kind: event.DefragmentationUnknown, Member: 2, MemberName: "m2"}, // of an earlier process
		event.Event{Kind: event.DefragmentationUnknown, Member: 3, MemberName: "m3"},
		event.Event{Kind: event.Polled}, event.Event{Kind: event.RoutineCompaction},
	)
	want(t, h, "12:00:00 compact m1 done 100>30 1s", "12:00:00 defragment m1 done 100>30 1.5s", "12:00:00 defragment m2 failed 100>0 0s",
		"12:00:40 defragment m3 unknown 90>0 40s", "12:00:40 to stands defragmentation_unknown m2", "12:00:40 to stands defragmentation_unknown m3")
	if n := len(h.events.Events()); n != 9 {
		t.Errorf("%d events were handed on, want 9", n)
	}
}

func TestAConditionHasABeginningAndAnEnd(t *testing.T) {
	h := running(t)
	h.record(event.Event{Kind: event.NearQuota, Member: 1, MemberName: "m1"})
	h.now = h.now.Add(time.Hour)
	h.record(event.Event{Kind: event.NearQuota, Member: 1, MemberName: "m1", Took: time.Hour}) // it is repeated
	h.now = h.now.Add(time.Minute)
	h.record(event.Event{Kind: event.ConditionEnded, Condition: "near_quota", Member: 1, Took: time.Hour + time.Minute})
	h.record(event.Event{Kind: event.NearQuota, Member: 1, MemberName: "m1"})
	want(t, h, "12:00:00 to 13:01:00 near_quota m1", "13:01:00 to stands near_quota m1")
}

// What ended while the daemon was down is closed at its next poll; what stands
// goes on; and what is not reported any more ends too.
func TestConditionsOverARestart(t *testing.T) {
	h := running(t)
	h.record(event.Event{Kind: event.NospaceArmed}, event.Event{Kind: event.NearQuota, Member: 1, MemberName: "m1"}, event.Event{Kind: event.MemberCatchingUp, Member: 2, MemberName: "m2"})
	h.now = h.now.Add(time.Hour)
	h.restart(t)
	h.record(event.Event{Kind: event.NearQuota, Member: 1, MemberName: "m1"}) // as each process reports it once
	h.settle(event.Event{Kind: event.NearQuota, Member: 1}, event.Event{Kind: event.MemberCatchingUp, Member: 2})
	want(t, h, "12:00:00 to 13:00:00 nospace_armed  unseen", "12:00:00 to stands near_quota m1", "12:00:00 to stands member_catching_up m2")
	h.now = h.now.Add(10 * time.Second)
	h.settle(event.Event{Kind: event.NearQuota, Member: 1}) // before this process has reported the other
	want(t, h, "12:00:00 to 13:00:00 nospace_armed  unseen", "12:00:00 to stands near_quota m1", "12:00:00 to 13:00:10 member_catching_up m2")
}

func TestTheHistoryIsBounded(t *testing.T) {
	h := running(t)
	h.record(event.Event{Kind: event.CorruptArmed}) // stands all the time
	long := strings.Repeat("\xffä", 1000)
	for i := range 1000 {
		h.now = noon.Add(time.Duration(i) * time.Minute)
		h.record(
			event.Event{Kind: event.DefragmentationFailed, Member: 1, MemberName: long, Error: long},
			event.Event{Kind: event.NearQuota, Member: 1, MemberName: long, Detail: long},
			event.Event{Kind: event.ConditionEnded, Condition: "near_quota", Member: 1},
		)
	}
	text, err := json.Marshal(h.kept)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the longest history takes %d bytes", len(text))
	if len(h.kept.Work) != 200 || len(h.kept.Conditions) != 200 || len(text) > 512<<10 {
		t.Errorf("%d pieces of work, %d conditions, %d bytes", len(h.kept.Work), len(h.kept.Conditions), len(text))
	}
	if h.kept.Conditions[0].Condition != "corrupt_armed" {
		t.Error("what stands was dropped for what has ended")
	}
	h.now = h.now.Add(91 * 24 * time.Hour)
	h.restart(t)
	h.record()
	if len(h.kept.Work) != 0 || len(h.kept.Conditions) != 1 {
		t.Errorf("after 91 days %d pieces of work and %d conditions are left, want what stands alone", len(h.kept.Work), len(h.kept.Conditions))
	}
}
