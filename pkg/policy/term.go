package policy

import (
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Sight is what one observation shows of the leadership: Status of every voter,
// then a linearizable read through the own member.
type Sight struct {
	Ended     time.Time
	Leader    cluster.MemberID   // named by more than half of the voters; 0: none
	Term      uint64             // in the header of the read, not the one in a Status; 0: the read failed or another member served it
	Voters    []cluster.MemberID // sorted
	Disturbed bool               // a voter that is needed did not answer promptly, another tool was at work, or work is hindered
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

const (
	// takeoverAfter is how long the cluster has to have been quiet before a
	// watchdog moves the leadership to its own member, and takeoverApart how much
	// longer each further one by ascending member id waits.
	takeoverAfter = 30 * time.Second
	takeoverApart = 15 * time.Second
	takeoverMost  = 10 * time.Minute
)

// Settled is S: how long the cluster has to have been quiet in one term before a
// step that blocks a member is sent under it. Whatever was sent under an earlier
// term has arrived by then.
func (l Limits) Settled() time.Duration { return l.SendWithin + l.DeliveryBound }

// sight is what an observation shows of the leader's term. Under any other state
// than NOSPACE without tickets there is nothing to count.
func (m Memory) sight(l Limits, v cluster.View, foreign bool) Sight {
	s := Sight{Ended: v.Ended, Leader: v.Leader(), Term: v.Claims.Term, Voters: v.VoterIDs()}
	for _, voter := range v.Voters() {
		mm := m.Of(voter.ID)
		prompt := voter.Contact == cluster.Answered && voter.Took <= mm.prompt()
		s.Disturbed = s.Disturbed || !prompt && !excused(l, v.At, v, m, voter)
	}
	_, full := world{view: v}.fullLearner()
	// Who does not hold the lock of this host may not be the only one here that
	// counts.
	s.Disturbed = s.Disturbed || !v.Beside || foreign || full || !v.Alarmed(cluster.AlarmNoSpace) || v.Alarmed(cluster.AlarmCorrupt) ||
		!v.Claims.Known || len(v.Claims.Watched) > 0 || v.Claims.Holder != "" || v.Pause.Holds(v.At)
	return s
}

// underTerm decides what the watchdog next to the leader does about members that
// need a defragmentation while no ticket can exist: one after the other, its own
// last. Next to another voter it waits, and takes the leadership if nothing
// happens.
func (w world) underTerm(targets []cluster.Member) Decision {
	if !w.view.Beside {
		return wait(obstacle{reason: WaitingForClaim, detail: "no watchdog has a ticket and none can be put while writes are refused; the watchdog next to the leader heals the cluster, and this one is not next to a member: " + w.view.NotBeside})
	}
	w.order(targets)
	d := w.firstOf(targets, targets)
	if !d.Acts() {
		return d
	}
	q := w.memory.Quiet
	if q.Since.IsZero() {
		return wait(obstacle{reason: WaitingForClaim, member: d.Member, detail: "no watchdog has a ticket; work begins once the cluster has been quiet under one leader, and it is not quiet yet"})
	}
	patience, what := w.limits.Settled(), "this host's watchdog, next to the leader, begins"
	leads := w.view.Leader() == w.view.Local
	if !leads {
		patience, what = w.takeoverPatience(), "this host's watchdog moves the leadership to its member, unless the watchdog next to the leader begins first,"
	}
	if left := patience - q.Lasted(w.view.At); left > 0 {
		return wait(obstacle{
			reason: WaitingForClaim, member: d.Member, until: w.now.Add(left),
			detail: "no watchdog has a ticket, so the leader's term is the permit; " + what + " once the cluster has been quiet for " + patience.String(),
		})
	}
	d.Permit = Term
	if !leads {
		d.Steps = []cluster.Step{{Kind: cluster.StepMoveLeader, Member: w.view.Leader(), To: w.view.Local}}
		d.Member, d.Expected, d.Risk = w.view.Leader(), 0, ""
	}
	return d
}

// firstOf returns the work on the first of the members that nothing speaks
// against, or why there is none. Targets are all that need work.
func (w world) firstOf(members, targets []cluster.Member) Decision {
	var why Decision
	for i, m := range members {
		d := w.defragment(m, targets, m.ID != w.view.Local)
		if d.Acts() {
			return d
		}
		if i == 0 {
			why = d
		}
	}
	return why
}

// takeoverPatience is how long this watchdog leaves a quiet cluster to the one
// next to the leader: longer by its rank, and after each takeover that came to
// nothing twice as long.
func (w world) takeoverPatience() time.Duration {
	if w.limits.TakeAtOnce && w.memory.Takeovers == 0 {
		return 0
	}
	patience := takeoverAfter + time.Duration(w.rank(w.view.VoterIDs(), w.view.Leader()))*takeoverApart
	for range w.memory.Takeovers {
		patience = min(2*patience, takeoverMost)
	}
	return patience
}

// takeover reports that a decision moves the leadership and nothing else.
func (d Decision) takeover() bool {
	return d.only(cluster.StepMoveLeader)
}
