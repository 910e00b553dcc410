package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Permit says what a piece of work needs before its first step.
type Permit int

// The permits.
const (
	NoPermit    Permit = iota // compaction and disarming: at any time, by any watchdog
	Claim                     // a ticket, held for the whole work
	Term                      // no ticket can exist: the leader's term
	SingleVoter               // there is no other member to be at once with
	Alone                     // the operator states that nothing else works on the cluster
)

// Decision is what is to be done next, as data: the steps are listed before
// the first of them happens. No steps means that nothing is to be done now,
// and Reason says why.
type Decision struct {
	Rule     int // of docs/ARCHITECTURE.md
	Reason   Reason
	Detail   string           // what the reason alone does not tell; a clause for people, or empty
	Member   cluster.MemberID // the member worked on, or the one that keeps work from being done; 0: none
	Until    time.Time        // when a reason to wait ends by itself; zero: no clock says when
	Steps    []cluster.Step
	Revision int64 // of the observation that the decision was made from
	Permit   Permit
	Urgent   bool          // NOSPACE is listed or a file is at urgent-at: the limits of voluntary work are lifted
	Routine  bool          // compaction alone, as it happens many times a day under load
	Expected time.Duration // how long the defragmentation among the steps will block the member
	Risk     string        // what the work may cost; a clause for people, or empty
	Standing []Condition   // what lasts, sorted, whatever is decided
	Next     time.Duration // until the next poll
}

// Acts reports that the decision has steps.
func (d Decision) Acts() bool { return len(d.Steps) > 0 }

// Compacts reports that the decision is a compaction and nothing else.
func (d Decision) Compacts() bool { return d.only(cluster.StepCompact) }

func (d Decision) only(kind cluster.StepKind) bool {
	return len(d.Steps) == 1 && d.Steps[0].Kind == kind
}

// under returns the decision with what its work is done under.
func (d Decision) under(permit Permit) Decision {
	if d.Acts() {
		d.Permit = permit
	}
	return d
}

// Has reports that one of the steps is of that kind.
func (d Decision) Has(kind cluster.StepKind) bool {
	for _, s := range d.Steps {
		if s.Kind == kind {
			return true
		}
	}
	return false
}

// Condition is a standing state worth a report when it begins and when it
// ends. Two conditions are the same if Reason and Member are.
type Condition struct {
	Reason Reason
	Member cluster.MemberID // 0: the cluster as a whole
	Detail string           // a sentence or clause with the figures of now
	Grade  int              // how bad it is, where that can change; more is worse
}
