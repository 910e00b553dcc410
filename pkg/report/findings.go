package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// heard is how old the daemon's last decision may be to tell something about now.
// It is written once a minute at least, but not during a defragmentation.
const heard = 5 * time.Minute

// rank orders the severities.
var rank = map[Severity]int{Fine: 0, Warning: 1, Critical: 2, Unknown: 3}

func worst(all []Finding) Severity {
	w := Fine
	for _, f := range all {
		if rank[f.Severity] > rank[w] {
			w = f.Severity
		}
	}
	return w
}

// findings are what lasts, as the daemons report it, and what only somebody sees
// who looks from outside: worst first.
func findings(f Facts) []Finding {
	all := []Finding{}
	add := func(s Severity, code string, member cluster.MemberID, detail string) {
		m, _ := f.View.Member(member)
		all = append(all, Finding{Severity: s, Code: code, MemberID: id(member), MemberName: m.Name, Detail: detail})
	}
	for _, c := range policy.Standing(f.Limits, f.View.At, f.View, f.Memory) {
		m, _ := f.View.Member(c.Member)
		switch {
		case c.Member == 0 && c.Reason == policy.MemberUnreachable && problem(f.View) != "": // that is what the whole report says
		case c.Reason == policy.NearQuota && f.urgent(m): // told as such
		default:
			add(gravity(c.Reason), string(c.Reason), c.Member, words(f, c))
		}
	}
	for _, m := range f.View.Members {
		ofMember(f, m, add)
	}
	if len(f.View.Disk.StaleFiles) > 0 {
		add(Warning, event.StaleFiles.String(), f.View.Local, fmt.Sprintf("%d files take %s", len(f.View.Disk.StaleFiles), cluster.FormatBytes(f.View.Disk.StaleBytes)))
	}
	if f.Unread != "" {
		add(Warning, CodeTicketsUnread, 0, "who watches and who holds the claim is not known: "+f.Unread)
	}
	ofDaemon(f, add)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[b.Severity], rank[a.Severity]), cmp.Compare(a.MemberName, b.MemberName))
	})
	return all
}

// gravity is how bad a condition is: as bad as the entry that tells it, but for
// the one that stops all writes.
func gravity(r policy.Reason) Severity {
	if r == policy.NospaceArmed {
		return Critical
	}
	kind, known := event.ConditionNamed(string(r))
	switch {
	case !known:
		return Fine
	case kind.Row().Level == event.Err:
		return Critical
	case kind.Row().Level == event.Warning:
		return Warning
	default:
		return Fine
	}
}

// words say what a condition is where its detail alone does not.
func words(f Facts, c policy.Condition) string {
	m, _ := f.View.Member(c.Member)
	switch {
	case c.Reason == policy.NospaceArmed:
		return "etcd refuses writes: NOSPACE is " + c.Detail
	case c.Reason == policy.CorruptArmed:
		return "CORRUPT is " + c.Detail + "; nothing is touched"
	case c.Reason == policy.NearQuota && c.Detail == "":
		return fmt.Sprintf("the file takes %s of its quota", percent(m.Usage()))
	case c.Reason == policy.LearnerFull && c.Detail == "":
		return "the learner's file has reached its quota"
	}
	return c.Detail
}

// urgent reports that the file of a member has passed thresholds.urgent-at.
func (f Facts) urgent(m cluster.Member) bool {
	return m.Contact == cluster.Answered && m.Quota.Trusted() && m.Usage() >= float64(f.Limits.UrgentAt)
}

type adder func(s Severity, code string, member cluster.MemberID, detail string)

func ofMember(f Facts, m cluster.Member, add adder) {
	if m.Contact == cluster.Answered && m.Quota.Conflict() {
		add(Warning, event.QuotaDiffers.String(), m.ID, fmt.Sprintf("its own quota is %s; etcd.quota-backend-bytes says %s",
			cluster.FormatBytes(m.Quota.Bytes), cluster.FormatBytes(m.Quota.ConfiguredBytes)))
	}
	if f.urgent(m) {
		add(Critical, CodeUrgent, m.ID, fmt.Sprintf("the file takes %s of its quota, and %s or more are urgent", percent(m.Usage()), percent(float64(f.Limits.UrgentAt))))
	}
	if f.View.Claims.Known && !m.Learner && !f.Limits.Observe && len(watchersOf(f, m.ID)) == 0 {
		add(Warning, CodeNotWatched, m.ID, "no watchdog holds tickets for it; start etcd-watchdog on its host")
	}
}

// ofDaemon adds what the daemon of this host tells, or that it tells nothing.
func ofDaemon(f Facts, add adder) {
	if f.State.PolledAt.IsZero() {
		return // perhaps none belongs on this host
	}
	if !f.Running {
		add(Warning, CodeDaemonNotRunning, 0, "the daemon of this host does not run; its last poll was "+ago(f.View.At.Sub(f.State.PolledAt))+
			" ago: start it (systemctl start etcd-watchdog)")
		return
	}
	// What the daemon has learnt by working, nobody can see from outside.
	last := f.State.Decision
	if last.Reason == policy.LiveDataTooLarge && f.View.At.Sub(last.At) < heard {
		add(Critical, string(last.Reason), cluster.MemberID(last.Member), last.Detail)
	}
}
