package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is the type of a series.
type Kind string

// The kinds.
const (
	Gauge   Kind = "gauge"
	Counter Kind = "counter"
)

// Series is the declaration of one metric.
type Series struct {
	Name   string
	Kind   Kind
	Unit   string // empty: a count, or a state that is 0 or 1
	Labels []string
	Help   string // the first sentence says what the value is

	desc *prometheus.Desc
}

const namespace = "etcd_watchdog_"

var declared []*Series

// All returns every declaration, in the order of the documentation.
func All() []Series {
	all := make([]Series, 0, len(declared))
	for _, s := range declared {
		copied := *s
		copied.Labels = slices.Clone(s.Labels)
		all = append(all, copied)
	}
	return all
}

func declare(kind Kind, name, unit, help string, labels ...string) *Series {
	s := &Series{Name: namespace + name, Kind: kind, Unit: unit, Labels: labels, Help: help}
	s.desc = prometheus.NewDesc(s.Name, help, labels, nil)
	declared = append(declared, s)
	return s
}

// gauge declares a state that is computed at the scrape.
func gauge(name, unit, help string, labels ...string) *Series {
	return declare(Gauge, name, unit, help, labels...)
}

// counter declares a sum over the life of the process.
func counter(name, unit, help string, labels ...string) *Series {
	return declare(Counter, name, unit, help, labels...)
}

// of returns the declaration of a series of a member, with the labels that name
// the member in front.
func ofMember(name, unit, help string, labels ...string) *Series {
	return gauge("member_"+name, unit, help, append([]string{"member_id", "member_name"}, labels...)...)
}

// The process and its polls.
var (
	buildInfo   = gauge("build_info", "", "Always 1. The labels name the version of etcd-watchdog, its commit, and the version of Go.", "version", "commit", "goversion")
	lastPoll    = gauge("last_poll_timestamp_seconds", "seconds", "Time of the last poll, since the epoch. Absent before the first one. No poll happens while a step is in progress.")
	lastGood    = gauge("last_good_poll_timestamp_seconds", "seconds", "Time of the last poll in which the member on this host answered and its member list was read, since the epoch. 0: there was none.")
	polls       = counter("polls_total", "", "Polls, by result: good as last_good_poll_timestamp_seconds has it, or failed.", "result")
	decision    = gauge("decision", "", "Always 1. The label is the reason of the last decision, as docs/events.md and the manual name it.", "reason")
	decisions   = counter("decisions_total", "", "Decisions, one each poll, by reason. waiting_for_claim counts the polls at which the claim was refused.", "reason")
	paused      = gauge("paused", "", "1 if this host's watchdog is paused, else 0.")
	pauseUntil  = gauge("pause_until_timestamp_seconds", "seconds", "When the pause of this host's watchdog ends, since the epoch. Absent without a pause.")
	errorsSeen  = counter("errors_total", "", "Errors that were reported, by category. An error that repeats itself poll after poll counts once.", "category")
	eventsLost  = counter("events_dropped_total", "", "Log entries that were not written, by cause: sink (the journal or standard error did not take them) or rate (too many of one kind).", "cause")
	certificate = gauge("certificate_not_after_timestamp_seconds", "seconds", "When a certificate ends, since the epoch: of the role client and ca from this host's files, of the role server as the member shows it. Looked at once an hour.", "role", "member_id", "member_name")
)

// The cluster.
var (
	clusterInfo = gauge("cluster_info", "", "Always 1. The labels are the ids of the cluster and of the member on this host. Absent until both are known.", "cluster_id", "local_member_id")
	members     = gauge("members", "", "Members in the member list, learners included.")
	quorum      = gauge("quorum", "", "1 if more than half of the voters name the same leader, else 0.")
	alarms      = gauge("alarms", "", "Listed alarms by kind, those of removed members included. etcd 3.4 and 3.5 have no metric of their own for them.", "alarm")
	condition   = gauge("condition", "", "How many times a condition stands now: 0, 1, or the number of its members. Level err needs the operator.", "condition", "level")
	standing    = gauge("member_condition", "", "1 for each condition that stands now, with its member. Absent for conditions that do not stand. An empty member_id stands for the cluster as a whole.", "member_id", "member_name", "condition", "level")
)

