package etcd

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

func TestParseAlarm(t *testing.T) {
	const id = 10501334649042878790
	noSpace := cluster.Alarm{Member: id, Kind: cluster.AlarmNoSpace}
	for _, tc := range []struct {
		entry   string
		alarm   cluster.Alarm
		isAlarm bool
		unclear bool
	}{
		{entry: "memberID:10501334649042878790 alarm:NOSPACE ", alarm: noSpace, isAlarm: true},
		{entry: "memberID:10501334649042878790  alarm:NOSPACE", alarm: noSpace, isAlarm: true},
		{entry: "memberID:10501334649042878790 alarm:NOSPACE", alarm: noSpace, isAlarm: true},
		{entry: "memberID: 10501334649042878790 alarm: NOSPACE", alarm: noSpace, isAlarm: true},
		{entry: "alarm:NOSPACE memberID:10501334649042878790", alarm: noSpace, isAlarm: true},
		{entry: "memberID:10501334649042878790 alarm:CORRUPT ", alarm: cluster.Alarm{Member: id, Kind: cluster.AlarmCorrupt}, isAlarm: true},
		{entry: "memberID:7 alarm:3", alarm: cluster.Alarm{Member: 7, Kind: cluster.AlarmOther}, isAlarm: true},
		{entry: "etcdserver: no leader"},
		{entry: ""},
		{entry: "memberID:7", isAlarm: true, unclear: true},
		{entry: "alarm:NOSPACE", alarm: cluster.Alarm{Kind: cluster.AlarmNoSpace}, isAlarm: true},
		{entry: "alarm:CORRUPT ", alarm: cluster.Alarm{Kind: cluster.AlarmCorrupt}, isAlarm: true},
		{entry: "memberID:0 alarm:NOSPACE", alarm: cluster.Alarm{Kind: cluster.AlarmNoSpace}, isAlarm: true},
		{entry: "alarm:", isAlarm: true, unclear: true},
		{entry: "memberID:ffee alarm:NOSPACE", isAlarm: true, unclear: true},
		{entry: "memberID:99999999999999999999 alarm:NOSPACE", isAlarm: true, unclear: true},
		{entry: "memberID:7 alarm:NOSPACE since:12", isAlarm: true, unclear: true},
		{entry: "memberID:7 alarm:NOSPACE alarm:CORRUPT", isAlarm: true, unclear: true},
		{entry: "memberID:7 memberID:8 alarm:NOSPACE", isAlarm: true, unclear: true},
	} {
		alarm, isAlarm, err := parseAlarm(tc.entry)
		if alarm != tc.alarm || isAlarm != tc.isAlarm || (err != nil) != tc.unclear {
			t.Errorf("parseAlarm(%q) = %v, %t, %v; want %v, %t, unclear %t", tc.entry, alarm, isAlarm, err, tc.alarm, tc.isAlarm, tc.unclear)
		}
	}
}

func TestAnEntryThatIsNotUnderstoodStandsForAnotherAlarm(t *testing.T) {
	alarms, clear := parseAlarms(5, []string{"etcdserver: no leader", "memberID:7 alarm:NOSPACE ", "memberID:8 alarm:NOSPACE why:quota"})
	want := []cluster.Alarm{{Member: 7, Kind: cluster.AlarmNoSpace}, {Member: 5, Kind: cluster.AlarmOther}}
	if !slices.Equal(alarms, want) || clear {
		t.Errorf("alarms %v, clear %t; want %v and false", alarms, clear, want)
	}
}

func FuzzParseAlarm(f *testing.F) {
	f.Add("memberID:10501334649042878790 alarm:NOSPACE ", uint64(1), 1)
	f.Add("memberID:1  alarm:CORRUPT", uint64(10501334649042878790), 2)
	f.Add("etcdserver: no leader", uint64(9), 3)
	f.Fuzz(func(t *testing.T, entry string, id uint64, spaces int) {
		alarm, isAlarm, err := parseAlarm(entry)
		switch {
		case err != nil && (!isAlarm || alarm != cluster.Alarm{}):
			t.Errorf("%q: an error beside %v, %t", entry, alarm, isAlarm)
		case err == nil && isAlarm && alarm.Kind == cluster.AlarmNoSpace && !strings.Contains(entry, "NOSPACE"):
			t.Errorf("%q: NOSPACE out of nothing", entry)
		}
		if id == 0 || spaces < 1 || spaces > 8 {
			return
		}
		written := fmt.Sprintf("memberID:%d%salarm:NOSPACE ", id, strings.Repeat(" ", spaces))
		want := cluster.Alarm{Member: cluster.MemberID(id), Kind: cluster.AlarmNoSpace}
		if got, isAlarm, err := parseAlarm(written); got != want || !isAlarm || err != nil {
			t.Errorf("parseAlarm(%q) = %v, %t, %v; want %v", written, got, isAlarm, err, want)
		}
	})
}
