package policy_test

import (
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Versions with known faults: some keep voluntary work from being done, some
// are only told of; under NOSPACE each is worked on, with the risk named.
func TestFaultyVersions(t *testing.T) {
	const refuses, crash, disk, snapshot, none = true, "a crash during a defragmentation", "a disk that fills up", "receives a snapshot", ""
	for version, tt := range map[string]struct {
		refused bool
		risk    string
	}{
		"3.4.20": {false, disk}, "3.4.34": {false, disk}, "3.4.35": {false, snapshot}, "3.4.37": {false, snapshot}, "3.4.38": {false, none},
		"3.5.0": {refuses, crash}, "3.5.2": {refuses, crash}, "3.5.5": {refuses, crash}, "3.5.6": {false, disk}, "3.5.16": {false, disk},
		"3.5.17": {false, snapshot}, "3.5.22": {false, snapshot}, "3.5.23": {false, none}, "3.5.35": {false, none},
		"3.6.0": {false, snapshot}, "3.6.4": {false, snapshot}, "3.6.5": {false, none}, "3.6.16": {false, none}, "3.7.3": {false, none}, "4.0.0": {false, none},
	} {
		t.Run(version, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 2; members 3 100/100 of 500 version " + version + "; member 2 450/100; look")
			w := s.watchdogs[0]
			if tt.refused != (brief(w.decision) == "version_guard 2") || !tt.refused && !strings.Contains(brief(w.decision), "defragment 2 [claim]") {
				t.Errorf("decided %s", brief(w.decision))
			}
			if tt.refused && !strings.Contains(w.decision.Detail, "m2 (2) runs etcd "+version) || !tt.refused && !strings.Contains(w.decision.Risk, tt.risk) {
				t.Errorf("told is %q, and the risk %q", w.decision.Detail, w.decision.Risk)
			}
			stands := false
			for _, c := range w.decision.Standing {
				stands = stands || c.Reason == policy.VersionGuard && c.Member == 2
			}
			if stands != (tt.risk != none) || tt.risk == none && w.decision.Risk != "" {
				t.Errorf("lasting: %+v, risk %q", w.decision.Standing, w.decision.Risk)
			}
			s.run("member 1 500/100; alarm 1; member 2 500/100; enrolled none; compacted; look; wait 2m; look; do 2; look; wait 15s; look; wait 6s; compacted; look; wait 15s; compacted")
			if d := s.look(w); !strings.Contains(brief(d), "defragment") || !strings.Contains(d.Risk, tt.risk) {
				t.Errorf("under NOSPACE: %s, with the risk %q", brief(d), d.Risk)
			}
		})
	}
}

// While the servers change their version, what can wait waits.
func TestVersionsThatChange(t *testing.T) {
	const large = "watch 2; members 3 100/100 of 500; member 2 450/100;"
	work := []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}
	refused := []string{"version_guard"}
	tell(t, []story{
		{"another minor version", large + "member 3 version 3.7.3", refused},
		{"an older one", large + "member 1 version 3.5.35", refused},
		{"another patch", large + "member 3 version 3.6.15", work},
		{"of a voter that does not answer nobody knows", large + "member 3 version 3.7.3 silent", []string{"member_unreachable 3"}},
		{"a learner's", large + "member 4 learner 100/100 of 500 version 3.7.3", work},
		{"a downgrade", large + "member 1 downgrade 3.5.0", refused},
		{"that has been cancelled", large + "member 1 downgrade 3.5.0; look; member 1 downgrade none", work},
		{"not even what is urgent", large + "member 2 490/100; member 3 version 3.7.3", refused},
		{"nor what was asked for now", large + "limit immediate true; member 3 version 3.7.3", refused},
		{"history is given up all the same", large + "member 2 450/300; member 3 version 3.7.3", []string{"near_quota 2: compact 2@4000"}},
		{"under NOSPACE there is no waiting", large + "member 2 513/100; member 3 version 3.7.3; alarm 2; compacted", []string{"nospace_armed 2: defragment 2 [claim] urgent"}},
	})
}