// Each member.
var (
	memberInfo      = ofMember("info", "", "Always 1. The labels are the member's server version, its role (leader, follower, learner; unknown while it does not answer), whether it is the one on this host, and the source of its quota (learnt, configured, assumed).", "version", "role", "local", "quota_source")
	memberReachable = ofMember("reachable", "", "1 if the member answered the last poll with its own id, else 0.")
	memberSize      = ofMember("db_size_bytes", "bytes", "Size of the member's database file, which etcd compares with the quota. Absent while the member does not answer.")
	memberInUse     = ofMember("db_in_use_bytes", "bytes", "Size of the pages in use in that file. Absent while the member does not answer.")
	memberQuota     = ofMember("quota_bytes", "bytes", "The member's quota. Absent without a quota and while the member does not answer.")
	memberAlarm     = ofMember("alarm", "", "1 if the alarm is listed for the member, else 0.", "alarm")
	memberGrowth    = ofMember("growth_bytes_per_second", "bytes per second", "Growth of the live data as the forecast measures it. Absent until there is enough history.", "confidence")
	memberLeft      = ofMember("time_to_quota_seconds", "seconds", "Time until the file reaches the quota at that growth, counted from the last poll. Absent if the data do not grow, or if it takes more than a year.")
	memberWatched   = ofMember("watched", "", "1 if a watchdog holds tickets for the member, else 0. Absent while the tickets are not known.")
	memberWorkedAt  = ofMember("last_defragmentation_timestamp_seconds", "seconds", "When this watchdog last defragmented the member, since the epoch. Absent if it never did.")
	memberFreed     = ofMember("last_defragmentation_freed_bytes", "bytes", "What that defragmentation freed.")
	memberCooldown  = ofMember("cooldown_until_timestamp_seconds", "seconds", "When voluntary work on the member is possible again, since the epoch. Absent if this watchdog never defragmented it.")
	memberCompacted = ofMember("compacted_revision", "", "The last revision that this watchdog compacted to through the member. Absent if it never did.")
	memberKept      = ofMember("kept_revisions", "", "How many revisions that compaction kept.")
)

// The disk of this host.
var (
	diskFree  = gauge("disk_free_bytes", "bytes", "Free space of the file system of etcd.data-dir. Absent if it is not configured or cannot be read.")
	diskStale = gauge("disk_stale_files_bytes", "bytes", "Size of files that interrupted defragmentations left there.")
)

// The claim.
var (
	claimKnown  = gauge("claim_known", "", "1 if the last read of the claim succeeded, else 0.")
	enrolled    = gauge("enrolled", "", "1 if this watchdog has a ticket that it can take, else 0. Absent while the tickets are not known.")
	tickets     = gauge("tickets", "", "Tickets that this watchdog can still take. Absent while the tickets are not known.")
	claimHeld   = gauge("claim_held", "", "1 if a watchdog holds the claim, else 0. Absent while the tickets are not known.")
	claimSince  = gauge("claim_held_since_timestamp_seconds", "seconds", "Since when this watchdog has seen the claim held, since the epoch. The labels name the member whose watchdog holds it. Absent while the claim is free.", "member_id", "member_name")
	claimsTaken = counter("claims_taken_total", "", "How many times this watchdog took the claim.")
	claimsLost  = counter("claims_lost_total", "", "How many times this watchdog lost the claim during its work.")
)

// The work of this watchdog.
var (
	works         = counter("work_total", "", "Steps by kind (compact, move_leader, defragment, disarm), outcome (done, failed, unknown) and the reason of the decision.", "kind", "outcome", "reason")
	workTime      = counter("work_seconds_total", "seconds", "Time that steps took, by kind. A defragmentation blocks its member for this long.", "kind")
	freed         = counter("freed_bytes_total", "bytes", "Bytes freed, by kind: compact frees pages inside the file, defragment shrinks the file.", "kind")
	working       = gauge("work_in_progress", "", "1 while this watchdog waits for a step of that kind, else 0.", "kind")
	workSince     = gauge("work_started_timestamp_seconds", "seconds", "When the defragmentation in progress began, since the epoch. Absent without one.", "member_id", "member_name")
	workExpected  = gauge("work_predicted_seconds", "seconds", "How long the defragmentation in progress was predicted to take. Absent without one.", "member_id", "member_name")
	defragsLong   = counter("defragmentations_long_total", "", "Reports of a defragmentation that takes three times its prediction, or longer than etcd.defragment-timeout.")
	heals         = counter("heals_total", "", "How many times etcd accepted writes again after this watchdog disarmed NOSPACE.")
	healTime      = counter("heal_seconds_total", "seconds", "Time from the alarm to its end, summed over those heals.")
	alarmsBack    = counter("alarms_returned_total", "", "How many times NOSPACE came back within minutes after it was disarmed.")
	unclaimedWork = counter("work_without_claim_total", "", "Pieces of work without a claim: in a cluster with one voter, or where no watchdog can have a ticket.")
)
