package cluster

import (
	"errors"
	"fmt"
)

// StepKind is one of the four things that the program ever does to a cluster.
type StepKind int

// The steps.
const (
	StepCompact StepKind = iota + 1
	StepMoveLeader
	StepDefragment
	StepDisarm
)

// String returns the step's name, as reports and the dry run write it.
func (k StepKind) String() string {
	switch k {
	case StepCompact:
		return "compact"
	case StepMoveLeader:
		return "move-leader"
	case StepDefragment:
		return "defragment"
	case StepDisarm:
		return "disarm"
	default:
		return fmt.Sprintf("step(%d)", int(k))
	}
}

// Step is one effect on the cluster, as data: a decision lists its steps
// before the first of them happens, and a dry run prints the very same list.
type Step struct {
	Kind     StepKind
	Member   MemberID // whom the request is sent to; for disarm: whose alarm it is
	To       MemberID // move-leader: the member that shall lead
	Revision int64    // compact: the revision to compact at
	Alarm    AlarmKind
}

// String says what the step does, in words that fit behind "would ".
func (s Step) String() string {
	switch s.Kind {
	case StepCompact:
		return fmt.Sprintf("compact at revision %d, waiting for member %s", s.Revision, s.Member)
	case StepMoveLeader:
		return fmt.Sprintf("move the leadership from member %s to member %s", s.Member, s.To)
	case StepDefragment:
		return fmt.Sprintf("defragment member %s", s.Member)
	case StepDisarm:
		return fmt.Sprintf("disarm the %s alarm of member %s", s.Alarm, s.Member)
	default:
		return s.Kind.String()
	}
}

// Evidence is what a member's /metrics tells about its defragmentations. It
// settles whether one that was asked for has run.
type Evidence struct {
	Known        bool    // false: /metrics could not be read, nothing below is meant
	Completed    int64   // defragmentations ended since the process started
	InFlight     bool    // one is running now
	ProcessStart float64 // Unix time in seconds at which the process started
}

// ErrOutcomeUnknown is wrapped by the error of a step of which nobody can say
// whether it has happened, still happens, or will: the request left, and no
// answer came. It is never the same as failed.
var ErrOutcomeUnknown = errors.New("outcome unknown")
