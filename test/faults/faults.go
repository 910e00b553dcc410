package main

import (
	"context"
	"time"
)

// kind is what a fault needs of its world.
type kind string

const (
	plain    kind = "plain"    // a cluster on loopback
	disks    kind = "disks"    // each member on a small file system of its own
	stepping kind = "stepping" // watchdogs whose clocks can be stepped
	wired    kind = "wired"    // a proxy before each member
	apart    kind = "apart"    // each member, and each watchdog, on a host with a network of its own
)

// fault is one way in which a heal is disturbed.
type fault struct {
	name   string
	says   string
	kind   kind
	sizes  []int    // numbers of members it makes sense for; empty: 1, 3 and 5
	phases []string // events of the journal after which it is injected
	least  time.Duration
	most   time.Duration // of the time until it is undone

	manyRevisions bool // the fill is of small values, so that a compaction takes its time

	// before is done before the cluster is filled; nil: nothing.
	before func(ctx context.Context, r *run) error
	// inject waits for the phase, does it, calls now as it does, and undoes it
	// after the length. It returns when the watchdogs are left alone.
	inject func(ctx context.Context, r *run) error
}

var (
	// several are the clusters with more than one voter.
	several = []int{3, 3, 3, 3, 5}
	// writing are the events around the writes that a watchdog makes in a heal.
	writing = []string{
		"nospace_armed", "compaction_started", "compaction_completed", "claim_taken", "leader_moved",
		"defragmentation_started", "defragmentation_completed", "claim_given_back", "alarm_disarmed",
	}
	// early are the events after which most of the heal is still to come.
	early = []string{"nospace_armed", "compaction_started", "compaction_completed", "claim_taken", "without_claim", "defragmentation_started"}
)

