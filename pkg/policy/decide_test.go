package policy_test

import (
	"strings"
	"testing"
)

// story is a script and what is decided at its end, by every watchdog in order.
type story struct {
	name   string
	script string
	want   []string
}

func tell(t *testing.T, stories []story) {
	t.Helper()
	for _, story := range stories {
		t.Run(story.name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1")
			s.run(story.script)
			var got []string
			for _, w := range s.watchdogs {
				got = append(got, brief(s.look(w)))
			}
			if strings.Join(got, "\n") != strings.Join(story.want, "\n") {
				t.Errorf("%s\ndecided\n\t%s\nwant\n\t%s", story.script, strings.Join(got, "\n\t"), strings.Join(story.want, "\n\t"))
			}
		})
	}
}

func TestNothingToDo(t *testing.T) {
	tell(t, []story{
		{"small files", "members 3 100/100 of 512", []string{"below_threshold"}},
		{"a large file is reported", "members 3 100/100 of 512; member 2 359/300", []string{"near_quota 2"}},
		{"just below warn-at", "members 3 349/299 of 500", []string{"below_threshold"}},
		{"at warn-at", "members 3 100/100 of 500; member 1 350/299", []string{"near_quota 1"}},
		{"just below defragment-at", "members 3 399/100 of 500", []string{"near_quota 3"}},
		{"an alarm of a later etcd", "members 3 100/100 of 512; alarm 1 other", []string{"below_threshold"}},
		{"a learner is none of our business", "members 3 100/100 of 512; member 4 learner 511/100 of 512", []string{"below_threshold"}},
		{"no quota is never full", "members 3 9000/100 of none", []string{"below_threshold"}},
		{"an assumed quota makes no file urgent", "members 3 2040/100 of 2048 assumed", []string{"below_threshold"}},
		{"a configured quota does", "members 3 2040/100 of 2048 configured; watch 2", []string{"near_quota 2: compact 2@4000, defragment 2 [claim] urgent"}},
	})
}

// Rules 1 to 3, and what else keeps a watchdog from doing anything.
func TestNothingIsTouched(t *testing.T) {
	const full = "members 3 513/100 of 512; alarm 1;"
	tell(t, []story{
		{"rule 1: CORRUPT", "members 3 450/100 of 512; alarm 2 corrupt", []string{"corrupt_armed"}},
		{"rule 1: CORRUPT beside NOSPACE", full + "alarm 2 corrupt", []string{"corrupt_armed"}},
		{"rule 1: CORRUPT, and all else is well", "members 3 100/100 of 512; alarm 1; alarm 3 corrupt", []string{"corrupt_armed"}},
		{"rule 1 comes before a doubt", full + "alarm 1 corrupt; doubt 1 2", []string{"corrupt_armed"}},
		{"rule 2: the local endpoint is somebody else's", full + "member 1 mismatched; leader 2", []string{"identity_mismatch 1"}},
		{"rule 2: another member's is", full + "watch 3; member 2 mismatched; compacted", []string{"identity_mismatch 2"}},
		{"rule 2: no disarm either", "members 3 100/100 of 512; alarm 1; member 2 mismatched; compacted", []string{"identity_mismatch 2"}},
		{"rule 2: an answer from elsewhere is no absence", "members 3 100/100 of 512; alarm 1; member 2 mismatched; compacted; wait 1h", []string{"identity_mismatch 2"}},
		{"rule 3: a doubt", full + "doubt 1 2; compacted", []string{"defragmentation_unknown 2"}},
		{"rule 3: a doubt about a small file", "members 3 100/100 of 512; alarm 1; doubt 1 2", []string{"defragmentation_unknown 2"}},
		{"rule 3: compaction goes on", full + "doubt 1 2", []string{"nospace_armed 1: compact 1@5000 urgent"}},
		{"rule 3: a doubt without an alarm", "members 3 450/100 of 512; doubt 1 3", []string{"defragmentation_unknown 3"}},
		{"rule 3: the doubt of another watchdog is its own", full + "watch 1 3; doubt 1 2; compacted", []string{
			"defragmentation_unknown 2", "nospace_armed 3: defragment 3 [claim] urgent"}},
		{"rule 3: a member that has left is in no doubt", "members 4 100/100 of 512; alarm 1; doubt 1 2; member 2 gone", []string{"nospace_armed 1: disarm 1 urgent"}},
		{"rule 3: a ticket that nobody remembers", full + "indoubt 1; compacted", []string{"defragmentation_unknown"}},
		{"no member list", full + "problem unreachable", []string{"member_unreachable"}},
		{"the local member does not answer", full + "leader 2; member 1 silent", []string{"member_unreachable 1"}},
		{"the local member is not listed", full + "watch 9", []string{"member_unreachable"}},
		{"no leader", full + "leader 0", []string{"not_quorate"}},
		{"a leader in the eyes of one of three", full + "member 2 lost; member 3 lost", []string{"not_quorate"}},
		{"a leader in the eyes of one of two", "members 2 513/100 of 512; alarm 1; member 2 silent", []string{"not_quorate"}},
		{"two of five", "members 5 513/100 of 512; alarm 1; member 3 silent; member 4 silent; member 5 silent; look; wait 1h", []string{"not_quorate"}},
	})
}

