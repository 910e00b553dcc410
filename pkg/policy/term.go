package policy

import (
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Sight is what one observation shows of the leadership: Status of every voter,
// then a linearizable read through the own member.
type Sight struct {
	Began, Ended time.Time
	Leader       cluster.MemberID   // named by more than half of the voters; 0: none
	Term         uint64             // in the header of the read, not the one in a Status; 0: the read failed or another member served it
	Voters       []cluster.MemberID // sorted
	Disturbed    bool               // a voter that is needed did not answer promptly, another tool was at work, or work is hindered
}

// Quiet is the pair of leader and term that every observation since Since has
// shown, undisturbed. It is the only memory of the term permit, which lets the
// watchdog next to the leader work while no ticket can exist. The zero Quiet is
// always safe.
type Quiet struct {
	Leader cluster.MemberID
	Term   uint64
	Voters []cluster.MemberID
	Since  time.Time // the end of the first of these observations
}

// Next folds one observation in. Whatever differs starts the wait again.
func (q Quiet) Next(s Sight) Quiet {
	switch {
	case s.Leader == 0 || s.Term == 0 || s.Disturbed:
		return Quiet{}
	case q.Leader == s.Leader && q.Term == s.Term && slices.Equal(q.Voters, s.Voters):
		return q
	default:
		return Quiet{Leader: s.Leader, Term: s.Term, Voters: s.Voters, Since: s.Ended}
	}
}

// Lasted returns how long the quiet had lasted when an observation began.
func (q Quiet) Lasted(began time.Time) time.Duration {
	if q.Since.IsZero() {
		return 0
	}
	return began.Sub(q.Since)
}
