package event

import (
	"math"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Fact is one thing that an entry states besides its sentence.
type Fact struct {
	Field   string // its name in the journal
	Unit    string // empty for words
	Meaning string // for the documentation

	value func(Event) any // a string, an int64 or a float64
}

// Key is the name of f in text and JSON: that of the journal without the
// prefix that tells there whose field it is, in lower case.
func (f Fact) Key() string {
	name := strings.TrimPrefix(f.Field, "ETCD_")
	return strings.ToLower(strings.TrimPrefix(name, "WATCHDOG_"))
}

// in returns the fact as e states it.
func (f Fact) in(e Event) zapcore.Field {
	v := f.value(e)
	if s, ok := v.(string); ok {
		v = printable(s)
	}
	return zap.Any(f.Key(), v)
}

// The facts, each as a group of one, so that rows list facts and groups alike.
var (
	memberID = text("ETCD_MEMBER_ID", "the member it is about, in hexadecimal as etcdctl prints it; empty: none, or not known",
		func(e Event) string { return id(e.Member) })
	memberName = text("ETCD_MEMBER_NAME", "that member's name",
		func(e Event) string { return e.MemberName })
	sizeBytes = bytes("ETCD_DB_SIZE_BYTES", "that member's database file; at the end of work: after it",
		func(e Event) int64 { return e.SizeBytes })
	inUseBytes = bytes("ETCD_DB_SIZE_IN_USE_BYTES", "the part of that file that holds data",
		func(e Event) int64 { return e.InUseBytes })
	quotaBytes = bytes("ETCD_QUOTA_BYTES", "that member's quota for the file; negative: it has none",
		func(e Event) int64 { return e.QuotaBytes })
	quotaSource = text("ETCD_QUOTA_SOURCE", "how the quota is known: learnt, configured or assumed",
		func(e Event) string { return e.QuotaFrom })
	configuredBytes = bytes("ETCD_CONFIGURED_QUOTA_BYTES", "the quota that the configuration of etcd-watchdog names",
		func(e Event) int64 { return e.ConfiguredBytes })
	beforeBytes = bytes("ETCD_DB_SIZE_BEFORE_BYTES", "that member's database file before the work",
		func(e Event) int64 { return e.BeforeBytes })
	revision = number("ETCD_REVISION", "", "the revision that the history was compacted to",
		func(e Event) int64 { return e.Revision })
	newLeaderID = text("ETCD_NEW_LEADER_ID", "the member that the leadership moves to, in hexadecimal",
		func(e Event) string { return id(e.To) })
	alarm = text("ETCD_ALARM", "etcd's name of the alarm",
		func(e Event) string { return e.Alarm })
	endpoint = text("ETCD_ENDPOINT", "the client URL of the member on this host",
		func(e Event) string { return e.Endpoint })

	reason = text("WATCHDOG_REASON", "the reason of the decision; of a condition: its own name, where the decision names no other",
		func(e Event) string { return e.Reason })
	detail = text("WATCHDOG_DETAIL", "what only this occurrence can say",
		func(e Event) string { return e.Detail })
	job = text("WATCHDOG_JOB", "the same for the beginning and the end of one piece of work",
		func(e Event) string { return e.Job })
	claimHolder = text("WATCHDOG_CLAIM_HOLDER", "who holds the claim",
		func(e Event) string { return e.Holder })
	tickets = number("WATCHDOG_TICKETS", "count", "tickets that this watchdog can still take",
		func(e Event) int64 { return int64(e.Tickets) })
	took = seconds("WATCHDOG_TOOK_SECONDS", "how long it took; of work that goes on: so far",
		func(e Event) time.Duration { return e.Took })
	lasted = seconds("WATCHDOG_LASTED_SECONDS", "how long the condition has lasted; 0 in its first entry",
		func(e Event) time.Duration { return e.Took })
	expected = seconds("WATCHDOG_EXPECTED_SECONDS", "how long the work was predicted to take",
		func(e Event) time.Duration { return e.Expected })
	left = seconds("WATCHDOG_LEFT_SECONDS", "how long the first of the certificates is good yet; negative: how long ago it expired",
		func(e Event) time.Duration { return e.Left })
	condition = text("WATCHDOG_CONDITION", "the name of the condition that ended",
		func(e Event) string { return e.Condition })
	step = text("WATCHDOG_STEP", "the step, in words",
		func(e Event) string { return e.Step })
	version = text("WATCHDOG_VERSION", "the version of etcd-watchdog",
		func(e Event) string { return e.Version })
	errorText = text("WATCHDOG_ERROR", "why it failed",
		func(e Event) string { return e.Error })
	count = number("WATCHDOG_COUNT", "count", "how many times it was done",
		func(e Event) int64 { return int64(e.Count) })
	wonBytes = bytes("ETCD_FREED_BYTES", "pages that compaction has freed in that member's file",
		func(e Event) int64 { return e.WonBytes })
	dropped = number("WATCHDOG_DROPPED", "count", "entries that were not written",
		func(e Event) int64 { return int64(e.Dropped) })

	member = facts(memberID, memberName)
	sizes  = facts(sizeBytes, inUseBytes, quotaBytes, quotaSource)
)

func facts(groups ...[]Fact) []Fact { return slices.Concat(groups...) }

func text(field, meaning string, value func(Event) string) []Fact {
	return []Fact{{Field: field, Meaning: meaning, value: func(e Event) any { return value(e) }}}
}

func number(field, unit, meaning string, value func(Event) int64) []Fact {
	return []Fact{{Field: field, Unit: unit, Meaning: meaning, value: func(e Event) any { return value(e) }}}
}

func bytes(field, meaning string, value func(Event) int64) []Fact {
	return number(field, "bytes", meaning, value)
}

// seconds states a duration to the millisecond.
func seconds(field, meaning string, value func(Event) time.Duration) []Fact {
	return []Fact{{Field: field, Unit: "seconds", Meaning: meaning, value: func(e Event) any {
		return math.Round(value(e).Seconds()*1000) / 1000
	}}}
}

func id(m cluster.MemberID) string {
	if m == 0 {
		return ""
	}
	return m.String()
}