// The member's disk has to hold the new file and a reserve of a tenth, 64 MiB at
// least. Only that of this host is known.
func TestDiskTooSmall(t *testing.T) {
	const large = "watch 2; members 3 100/100 of 500; member 2 450/100;"
	const full = "watch 2; members 3 100/100 of 500; member 2 500/100; alarm 2; compacted;"
	work := []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}
	healed := []string{"nospace_armed 2: defragment 2 [claim] urgent"}
	refused := []string{"disk_too_small 2"}
	tell(t, []story{
		{"room enough", large + "disk 2 164", work},
		{"not quite", large + "disk 2 163", refused},
		{"nobody knows", large + "disk 2 0; disk 2 unknown", work},
		{"a tenth of a large one", "watch 2; members 3 100/100 of 5000; member 2 4500/1000; disk 2 1099", refused},
		{"and room for it", "watch 2; members 3 100/100 of 5000; member 2 4500/1000; disk 2 1100; limit stall-budget 1h", []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}},
		{"what is urgent fits no better", large + "member 2 490/100; disk 2 163", refused},
		{"nor what was asked for now", large + "limit immediate true; disk 2 163", refused},
		{"under NOSPACE", full + "disk 2 163", refused},
		{"under NOSPACE, with room", full + "disk 2 164", healed},
		{"compaction needs none", "watch 2; members 3 100/100 of 500; member 2 500/100; alarm 2; disk 2 0", []string{"nospace_armed 2: compact 2@5000 urgent"}},
		{"nor does disarming", "watch 2; members 3 100/100 of 500; alarm 2; disk 2 0", []string{"nospace_armed 2: disarm 2 urgent"}},
		{"another member has a disk of its own", "watch 2; members 3 100/100 of 500; member 3 450/100; disk 2 0; look; wait 2m", []string{"adopted 3: compact 3@4000, defragment 3 [claim]"}},
	})
	s := newStage(t)
	s.run(large + "disk 2 163; look")
	if d := s.watchdogs[0].decision; !strings.Contains(d.Detail, "needs 164 MiB") || !strings.Contains(d.Detail, "163 MiB are free") {
		t.Errorf("told is %q", d.Detail)
	}
}

// maintenance.mode: observe does nothing, ever (see decide), and says what would
// be done.
func TestObserve(t *testing.T) {
	const observe = "limit observe true;"
	for script, want := range map[string][]string{
		"members 3 100/100 of 500; member 1 300/300":                                          {"observing 1", "would compact at revision 4000, waiting for member 1 (near_quota)"},
		"watch 2; members 3 100/100 of 500; member 2 450/100":                                 {"observing 2", "would compact at revision 4000, waiting for member 2, defragment member 2 (near_quota)"},
		"members 3 500/400 of 500; alarm 1":                                                   {"observing 1", "would compact at revision 5000, waiting for member 1 (nospace_armed)"},
		"members 3 100/100 of 500; alarm 1":                                                   {"observing 1", "would disarm the NOSPACE alarm of member 1 (nospace_armed)"},
		"members 3 100/100 of 500; member 1 450/100":                                          {"observing 1", "move the leadership from member 1 to member 2, defragment member 1 (near_quota)"},
		"watch 2; members 3 100/100 of 500; member 3 450/100; look; wait 2m":                  {"observing 3", "defragment member 3 (adopted)"},
		"members 3 100/100 of 500":                                                            {"below_threshold", ""},
		"watch 2; members 3 100/100 of 500; member 2 450/100; limit window 60-300":            {"outside_window 2", "window"},
		"watch 2; members 3 100/100 of 500; member 2 450/100; disk 2 0":                       {"disk_too_small 2", "needs 164 MiB"},
		"members 3 100/100 of 500; alarm 1; alarm 2 corrupt":                                  {"corrupt_armed", "nothing is done"},
		"watch 2; members 3 100/100 of 500; member 2 450/100; look; wait 1h; member 2 silent": {"member_unreachable 2", "does not answer"},
	} {
		t.Run(script, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1;" + observe + script)
			d := s.look(s.watchdogs[0])
			if brief(d) != want[0] || !strings.Contains(d.Detail, want[1]) {
				t.Errorf("decided %s: %q, want %q", brief(d), d.Detail, want)
			}
		})
	}
}

func TestKnownFaultsAreToldGravestFirst(t *testing.T) {
	for version, want := range map[string]int{"3.5.4": 3, "3.5.20": 1, "3.6.16": 0, "3.4.30": 2, "": 0, "4.0.0": 0} {
		known := policy.KnownFaults(version)
		if len(known) != want || want == 3 && !known[0].Refuses {
			t.Errorf("%q: %+v, want %d", version, known, want)
		}
	}
}
