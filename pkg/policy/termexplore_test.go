package policy_test

import (
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"
)

// exploreTermsLarge, set to anything, adds the worlds that take minutes and up
// to several gigabytes.
const exploreTermsLarge = "ETCD_WATCHDOG_EXPLORE_LARGE"

const anyTermFaults = -1

var (
	// The own member's step may come at any time in these worlds, in place or
	// after a handover, so exclusion does not rest on its being the last.
	termTwo      = termScope{members: 2, beside: []int8{1, 2}, window: 2, delivery: 1, faults: 2}
	termLonger   = termTwo.but(func(s *termScope) { s.delivery = 2 })
	termHandover = termTwo.but(func(s *termScope) { s.handover = true })
	termTool     = termTwo.but(func(s *termScope) { s.tool = true })
	termTickets  = termTwo.but(func(s *termScope) { s.tickets, s.faults = true, 3 })
	termOneHost  = termTwo.but(func(s *termScope) { s.beside, s.faults = []int8{1, 1}, 3 })
	termThree    = termTwo.but(func(s *termScope) { s.members, s.faults = 3, 1 })
	termFollower = termTwo.but(func(s *termScope) { s.beside, s.takeover, s.faults = []int8{2}, true, anyTermFaults })
)

var (
	smallTermWorlds = []termScope{
		termTwo.but(func(s *termScope) { s.faults = anyTermFaults }),
		termTwo.but(func(s *termScope) { s.staggered = true }),
		termLonger,
		termHandover,
		termTool,
		termTickets,
		termOneHost,
		termThree,
		termFollower,
		termTwo.but(func(s *termScope) { s.takeover, s.faults = true, 0 }),
		termThree.but(func(s *termScope) { s.beside, s.takeover, s.window, s.faults = []int8{2, 3}, true, 1, 0 }),
	}
	largeTermWorlds = []termScope{
		termLonger.but(func(s *termScope) { s.faults = anyTermFaults }),
		termTwo.but(func(s *termScope) { s.staggered, s.faults = true, anyTermFaults }),
		termHandover.but(func(s *termScope) { s.faults = anyTermFaults }),
		termTool.but(func(s *termScope) { s.faults = 3 }),
		termTickets.but(func(s *termScope) { s.faults = 6 }),
		termThree.but(func(s *termScope) { s.faults = 2 }),
		termThree.but(func(s *termScope) { s.staggered = true }),
		termThree.but(func(s *termScope) { s.handover = true }),
		termThree.but(func(s *termScope) { s.beside, s.faults = []int8{1, 2, 3}, 1 }),
		termTwo.but(func(s *termScope) { s.takeover, s.faults = true, 2 }),
	}
)

func (s termScope) but(change func(*termScope)) termScope {
	change(&s)
	return s
}

func (s termScope) String() string {
	said := []string{
		fmt.Sprintf("%d members, watchdogs next to %v", s.members, s.beside),
		fmt.Sprintf("A %d, delivery %d", s.window, s.delivery),
	}
	if s.faults < 0 {
		said = append(said, "any faults")
	} else {
		said = append(said, fmt.Sprintf("%d faults", s.faults))
	}
	for _, with := range []struct {
		is   bool
		what string
	}{{s.tickets, "tickets"}, {s.tool, "tool"}, {s.staggered, "staggered"}, {s.handover, "handover"}, {s.takeover, "takeover"}} {
		if with.is {
			said = append(said, with.what)
		}
	}
	return strings.Join(said, ", ")
}

// With all conditions kept, no state of any of these worlds breaks a promise:
// no step begins or arrives at a member while another member is worked on or a
// request to it is on its way, and from every state some watchdog next to a
// voter can get a step done in the end, while NOSPACE is listed and a quorum
// lives. The list of voters never changes in them.
func TestSmallTermWorldsKeepThePromises(t *testing.T) {
	worlds := smallTermWorlds
	if os.Getenv(exploreTermsLarge) != "" {
		worlds = append(worlds, largeTermWorlds...)
	}
	for _, s := range worlds {
		t.Run(s.String(), func(t *testing.T) {
			x := exploreTerms(s, termRules{})
			t.Logf("%d states, %d moves between them", len(x.nodes), len(x.edges))
			if x.bad != nil {
				t.Error(x.bad)
			}
		})
	}
}