// faults is the table of all of them. A new one goes to the end: the number of
// a seed chooses by its place.
var faults = []fault{
	{name: "watchdog-killed", says: "the watchdog that wrote last is killed, and started again later",
		kind: plain, phases: writing, least: 100 * time.Millisecond, most: 14 * time.Second, inject: killWatchdog},
	{name: "watchdog-stopped", says: "that watchdog is stopped for less than the margin",
		kind: plain, phases: writing, least: 100 * time.Millisecond, most: 1900 * time.Millisecond, inject: stopWatchdog},
	{name: "watchdog-stopped-long", says: "that watchdog is stopped for longer than its lease lives",
		kind: plain, phases: writing, least: 12500 * time.Millisecond, most: 15 * time.Second, inject: stopWatchdog},
	{name: "watchdog-reconfigured", says: "that watchdog is restarted with another configuration, and back later",
		kind: plain, phases: writing, least: 500 * time.Millisecond, most: 5 * time.Second, inject: reconfigureWatchdog},
	{name: "watchdog-twin", says: "one member has two watchdogs, and one of them ends in the heal",
		kind: plain, phases: early, least: 0, most: 3 * time.Second, before: addTwin, inject: endTwin},
	{name: "member-killed-defragmenting", says: "a member is killed in the middle of its defragmentation, and started again",
		kind: plain, least: 200 * time.Millisecond, most: 6 * time.Second, inject: killDefragmenting},
	{name: "member-killed-compacting", says: "a member is killed in the middle of a compaction, and started again",
		kind: plain, phases: []string{"compaction_started"}, least: 200 * time.Millisecond, most: 6 * time.Second, manyRevisions: true, inject: killCompacting},
	{name: "member-stopped", says: "a member is stopped, and goes on later",
		kind: plain, phases: early, least: 300 * time.Millisecond, most: 10 * time.Second, inject: stopMember},
	{name: "member-restarted", says: "a member is restarted in order",
		kind: plain, phases: early, least: 100 * time.Millisecond, most: 4 * time.Second, inject: restartMember},
	{name: "member-slow", says: "a member gets to work a tenth of the time only, as one behind a slow disk",
		kind: plain, phases: early, least: 2 * time.Second, most: 6 * time.Second, inject: slowMember},
	{name: "leader-killed-moving", says: "the leader is killed while its leadership is being moved, and started again",
		kind: plain, sizes: several, least: 200 * time.Millisecond, most: 6 * time.Second, inject: killLeaderMoving},
	{name: "leases-ended", says: "all leases end at once, and with them all tickets",
		kind: plain, sizes: several, phases: early, inject: revokeLeases},
	{name: "defragmented-by-hand", says: "a second tool defragments a member by hand",
		kind: plain, phases: early, inject: defragmentByHand},
	{name: "slow-snapshot", says: "a slow snapshot is being taken from a member",
		kind: plain, phases: []string{"nospace_armed", "compaction_started", "compaction_completed", "claim_taken", "without_claim"},
		least: 2 * time.Second, most: 8 * time.Second, inject: slowSnapshot},
	{name: "disk-full", says: "the disk of a member has no room for a second copy, until later",
		kind: disks, sizes: []int{3}, phases: []string{"nospace_armed", "compaction_started", "compaction_completed", "claim_taken"},
		least: time.Second, most: 5 * time.Second, inject: fillDisk},
	{name: "member-added", says: "a voter is added, which has no watchdog",
		kind: plain, sizes: []int{3}, phases: early, inject: addMember},
	{name: "member-removed", says: "a voter is removed, and later its watchdog",
		kind: plain, sizes: several, phases: early, least: 0, most: 4 * time.Second, inject: removeMember},
	{name: "learner-promoted", says: "a learner is added in the heal, and later promoted",
		kind: plain, sizes: []int{3}, phases: early, least: 0, most: 5 * time.Second, inject: promoteLearner},
	{name: "corrupt-raised", says: "CORRUPT is listed, and later cleared by hand",
		kind: plain, phases: early, least: 4 * time.Second, most: 8 * time.Second, inject: raiseCorrupt},
	{name: "auth-enabled", says: "authentication is switched on, for which the watchdogs have no user, and later off",
		kind: plain, phases: early, least: 3 * time.Second, most: 7 * time.Second, inject: enableAuth},
	{name: "clock-stepped", says: "the wall clock of a watchdog steps, forwards or backwards",
		kind: stepping, phases: writing, least: 500 * time.Millisecond, most: 5 * time.Second, inject: stepClock},
	{name: "killed-before-write", says: "a watchdog is killed as it sends a write, which is lost, and started again later",
		kind: wired, least: 100 * time.Millisecond, most: 14 * time.Second, inject: killBeforeWrite},
	{name: "killed-after-write", says: "a watchdog is killed when a write has been done, before it learns it, and started again later",
		kind: wired, least: 100 * time.Millisecond, most: 14 * time.Second, inject: killAfterWrite},
	{name: "late-write", says: "a take, a give-back or a put of tickets lands late",
		kind: wired, sizes: several, least: time.Second, most: 9 * time.Second, inject: landLate},
	{name: "late-defragmentation", says: "a defragmentation lands late, when the watchdog that sent it has ended and is back",
		kind: wired, least: time.Second, most: 8 * time.Second, inject: defragmentLate},
	{name: "lost-answer", says: "the answer to a write is lost",
		kind: wired, inject: loseAnswer},
	{name: "watchdog-cut-off", says: "a watchdog reaches no member, or is not reached, or both",
		kind: apart, phases: writing, least: 300 * time.Millisecond, most: 15 * time.Second, inject: cutWatchdogOff},
	{name: "members-cut-apart", says: "a member does not reach the others, or is not reached, or both",
		kind: apart, sizes: several, phases: early, least: 300 * time.Millisecond, most: 12 * time.Second, inject: cutMembersApart},
	{name: "takes-together", says: "two watchdogs take the claim at the same moment",
		kind: wired, sizes: several, least: 9 * time.Second, inject: takeTogether},
	{name: "defragmentation-in-doubt", says: "the connection breaks before a defragmentation, which lands late, beside another one if that is begun",
		kind: wired, sizes: several, least: 8 * time.Second, most: 9 * time.Second, inject: defragmentInDoubt},
}
