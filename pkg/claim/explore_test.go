package claim

import (
	"os"
	"strings"
	"testing"
)

// exploreLarge, set to anything, adds the worlds that take minutes and up to
// two gigabytes.
const exploreLarge = "ETCD_WATCHDOG_EXPLORE_LARGE"

const anyFaults = -1

var (
	smallWorlds = []scope{
		{watchdogs: 1, tickets: 2, late: 1, faults: anyFaults},
		{watchdogs: 2, tickets: 1, late: 1, faults: anyFaults},
		{watchdogs: 2, tickets: 2, late: 1, faults: 1, enrolled: true},
		{watchdogs: 3, tickets: 1, late: 1, faults: 1, enrolled: true},
	}
	largeWorlds = []scope{
		{watchdogs: 2, tickets: 1, late: 2, faults: 4},
		{watchdogs: 2, tickets: 2, late: 0, faults: anyFaults},
		{watchdogs: 2, tickets: 2, late: 1, faults: 2, enrolled: true},
		{watchdogs: 3, tickets: 1, late: 1, faults: 2},
		{watchdogs: 3, tickets: 1, late: 0, faults: 3},
	}
)

// With all rules kept, no state of any of these worlds breaks a promise: there
// is one holder at a time, no work begins while other work goes on or is in
// doubt, and from every state some watchdog that runs can take the claim in the
// end, if it has a ticket or writes are accepted.
func TestSmallWorldsKeepThePromises(t *testing.T) {
	worlds := smallWorlds
	if os.Getenv(exploreLarge) != "" {
		worlds = append(worlds, largeWorlds...)
	}
	for _, s := range worlds {
		t.Run(s.String(), func(t *testing.T) {
			x := explore(s, rules{})
			t.Logf("%d states, %d moves between them", len(x.nodes), len(x.edges))
			if x.bad != nil {
				t.Error(x.bad)
			}
		})
	}
}

// EveryMove is each move that the explorer makes where no rule is broken, but for
// what the program never has to do: clearing junk.
var EveryMove = []string{
	"is granted a lease", "puts tickets", "renews", "sends a take", "is answered",
	"sees that it has the claim", "begins work", "has its work go on", "knows how its work ended",
	"gives back", "gives back again", "stops giving back", "gives back what is in doubt",
	"gets no answer, and the request may still happen", "gets no answer, and the request is gone",
	"crashes", "crashes, and its request may still happen", "starts", "stalls until its deadline has passed",
	"a late request happens", "a late request is dropped", "a lease expires", "NOSPACE comes or goes",
}

// An explorer that does not reach what it is made for would prove nothing.
func TestSmallWorldsReachEveryMove(t *testing.T) {
	made := explore(smallWorlds[1], rules{}).moves
	for _, move := range EveryMove {
		if !made[move] {
			t.Errorf("never made: %s", move)
		}
	}
}

const (
	twoHolders = "hold the claim"
	twoWorks   = "begins work while"
	stuck      = "no watchdog can ever take"
)

// Each rule is there because without it a promise is broken. The length is that
// of the shortest way there; a change of it is right if the model was changed
// on purpose. Run with -v to see the traces.
func TestEachRuleIsNeeded(t *testing.T) {
	one := scope{watchdogs: 1, tickets: 1, faults: 3, enrolled: true}
	two := scope{watchdogs: 2, tickets: 1, faults: 3, enrolled: true}
	late := scope{watchdogs: 2, tickets: 1, late: 1, faults: 2, enrolled: true}
	more := scope{watchdogs: 2, tickets: 2, late: 1, faults: 1, enrolled: true}
	tests := []struct {
		rule    string
		broken  rules
		world   scope
		promise string
		moves   int
	}{
		{"1: several processes use one lease", rules{shareLease: true}, two, twoHolders, 5},
		{"2: puts are not guarded", rules{putUnguarded: true}, late, twoHolders, 13},
		{"2: a ticket is put by halves", rules{putSplit: true}, late, twoHolders, 15},
		{"3: a take does not see puts", rules{takeBlindToPuts: true}, two, twoHolders, 10},
		{"3: a take does not see takes", rules{takeBlindToTakes: true}, two, twoHolders, 4},
		{"3: any ticket is taken", rules{takeAny: true}, more, twoHolders, 4},
		{"4: a take is given back unread", rules{giveBackUnread: true}, late, twoHolders, 9},
		{"5: a doubt is never ended", rules{keepDoubt: true}, two, stuck, 3},
		{"5: a ticket in doubt counts as held", rules{holdDoubt: true}, two, twoWorks, 6},
		{"5: a doubt is ended before it is settled", rules{hastyRelease: true}, two, twoWorks, 8},
		{"6: giving back is not fenced", rules{giveBackUnfenced: true}, late, twoHolders, 13},
		{"6: giving back can be taken back", rules{holdOn: true}, late, twoHolders, 7},
		{"7: nobody replenishes", rules{replenishNever: true}, two, stuck, 4},
		{"8: a process that hangs keeps its lease", rules{keepAliveAlways: true}, two, stuck, 3},
		{"9: leases do not expire", rules{expireNever: true}, two, stuck, 3},
		{"9: a restart does not resume", rules{resumeNever: true}, one, stuck, 3},
		{"fence: steps after the deadline", rules{ignoreDeadline: true}, two, twoWorks, 7},
		{"fence: steps while a member is silent", rules{ignoreProbe: true}, two, twoWorks, 8},
		// Second lines of defence: without them nothing happens in these worlds,
		// because by rule 2 a ticket's keys come and go together. They hold where
		// a person deletes one of the keys.
		{"3: a take does not see its own end", rules{takeBlindToEnd: true}, more, "", 0},
		{"6: giving back leaves the begin", rules{giveBackEndOnly: true}, more, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.rule, func(t *testing.T) {
			x := explore(tt.world, tt.broken)
			t.Logf("%s: %d states", tt.world, len(x.nodes))
			switch {
			case x.bad == nil && tt.promise != "":
				t.Errorf("nothing happens, want that it %s", tt.promise)
			case x.bad != nil && (tt.promise == "" || !strings.Contains(x.bad.promise, tt.promise) || len(x.bad.trace) != tt.moves):
				t.Errorf("want %q after %d moves, got: %s", tt.promise, tt.moves, x.bad)
			case x.bad != nil:
				t.Log(x.bad)
			}
		})
	}
}
