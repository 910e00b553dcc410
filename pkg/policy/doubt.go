package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Doubt is a defragmentation of which nobody can say whether it has run, still
// runs, or is yet to come: the server ignores that its client has gone (I11).
// While there is one, no member is touched.
type Doubt struct {
	Member cluster.MemberID
	Before cluster.Evidence // from before the request was sent; not Known if there was none
	Closed time.Time        // when the connection that carried it was known to be closed
	Quiet  int              // looks in a row, after delivery, at which nothing was running
	Last   time.Time        // the last of them
	Job    string           // the work that the request was part of; empty after a restart
	Cause  string           // how the outcome came to be unknown; empty after a restart
}

const (
	// quietApart is the least time between two looks that count as two. Of two
	// defragmentations that a member has queued, the second begins at once.
	quietApart = time.Second
	// quietLooks settle a doubt together with the member's own word that none is
	// in flight; quietAlone do where its /metrics can't be read.
	quietLooks = 2
	quietAlone = 4
)

// Settle folds one look into a doubt and reports whether, and how, it is
// settled: by positive evidence, or by the member being quiet for longer than
// a request can still be on its way (delivery).
func (d Doubt) Settle(l Limits, delivery time.Duration, v cluster.View, mem Memory, ev cluster.Evidence) (Doubt, string) {
	m, _ := v.Member(d.Member)
	if ev.Known && ev.InFlight {
		d.Quiet = 0
		return d, ""
	}
	if m.Contact == cluster.Silent {
		d.Quiet = 0
		since := mem.Of(d.Member).SilentSince
		if !since.IsZero() && v.At.Sub(since) >= l.UnreachableGrace {
			return d, "the member has been absent for longer than unreachable-grace"
		}
		return d, ""
	}
	if m.Contact != cluster.Answered {
		d.Quiet = 0
		return d, ""
	}
	if ev.Known && d.Before.Known {
		switch {
		case ev.ProcessStart > d.Before.ProcessStart:
			return d, "the member's process was restarted"
		case ev.Completed > d.Before.Completed:
			return d, "the member has completed it"
		}
	}
	if v.At.Sub(d.Closed) < delivery || !d.Last.IsZero() && v.At.Sub(d.Last) < quietApart {
		return d, ""
	}
	d.Quiet, d.Last = d.Quiet+1, v.At
	if ev.Known && d.Quiet >= quietLooks || d.Quiet >= quietAlone {
		return d, "the member answers and none is running"
	}
	return d, ""
}
