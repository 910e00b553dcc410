package policy

import (
	"errors"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Doubt is a defragmentation of which it is not known whether it has run, still
// runs, or is yet to come: the server ignores that its client has gone (I11).
// While there is one, no step that blocks a member is begun.
type Doubt struct {
	Member    cluster.MemberID
	Before    cluster.Evidence // from before the request was sent; not Known if there was none
	SizeBytes int64            // the file before it
	Sent      bool             // by this process; else a busy ticket says that an earlier one may have
	Closed    time.Time        // when the connection that carried it was known to be closed
	Quiet     int              // observations in a row, after delivery, at which nothing was running
	Last      time.Time        // the last of them
	Asked     time.Time        // when the member's metrics were last read for it
	Job       string           // the work that the request was part of; empty after a restart
	Cause     string           // how the outcome came to be unknown; empty after a restart
}

// Settlement says how a doubt was settled.
type Settlement int

// The settlements.
const (
	Unsettled Settlement = iota
	Completed            // the member has completed a defragmentation
	Restarted            // its process was started again, which ends whatever ran
	Absent               // it has been absent for longer than unreachable-grace
	Quieted              // it answers, and none is running
)

var errSettledAsFailed = errors.New("the defragmentation was not completed")

// String returns the clause that reports use.
func (s Settlement) String() string {
	switch s {
	case Completed:
		return "the member has completed it"
	case Restarted:
		return "etcd's process on that member was restarted"
	case Absent:
		return "the member has been absent for longer than unreachable-grace"
	case Quieted:
		return "the member answers and none is running"
	default:
		return "not settled"
	}
}

const (
	// quietApart is the least time between two observations that count as two. Of
	// two defragmentations that a member has queued, the second begins at once.
	quietApart = time.Second
	// quietLooks settle a doubt together with the member's own metrics that show
	// none in flight; quietAlone do where its /metrics can't be read.
	quietLooks = 2
	quietAlone = 4
	// askAgain is how often the metrics of a member in doubt are read.
	askAgain = 3 * time.Second
)

// AsksNow reports that the member's metrics should be read for the doubt: at
// first at once, then every few seconds.
func (d Doubt) AsksNow(now time.Time) bool { return now.Sub(d.Asked) >= askAgain }

// Settle folds one observation into a doubt and reports whether, and how, it is
// settled: by positive evidence, by the member being quiet for longer than a
// request can still be on its way (delivery), or by its absence.
func (d Doubt) Settle(l Limits, v cluster.View, mem Memory, ev cluster.Evidence) (Doubt, Settlement) {
	m, _ := v.Member(d.Member)
	if ev.Known && ev.InFlight {
		d.Quiet = 0
		return d, Unsettled
	}
	if m.Contact != cluster.Answered {
		d.Quiet = 0
		away := mem.Of(d.Member).AwaySince
		if !m.Blocked && !away.IsZero() && v.At.Sub(away) >= l.UnreachableGrace {
			return d, Absent
		}
		return d, Unsettled
	}
	if ev.Known && d.Before.Known {
		switch {
		case ev.ProcessStart > d.Before.ProcessStart:
			return d, Restarted
		case ev.Completed > d.Before.Completed:
			return d, Completed
		}
	}
	if v.At.Sub(d.Closed) < l.DeliveryBound || !d.Last.IsZero() && v.At.Sub(d.Last) < quietApart {
		return d, Unsettled
	}
	d.Quiet, d.Last = d.Quiet+1, v.At
	if ev.Known && d.Quiet >= quietLooks || d.Quiet >= quietAlone {
		return d, Quieted
	}
	return d, Unsettled
}