const (
	twoSteps  = "while another is for member"
	stuckTerm = "no watchdog can ever complete a step"
)

// Each condition is there because without it a promise is broken. The length is
// that of the shortest way there; a change of it is right if the model was
// changed on purpose. Run with -v to see the traces.
func TestEachTermConditionIsNeeded(t *testing.T) {
	locks := termOneHost.but(func(s *termScope) { s.faults = 1 })
	alarms := termTickets.but(func(s *termScope) { s.faults = 4 })
	tests := []struct {
		condition string // switched off
		broken    termRules
		world     termScope
		promise   string
		moves     int
		large     bool
	}{
		{"term: the one in Status", termRules{statusTerm: true}, termTwo, twoSteps, 22, false},
		{"read: no quorum confirms it", termRules{unconfirmed: true}, termTwo, twoSteps, 20, false},
		{"S: none", termRules{noWait: true}, termTwo, twoSteps, 8, false},
		{"S: A alone", termRules{shortWait: true}, termLonger, twoSteps, 18, false},
		{"S: a tick short", termRules{nearlyWait: true}, termLonger, twoSteps, 22, false},
		{"S: ends with the send", termRules{waitToSend: true}, termTwo, twoSteps, 22, false},
		{"S: begins with the start of the first observation", termRules{waitFromStart: true}, termTwo, twoSteps, 22, false},
		{"A: none", termRules{noWindow: true}, termTwo, twoSteps, 21, false},
		{"A: begins with the end of the observation", termRules{windowFromEnd: true}, termTwo, twoSteps, 21, false},
		{"A: on a clock that stops in a suspension", termRules{windowStops: true}, termTwo, twoSteps, 21, false},
		{"A: not after a handover", termRules{handedLate: true}, termHandover, twoSteps, 22, false},
		{"quiet: in spite of silent voters", termRules{ignoreSilent: true}, termThree, twoSteps, 21, false},
		{"quiet: in spite of another tool's work", termRules{ignoreTool: true}, termTool, twoSteps, 11, false},
		{"doubt: binds nothing", termRules{ignoreDoubt: true}, termTwo, twoSteps, 11, false},
		{"lock: none", termRules{noLock: true}, locks, twoSteps, 16, false},
		// The holder may end with its request on its way, so the lock must be held
		// through S.
		{"lock: for the send alone", termRules{lockAtSend: true}, locks, twoSteps, 19, false},
		{"ticket: bars no permit", termRules{ignoreTickets: true}, termTickets, twoSteps, 13, false},
		{"ticket: usable at its put", termRules{ticketAtOnce: true}, termTickets, twoSteps, 14, false},
		{"ticket: usable at a restart", termRules{resumedAtOnce: true}, termTickets, twoSteps, 15, false},
		{"ticket: usable a tick early", termRules{ticketNearly: true}, termTickets, twoSteps, 16, false},
		{"ticket: used while voters are silent", termRules{ticketBlind: true}, termTickets, twoSteps, 17, false},
		// An observation asks for Status before its read. A ticket that was used and
		// lost between the two shows in neither, unless its lease outlives each step
		// that is sent under it by S.
		{"ticket: the margin is a tick less than S", termRules{shortMargin: true}, alarms, twoSteps, 19, false},
		// NOSPACE comes and goes between the observations of the ticket's owner, so
		// their silence about it is no reason to use a ticket before S has passed
		// since its put.
		{"ticket: usable at its put after S without NOSPACE", termRules{ticketCalm: true}, termTickets, twoSteps, 16, false},
		{"ticket: the same, observed at every tick", termRules{ticketCalmDense: true}, alarms, twoSteps, 20, true},
		{"ticket: the same, and quiet counts without NOSPACE", termRules{ticketCalmDense: true, peaceQuiet: true}, termTickets, twoSteps, 18, true},
		{"takeover: none", termRules{noTakeover: true}, termFollower, stuckTerm, 0, false},

		// Second lines of defense: without them nothing happens in these worlds.
		// The header of a read is not older than the term of the leader that
		// confirmed it, whichever member served it. That it is the own member's keeps
		// the answers of other clusters apart.
		{"read: of another member", termRules{otherReads: true}, termTwo, "", 0, false},
		{"read: of another of three members", termRules{otherReads: true}, termThree, "", 0, false},
		// A member that only believes it leads cannot have its read confirmed.
		{"leader: named by the own member alone", termRules{minority: true}, termThree, "", 0, false},
		// A bounds each step, and a successor waits for S. The voters are asked again
		// for the sake of work by hand, and one step is sent because the next needs an
		// observation of its effect.
		{"handover: voters are not asked again", termRules{handedBlind: true}, termHandover, "", 0, false},
		{"handover: several steps", termRules{handedMore: true}, termHandover, "", 0, false},
		// The margin and the age of tickets are enough. Where quiet counts only with
		// NOSPACE, the wait begins later.
		// A margin just above the delivery bound is enough if every voter answers
		// Status once more between the read and the send.
		{"ticket: a short margin, voters asked again", termRules{shortMargin: true, asksAgain: true}, alarms, "", 0, true},
		{"ticket: the same, and both kinds of quiet", termRules{shortMargin: true, asksAgain: true, peaceQuiet: true, ticketQuiet: true}, termTickets, "", 0, true},
		{"quiet: while a ticket exists", termRules{ticketQuiet: true}, termTickets, "", 0, false},
		{"quiet: without NOSPACE", termRules{peaceQuiet: true}, termTickets, "", 0, true},
		{"quiet: both", termRules{ticketQuiet: true, peaceQuiet: true}, termTickets, "", 0, true},
		// The leadership changes more often, but a step can still follow.
		{"takeover: does not wait longer each time", termRules{takeoverFlat: true}, termFollower, "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.condition, func(t *testing.T) {
			if tt.large && os.Getenv(exploreTermsLarge) == "" {
				t.Skipf("%s is not set", exploreTermsLarge)
			}
			x := exploreTerms(tt.world, tt.broken)
			t.Logf("%s: %d states", tt.world, len(x.nodes))
			switch {
			case x.bad == nil && tt.promise != "":
				t.Errorf("nothing happens, want %q", tt.promise)
			case x.bad != nil && (tt.promise == "" || !strings.Contains(x.bad.promise, tt.promise) || len(x.bad.trace) != tt.moves):
				t.Errorf("want %q after %d moves, got: %s", tt.promise, tt.moves, x.bad)
			case x.bad != nil:
				t.Log(x.bad)
			}
		})
	}
}

