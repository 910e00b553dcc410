// Package event is the closed list of things worth reporting: for each a name,
// a level, a fixed machine-readable id, the facts that it carries, a sentence
// for a person, and what it means and asks for.
//
// It decides nothing: who records an Event says that something happened, and
// the Table says how that is told. It reads no clock, except that a Logger
// lets zap stamp each entry.
//
// What holds:
//
//  1. The list is closed. Each Kind has one row in the Table, and docs/events.md
//     is written from the Table.
//  2. A name, an id and the name of a fact never change and are never given to
//     anything else. A change of one is a change for operators.
//  3. An entry carries the facts that its row lists, all of them, zero or not,
//     and no others. The name of a fact says its unit.
//  4. The beginning and the end of a piece of work carry the same job, member
//     and sizes.
//  5. A level means one thing: err, something needs a person; warning, something
//     will; notice, work was done; info, start, stop and changes; debug, every
//     poll. So a calm day is silent at info.
//  6. Nothing that a server sent can forge a line or a field: what does not
//     print is escaped, and what is long is cut.
//  7. Recording never blocks and never fails. What could not be delivered is
//     counted, and the count is reported.
//  8. Whatever happens, the entries per second are bounded, kind by kind; what is
//     left out for that is counted, and reported by kind.
package event

import (
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Kind names one thing worth reporting. Its String is the value of the journal
// field WATCHDOG_EVENT. The list is closed: Table has a row for each.
type Kind int

// Life of the process.
const (
	Started Kind = iota + 1
	Stopping
	Reloaded
	ReloadFailed  // the configuration as it stands now was refused, the earlier one holds
	PollFailed    // a tick ended in an error that is no fact about the cluster
	RightsMissing // the user may not do what the work needs
	Polled        // debug: one look, one decision

	// Conditions: standing states of the cluster or of our work on it. They are
	// reported when they begin, at a stated rate while they last, and when they
	// end (ConditionEnded names which). Their names are the reasons.
	NospaceArmed
	CorruptArmed
	IdentityMismatch
	NotQuorate
	MemberUnreachable
	MemberCatchingUp
	NearQuota
	LearnerFull
	LiveDataTooLarge
	QuotaAssumed
	QuotaDiffers // a configured quota that is not the learnt one
	CoolingDown
	OutsideWindow
	StallBudget
	NothingToReclaim
	QuotaInSight // at the growth of late the quota is reached within a day
	VersionGuard // a server version with a known fault, or a change of versions under way
	DiskTooSmall
	StaleFiles // left behind by defragmentations that were cut short
	Observing  // something would be done, if the mode were not observe
	Paused     // a person wants this host's watchdog to work on nothing for a while
	WaitingForClaim
	AnotherMembersTurn
	WaitingForCompaction
	ForeignTickets // keys in the form of tickets that are none
	DefragmentationUnknown
	CertificateExpiring // a certificate that connections rest on ends soon
	ConditionEnded

	// The claim.
	Enrolled // tickets put, or replenished from none
	Resumed  // a lease and its tickets of an earlier process are in use again
	EnrolFailed
	ClaimTaken
	ClaimGivenBack
	ClaimLost
	TicketInDoubt  // a busy ticket of ours that we do not remember taking
	LastTicket     // the last one was used while etcd refuses writes
	TicketsGivenUp // by a watchdog that cannot work
	WithoutClaim   // work under the leader's term, or on a single voter

	// Work. Begin and end of one piece share Job.
	Adopted // the work is on a member that its own watchdog does not do
	CompactionStarted
	CompactionCompleted
	CompactionFailed
	CompactionLong
	RoutineCompaction // debug: one compaction that keeps the database small, of many a day
	HistoryCompacted  // what those of the last hour have done together
	LeaderMoved
	LeaderMoveFailed
	DefragmentationStarted
	DefragmentationLong
	DefragmentationCompleted
	DefragmentationFailed
	DefragmentationSettled
	AlarmDisarmed
	DisarmFailed
	DisarmRepeated  // the alarm came back after a disarm
	Healed          // writes are accepted again
	WorkEnded       // a piece of work ended before its last step
	ClusterRestored // the revision went back: restored from a snapshot, or built again
	DryRunStep

	// The reports themselves.
	EventsDropped // entries that could not be written
	EventsLeftOut // entries that were too many of their kind to be written
	MetricsFailed // metrics could not be served, or not be written

	endOfKinds // none of them; keep it last
)

// Event is one thing that happened, with all the facts that any Kind may
// carry. Table says which of them belong to a Kind; only those are written,
// and those are always written, zero or not.
type Event struct {
	Kind   Kind
	Reason string // a reason of the decision, as package policy names them
	Detail string // what only this occurrence can say: one clause or sentence
	Job    string // ties the beginning of a piece of work to its end

	Member     cluster.MemberID // the member it is about
	MemberName string
	SizeBytes  int64 // the member's database file (at the end of work: after it)
	InUseBytes int64
	QuotaBytes int64
	QuotaFrom  string // learnt, configured, assumed

	ConfiguredBytes int64 // QuotaDiffers: the quota that the configuration names

	BeforeBytes int64 // the file before the work
	Revision    int64
	To          cluster.MemberID // whom the leadership moved to
	Alarm       string           // NOSPACE, CORRUPT
	Holder      string           // who holds the claim
	Tickets     int
	Took        time.Duration // of the work; of a condition: how long it lasted
	Expected    time.Duration // how long the work was predicted to take
	Condition   string        // ConditionEnded: the name of the condition
	Step        string        // DryRunStep: the step, in words
	Version     string        // Started: the program's version
	Endpoint    string        // Started
	Error       string        // why something failed, with the next step
	Count       int           // how many times it was done
	WonBytes    int64         // what was freed
	Left        time.Duration // CertificateExpiring: until the end; negative: since then
	Dropped     int           // EventsDropped, EventsLeftOut: how many

	Source string // PollFailed: the part of the poll that failed; no fact, see ErrorCategory

	Grade int // of a condition that comes on slowly: how bad it is; no fact, more is worse
}

// Recorder takes events. A Recorder never blocks its caller and never fails:
// what it can't deliver it counts.
type Recorder interface {
	Record(Event)
}
