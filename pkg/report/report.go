package report

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

// Severity is how bad it is, in the words of Nagios and Icinga.
type Severity string

// The severities, worst last but for Unknown: the cluster could not be asked.
const (
	Fine     Severity = "fine"
	Warning  Severity = "warning"
	Critical Severity = "critical"
	Unknown  Severity = "unknown"
)

// Facts are all that a report is made of.
type Facts struct {
	Limits   policy.Limits
	View     cluster.View
	Memory   policy.Memory
	Decision policy.Decision // of this host's watchdog, now
	Watchers []claim.Watcher // meant if View.Claims.Known
	Unread   string          // why the tickets could not be read, with a quorum; empty: they could

	StateDir string       // where the daemon keeps its state
	State    state.Record // zero: it has kept nothing
	Running  bool         // a daemon keeps its state there now
	Problem  string       // why its state can't be read; empty: it can
}

// Common is what status and plan have in common.
type Common struct {
	Status    Severity  `json:"status"`
	At        time.Time `json:"at"`
	ClusterID string    `json:"cluster_id,omitempty"`
	Problem   string    `json:"problem,omitempty"` // why the cluster could not be asked
	Claim     Claim     `json:"claim"`
	Daemon    Daemon    `json:"daemon"`
	Pause     *Pause    `json:"pause,omitempty"`
	Findings  []Finding `json:"findings"`
}

// Claim is the right to work on a member, as the tickets in etcd show it.
type Claim struct {
	Known    bool   `json:"known"`
	Holder   string `json:"holder,omitempty"`
	MemberID string `json:"holder_member_id,omitempty"`
}

// Daemon is the daemon of this host, by what it keeps in its state directory.
type Daemon struct {
	Running      bool          `json:"running"`
	StateDir     string        `json:"state_directory"`
	Version      string        `json:"version,omitempty"`
	LastPoll     *time.Time    `json:"last_poll,omitempty"`
	SincePoll    *float64      `json:"since_last_poll_seconds,omitempty"`
	LastDecision *LastDecision `json:"last_decision,omitempty"`
	Problem      string        `json:"problem,omitempty"`
}

// LastDecision is the last decision that the daemon has kept.
type LastDecision struct {
	At       time.Time `json:"at"`
	Reason   string    `json:"reason"`
	Detail   string    `json:"detail,omitempty"`
	MemberID string    `json:"member_id,omitempty"`
}

// Pause is a pause of this host's daemon that has not ended.
type Pause struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason,omitempty"`
}

// Finding is one thing worth a word.
type Finding struct {
	Severity   Severity `json:"severity"`
	Code       string   `json:"code"` // an event of docs/events.md, or one of the codes below
	MemberID   string   `json:"member_id,omitempty"`
	MemberName string   `json:"member_name,omitempty"`
	Detail     string   `json:"detail"`
}

// Codes of findings that are no events.
const (
	CodeNotWatched       = "member_not_watched"
	CodeDaemonNotRunning = "daemon_not_running"
	CodeUrgent           = "urgent"
	CodeTicketsUnread    = "tickets_unread"
)

// common puts together what status and plan have in common.
func common(f Facts) Common {
	c := Common{
		At: f.View.At.UTC(), Problem: problem(f.View), Findings: findings(f),
		Claim:  Claim{Known: f.View.Claims.Known, Holder: f.View.Claims.Holder, MemberID: id(f.View.Claims.HolderMember)},
		Daemon: daemon(f),
	}
	if f.View.ClusterID != 0 {
		c.ClusterID = state.ID(f.View.ClusterID).String()
	}
	if p := f.View.Pause; p.Holds(f.View.At) {
		c.Pause = &Pause{Since: p.Since.UTC(), Until: p.Until.UTC(), Reason: p.Reason}
	}
	c.Status = worst(c.Findings)
	if c.Problem != "" {
		c.Status = Unknown
	}
	return c
}

func daemon(f Facts) Daemon {
	d := Daemon{Running: f.Running, StateDir: f.StateDir, Version: f.State.ProgramVersion, Problem: f.Problem}
	if f.State.PolledAt.IsZero() {
		return d
	}
	polled, since := f.State.PolledAt.UTC(), f.View.At.Sub(f.State.PolledAt).Seconds()
	d.LastPoll, d.SincePoll = &polled, &since
	last := f.State.Decision
	d.LastDecision = &LastDecision{At: last.At.UTC(), Reason: string(last.Reason), Detail: last.Detail, MemberID: id(cluster.MemberID(last.Member))}
	return d
}

// problem is why nothing can be said about the cluster: no member has answered.
func problem(v cluster.View) string {
	if v.Problem != "" {
		return v.Problem
	}
	first := "the member list is empty"
	for i, m := range v.Members {
		if m.Contact == cluster.Answered {
			return ""
		}
		if i == 0 || m.ID == v.Local {
			first = m.Problem
		}
	}
	return first
}

func id(of cluster.MemberID) string {
	if of == 0 {
		return ""
	}
	return of.String()
}