// everyTermMove is how each kind of move begins that these worlds make where no
// condition is switched off.
var everyTermMove = []string{
	"a step arrives", "a step for member 2 is lost", "a tick passes", "begins an observation", "ends an observation",
	"gets no Status", "gets no answer", "gets the Status", "gives its ticket back", "hands the leadership",
	"has its read confirmed", "knows how its step ended", "loses its lease", "member 2 applies", "member 2 is elected",
	"member 2 learns", "member 2 restarts", "member 3 crashes", "member 3 starts", "NOSPACE is disarmed", "NOSPACE is raised",
	"observes that its member does not answer", "observes what ends the quiet", "puts a ticket",
	"reads that a ticket exists", "restarts", "sends a step to member 1", "sends a step to member 1 under its ticket",
	"takes its ticket", "takes the host's lock", "takes the leadership", "the step at member 1 ends",
}

// An explorer that does not reach what it is made for would prove nothing.
func TestSmallTermWorldsReachEveryMove(t *testing.T) {
	made := map[string]bool{}
	few := func(s *termScope) { s.faults = min(2, s.faults) }
	for _, s := range []termScope{
		termTwo.but(func(s *termScope) { s.staggered, s.faults = true, 1 }),
		termHandover.but(few), termTickets.but(few), termOneHost.but(few),
		termThree.but(func(s *termScope) { s.beside, s.faults = []int8{1}, 2 }),
		termFollower,
	} {
		maps.Copy(made, exploreTerms(s, termRules{}).moves)
	}
	for _, begin := range everyTermMove {
		found := false
		for move := range made {
			found = found || strings.HasPrefix(move, begin)
		}
		if !found {
			t.Errorf("never made: %s", begin)
		}
	}
}