// Small clusters: with one or two voters the cluster pauses, so only need or a
// window is reason enough.
func TestSmallClusters(t *testing.T) {
	tell(t, []story{
		{"one voter, full", "members 1 513/100 of 512; alarm 1; compacted", []string{"nospace_armed 1: defragment 1 [single voter] urgent"}},
		{"one voter needs no claim", "members 1 513/100 of 512; alarm 1; claims unknown; compacted", []string{"nospace_armed 1: defragment 1 [single voter] urgent"}},
		{"one voter, small again", "members 1 100/100 of 512; alarm 1; enrolled none", []string{"nospace_armed 1: disarm 1 urgent"}},
		{"one voter, voluntary", "members 1 450/100 of 512", []string{"outside_window 1"}},
		{"one voter, urgent", "members 1 490/100 of 512", []string{"near_quota 1: compact 1@4000, defragment 1 [single voter] urgent"}},
		{"one voter, in a window", "members 1 450/100 of 512; limit window 700-800", []string{"near_quota 1: compact 1@4000, defragment 1 [single voter]"}},
		{"one voter, and a window later", "members 1 450/100 of 512; limit window 60-300", []string{"outside_window 1"}},
		{"one voter and a learner: its watchdog is no second one", "members 1 513/100 of 512; alarm 1; member 2 learner 100/100 of 512; watch 1 2; compacted", []string{
			"nospace_armed 1: defragment 1 [single voter] urgent", "waiting_for_claim"}},
		{"two voters, full", "members 2 513/100 of 512; alarm 1; watch 2; compacted", []string{"nospace_armed 2: defragment 2 [claim] urgent"}},
		{"two voters, the leader last", "members 2 513/100 of 512; alarm 1; watch 1 2; member 2 100/100; compacted", []string{
			"nospace_armed 1: move-leader 1>2, defragment 1 [claim] urgent", "another_members_turn 1"}},
		{"two voters, voluntary", "members 2 450/100 of 512; watch 2", []string{"outside_window 2"}},
		{"two voters, one of them behind", "members 2 490/100 of 512; watch 2; member 1 lag 1001", []string{"member_catching_up 1"}},
		{"three voters, voluntary", "members 3 450/100 of 512; watch 2", []string{"near_quota 2: compact 2@4000, defragment 2 [claim]"}},
		{"five voters, voluntary", "members 5 450/100 of 512; watch 4; limit only 4", []string{"near_quota 4: compact 4@4000, defragment 4 [claim]"}},
		{"five voters, two of them absent", "members 5 513/100 of 512; alarm 1; watch 2; member 4 silent; member 5 silent; compacted; wait 5m", []string{
			"nospace_armed 2: defragment 2 [claim] urgent"}},
	})
}

func TestRisksAreNamed(t *testing.T) {
	for name, tt := range map[string]struct{ script, want string }{
		"one voter":          {"members 1 490/100 of 512", "the cluster pauses"},
		"two voters":         {"members 2 490/100 of 512; watch 2", "the cluster pauses"},
		"three voters":       {"members 3 490/100 of 512; watch 2", ""},
		"one of three away":  {"members 3 513/100 of 512; alarm 1; watch 2; member 3 silent; compacted; wait 5m", "the cluster pauses"},
		"leader in place":    {"members 3 513/100 of 512; alarm 1; limit move-leader false; member 2 100/100; member 3 100/100; compacted", "no lease can be renewed"},
		"leader moved first": {"members 3 513/100 of 512; alarm 1; member 2 100/100; member 3 100/100; compacted", ""},
		"disarm without all": {"members 3 100/100 of 512; alarm 1; member 3 silent; look; wait 5m", "m3 (3) is absent; the alarm may return"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t)
			s.run("watch 1")
			s.run(tt.script)
			d := s.look(s.watchdogs[0])
			if !d.Acts() || (tt.want == "") != (d.Risk == "") || !strings.Contains(d.Risk, tt.want) {
				t.Errorf("decided %s with the risk %q, want %q", brief(d), d.Risk, tt.want)
			}
		})
	}
}
