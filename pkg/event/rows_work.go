package event

import (
	"fmt"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// piece is what the beginning and the end of a piece of work share.
var piece = facts(job, member, sizes)

// workRows: what is done to the cluster.
var workRows = []Row{{
	Kind: Adopted, Name: "adopted", Level: Notice, ID: "cf2aa538ca084fe7a66f7c2cf7a4e5bc",
	Facts: facts(job, member, reason, detail),
	sentence: func(e Event) string {
		return "Takes over the work on " + who(e) + ", which its own watchdog does not do"
	},
	Meaning: "The member needs work, and its own watchdog does none: it holds no tickets, or has made no progress for maintenance.adopt-after, or the cluster is healed by the one watchdog next to the leader.",
	Remedy:  "Look whether etcd-watchdog runs on that member's host.",
}, {
	Kind: CompactionStarted, Name: "compaction_started", Level: Info, ID: "49f3201b8ab74388b52c5ecad7f006b8",
	Facts: facts(piece, revision, reason),
	sentence: func(e Event) string {
		return fmt.Sprintf("Compacts the history up to revision %d, waits for %s", e.Revision, who(e)) + because(e)
	},
	Meaning: "etcd is asked to forget old versions of keys. The entry ends when the member that is to be worked on has deleted them from its file.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: CompactionCompleted, Name: "compaction_completed", Level: Notice, ID: "6b16d16ae0c2496080386a2bca263402",
	Facts: facts(piece, revision, took, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("Compacted the history up to revision %d on %s in %s; now %s", e.Revision, who(e), length(e.Took), usage(e))
	},
	Meaning: "Old versions of keys are gone. The file keeps its size until it is defragmented; the pages in use became fewer.",
	Remedy:  "Nothing is to be done. A watch that starts at an older revision gets an error and has to read anew, as with every compaction.",
}, {
	Kind: CompactionFailed, Name: "compaction_failed", Level: Warning, ID: "9603c2972933433d87cb9c1022341dbe",
	Facts: facts(piece, revision, took, errorText),
	sentence: func(e Event) string {
		return fmt.Sprintf("Could not compact up to revision %d on %s, decides anew", e.Revision, who(e))
	},
	Meaning: "The compaction was refused, or did not end in time. Repeating it does no harm.",
	Remedy:  "If it happens once, nothing is to be done. If it goes on, follow the error: the user may lack the root role, or the member's disk may be too slow for etcd.compact-timeout.",
}, {
	Kind: CompactionLong, Name: "compaction_long", Level: Warning, ID: "51bf9a1fb9514ad7ba5f7e2ae532665c",
	Facts: facts(piece, revision, took),
	sentence: func(e Event) string {
		return fmt.Sprintf("The compaction to revision %d through %s has been running for %s", e.Revision, who(e), length(e.Took))
	},
	Meaning: "etcd keeps deleting old versions, or the member's log is blocked and holds the compaction up. It blocks no other work. The watchdog waits for its end, and asks again after etcd.compact-timeout.",
	Remedy:  "If it lasts, look for a slow disk, and for a log pipe on that host that nothing reads.",
	hint:    "work on the other members continues",
}, {
	Kind: RoutineCompaction, Name: "routine_compaction", Level: Debug, ID: "8585eb2794136abe98dc6fcbbf0158da",
	Facts: facts(piece, revision, wonBytes, took, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("Compacted the history up to revision %d on %s in %s, which freed %s", e.Revision, who(e), length(e.Took), cluster.FormatBytes(e.WonBytes))
	},
	Meaning: "History was given up in time, so that its pages are used again and the file need not grow. Under load this happens many times a day; history_compacted tells the sum.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: HistoryCompacted, Name: "history_compacted", Level: Info, ID: "f5343410656ffb5100daffa4321f7771",
	Facts: facts(piece, count, wonBytes, took, detail),
	sentence: func(e Event) string {
		if e.Count == 1 {
			return fmt.Sprintf("Keeps the database small: a compaction freed %s; %s has now %s", cluster.FormatBytes(e.WonBytes), who(e), usage(e))
		}
		return fmt.Sprintf("Kept the database small by %d compactions in %s, which freed %s in all; %s has now %s", e.Count, length(e.Took), cluster.FormatBytes(e.WonBytes), who(e), usage(e))
	},
	Meaning: "Old versions of keys took more than thresholds.compact-at of the quota. They were given up in time, so that nothing had to be refused and no member had to be defragmented. Told at the first time and then once an hour at most.",
	Remedy:  "Nothing is to be done. etcd's own --auto-compaction-retention does the same by a clock; where it keeps up, the watchdog does not compact.",
}, {
	Kind: LeaderMoved, Name: "leader_moved", Level: Notice, ID: "b25914f8ce1b467293e663c8ad373c17",
	Facts: facts(job, member, newLeaderID, took, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("Moved the leadership from %s to member %s in %s", who(e), e.To, length(e.Took))
	},
	Meaning: "A leader that is defragmented renews no leases meanwhile, those of Patroni and Stolon included. So another member leads before the work begins.",
	Remedy:  "Nothing is to be done. With maintenance.move-leader: false the leadership stays where it is.",
}, {
	Kind: LeaderMoveFailed, Name: "leader_move_failed", Level: Warning, ID: "1a0452e7269443edbb60afb59ca7dfa2",
	Facts: facts(job, member, newLeaderID, took, errorText),
	sentence: func(e Event) string {
		return fmt.Sprintf("Could not move the leadership from %s to member %s, decides anew", who(e), e.To)
	},
	Meaning: "The leader did not hand over. Nothing was done to its file.",
	Remedy:  "If it happens once, nothing is to be done. If it goes on, follow the error: the user may lack the root role, or the other member may be too far behind.",
}, {
	Kind: DefragmentationStarted, Name: "defragmentation_started", Level: Info, ID: "242f4bdce86c419e9150494e59a39537",
	Facts:    facts(piece, expected, reason, detail),
	sentence: func(e Event) string { return fmt.Sprintf("Defragments %s, %s", who(e), usage(e)) + because(e) },
	Meaning:  "The member rewrites its database file without the free pages. It answers nobody until that is done; the others serve on.",
	Remedy:   "Nothing is to be done. Do not stop etcd on that host meanwhile.",
}, {
	Kind: DefragmentationLong, Name: "defragmentation_long", Level: Warning, ID: "4a2e96a323994c9ba7de17361fc9f6ae",
	Facts: facts(piece, took, expected),
	sentence: func(e Event) string {
		return fmt.Sprintf("The defragmentation of %s has run for %s, %s", who(e), length(e.Took), predicted(e))
	},
	Meaning: "It takes much longer than the size of the file lets expect. It cannot be called off: the server goes on with it whatever the client does. The first suspect is a snapshot being taken from that member, which holds a defragmentation up until it is complete.",
	Remedy:  "Look for a running `etcdctl snapshot save` against that member, and for a slow disk. Keep backups out of maintenance windows.",
	hint:    "look for a backup in progress, which holds it up",
}, {
	Kind: DefragmentationCompleted, Name: "defragmentation_completed", Level: Notice, ID: "24fc9ba241a14983bef8960dd0baf870",
	Facts: facts(piece, beforeBytes, took, expected, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("Defragmented %s in %s: %s before; now %s", who(e), length(e.Took), cluster.FormatBytes(e.BeforeBytes), usage(e))
	},
	Meaning: "The member has rewritten its file and answers again.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: DefragmentationFailed, Name: "defragmentation_failed", Level: Warning, ID: "e5372759c488484ea5990ae8ca2b403e",
	Facts:    facts(piece, took, errorText),
	sentence: func(e Event) string { return "The defragmentation of " + who(e) + " failed, decides anew" },
	Meaning:  "The member refused, or gave up. Its file is as it was.",
	Remedy:   "Follow the error. Usual causes: the user lacks the root role, or the data directory has no room for a second copy of the data in use.",
}, {
	Kind: DefragmentationSettled, Name: "defragmentation_settled", Level: Notice, ID: "c4fa6f18b8af4bcdb2f04b508d3106eb",
	Facts: facts(piece, took, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("It is settled after %s that no defragmentation of %s is running", length(e.Took), who(e))
	},
	Meaning: "The outcome of a defragmentation was not known, and there is evidence now. The detail says which.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: AlarmDisarmed, Name: "alarm_disarmed", Level: Notice, ID: "163eec8cd660477a82bb4a6c66443393",
	Facts:    facts(job, member, alarm, detail),
	sentence: func(e Event) string { return fmt.Sprintf("Disarmed the %s of %s", alarmName(e), who(e)) },
	Meaning:  "The alarm is off the list. When it was the last one, etcd accepts writes again.",
	Remedy:   "Nothing is to be done.",
}, {
	Kind: DisarmFailed, Name: "disarm_failed", Level: Warning, ID: "a3258cad586f4d26823069b1d1ae6f2a",
	Facts: facts(job, member, alarm, errorText),
	sentence: func(e Event) string {
		return fmt.Sprintf("Could not disarm the %s of %s, decides anew", alarmName(e), who(e))
	},
	Meaning: "The alarm still is listed, and etcd goes on refusing writes.",
	Remedy:  "If it happens once, nothing is to be done. If it goes on, follow the error: the user may lack the root role, or the cluster may have lost its quorum.",
}, {
	Kind: DisarmRepeated, Name: "disarm_repeated", Level: Warning, ID: "376844afdb174331911da77e81a502b3",
	Facts: facts(took, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("The alarm came back %s after it was disarmed", length(e.Took))
	},
	Meaning: "Something fills the database as fast as it is emptied, or a file was over its quota without being seen. The watchdog defragments again, and then waits longer between its tries.",
	Remedy:  "Find the writer that fills the database and slow it down, or raise --quota-backend-bytes on every member.",
	hint:    "find what writes so much, or raise the quota",
}, {
	Kind: Healed, Name: "healed", Level: Notice, ID: "4d37754ce0b3420e93bc366ccd7fff5e",
	Facts: facts(took, detail),
	sentence: func(e Event) string {
		return "etcd accepts writes again, " + length(e.Took) + " after the alarm was seen"
	},
	Meaning: "No alarm is listed any more.",
	Remedy:  "Nothing is to be done. To keep it from happening again, find out what filled the database.",
}, {
	Kind: WorkEnded, Name: "work_ended", Level: Info, ID: "c2251dadbd714c9a88b28d08a7748193",
	Facts:    facts(job, member, reason, errorText),
	sentence: func(e Event) string { return "The work on " + who(e) + " ended before its last step, decides anew" },
	Meaning:  "A step failed, or the look before it showed that it does not fit any more. What was done stays done, and the next poll decides from there.",
	Remedy:   "Nothing is to be done, if the next poll goes on. A step that failed has an entry of its own, with the same job.",
}, {
	Kind: ClusterRestored, Name: "cluster_restored", Level: Warning, ID: "f273ef48e37e4e77b3b1d0f585f1ff2c",
	Facts: facts(member, revision),
	sentence: func(e Event) string {
		return fmt.Sprintf("The cluster was restored from a snapshot or built again: its revision is %d now, lower than before, or its id has changed", e.Revision)
	},
	Meaning: "What the watchdog remembered of growth, compactions, cooldowns and work is about the earlier state, and is forgotten.",
	Remedy:  "No action needed if you restored it. If you did not, compare the members (`etcdctl endpoint status --cluster`): data has been lost.",
	hint:    "growth, compactions and cooldowns of before are forgotten",
}, {
	Kind: DryRunStep, Name: "dry_run_step", Level: Notice, ID: "3c8e99e27d244fc3b01dd518fba9594d",
	Facts:    facts(job, member, step, reason),
	sentence: func(e Event) string { return "Dry run: would " + e.Step + because(e) },
	Meaning:  "With --dry-run nothing is changed. This is the step that would be done now.",
	Remedy:   "Nothing is to be done. Without --dry-run the same step is carried out.",
}}

// predicted tells how long the work should have taken, if that is known.
func predicted(e Event) string {
	if e.Expected <= 0 {
		return "longer than usual"
	}
	return "predicted were " + length(e.Expected)
}

func alarmName(e Event) string { return strings.TrimSpace(e.Alarm + " alarm") }
