package policy

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Share is a part of a member's own quota: 0.8 is 80 %.
type Share float64

// Limits is everything that an operator can set about deciding. The defaults
// are DefaultLimits; the configuration builds on them.
type Limits struct {
	WarnAt       Share // file; reported from here on
	CompactAt    Share // pages in use; compaction alone from here on
	DefragmentAt Share // file; voluntary work from here on
	UrgentAt     Share // file; work without waiting for a better time from here on
	DisarmBelow  Share // file; every voter has to be below it before NOSPACE is disarmed

	KeepRevisions int64         // history that voluntary compaction keeps
	MinReclaim    Share         // what voluntary work has to win at least
	Cooldown      time.Duration // between two voluntary defragmentations of one member
	StallBudget   time.Duration // voluntary work predicted to block a member longer waits for a window
	MoveLeader    bool          // leadership is moved away before the leader's member is worked on
	Windows       []Window      // when voluntary work may be done; none: at any time
	AdoptAfter    time.Duration // a member that nobody works on for so long is worked on by another's watchdog

	UnreachableGrace time.Duration // under NOSPACE a voter absent for longer is left out of "every voter"
	PollInterval     time.Duration // between two looks at a calm cluster
	MinPollInterval  time.Duration // between two looks under NOSPACE
	AssumedSpeed     int64         // bytes per second that clients may begin to write between two looks; 0: none

	SendWithin    time.Duration // A: a step under the leader's term is sent within this time of the start of its observation
	DeliveryBound time.Duration // how long a request may still be on its way after its connection was closed

	Observe bool // nothing is ever done; the decisions are reported

	// For one pass that the operator has asked for.
	Only       cluster.MemberID // work on this member alone; 0: on all
	Immediate  bool             // voluntary work without cooldown, window and stall budget
	TakeAtOnce bool             // the first takeover of the leadership waits for no other watchdog
	Alone      bool             // the operator states that no other watchdog or tool works on the cluster
}

// DefaultLimits returns the limits that hold where nothing is configured.
func DefaultLimits() Limits {
	return Limits{
		WarnAt:           0.70,
		CompactAt:        0.60,
		DefragmentAt:     0.80,
		UrgentAt:         0.95,
		DisarmBelow:      0.90,
		KeepRevisions:    1000,
		MinReclaim:       0.20,
		Cooldown:         6 * time.Hour,
		StallBudget:      10 * time.Second,
		MoveLeader:       true,
		AdoptAfter:       2 * time.Minute,
		UnreachableGrace: 5 * time.Minute,
		PollInterval:     10 * time.Second,
		MinPollInterval:  500 * time.Millisecond,
		AssumedSpeed:     32 << 20,
		SendWithin:       5 * time.Second,
		DeliveryBound:    10 * time.Second,
	}
}
