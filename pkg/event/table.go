package event

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Row says everything about one Kind that does not depend on the occurrence.
type Row struct {
	Kind  Kind
	Name  string // snake_case; the journal field WATCHDOG_EVENT
	Level Level
	ID    string // the journal field MESSAGE_ID: 32 lower-case hex digits, never changed
	Facts []Fact // what its entries carry, in this order

	// Patience is how long a condition lasts before it is worth a word.
	Patience time.Duration
	// Graded: while such a condition lasts it is told again when its Grade rises
	// above all that were told, and not by the clock.
	Graded bool
	// Caused: the detail of such a condition says why it stands. Another cause that
	// lasts is told, once each.
	Caused bool

	// Meaning and Remedy are for a person who reads the entry and wants to
	// know more: what it says about the cluster, and what is to be done, if
	// anything. Plain text, whole sentences, one paragraph each.
	Meaning string
	Remedy  string

	// sentence tells the occurrence, without what Message appends to every
	// sentence alike. No full stop at its end.
	sentence func(Event) string
	// hint is the next step in a few words, where an error does not name it.
	hint string
}

// rows is the Table, part by part.
var rows = slices.Concat(processRows, conditionRows, claimRows, workRows)

// byKind finds a row by its Kind.
var byKind = func() (index [endOfKinds]Row) {
	for _, r := range rows {
		index[r.Kind] = r
	}
	return index
}()

// Table returns the row of each Kind, in the order in which the documentation
// tells them.
func Table() []Row { return slices.Clone(rows) }

// projectURL is where the project and its documents are.
const projectURL = "https://github.com/etcd-watchdog/etcd-watchdog"

// Documentation returns the URL of what the documents say about the events of
// that name: of those that want a person, the runbook's entry.
func Documentation(name string) string {
	page := "events.md"
	if i := slices.IndexFunc(rows, func(r Row) bool { return r.Name == name }); i >= 0 && rows[i].Level <= Warning {
		page = "runbook.md"
	}
	return projectURL + "/blob/main/docs/" + page + "#" + name
}

// Row returns what the Table says about k.
func (k Kind) Row() Row {
	if k <= 0 || k >= endOfKinds {
		// Only a fault of this program gets here; it shall be seen, not hidden.
		return Row{
			Kind: k, Name: fmt.Sprintf("kind_%d", int(k)), Level: Err, Facts: facts(detail, errorText),
			sentence: func(Event) string { return "An event that is not in the table was recorded" },
		}
	}
	return byKind[k]
}

// String returns the name of k.
func (k Kind) String() string { return k.Row().Name }

// Condition reports that k is a standing state: it begins, lasts and ends.
func (k Kind) Condition() bool { return k >= NospaceArmed && k < ConditionEnded }

// ConditionNamed returns the condition of that name, which is also the reason
// of the decisions that it explains.
func ConditionNamed(name string) (Kind, bool) {
	for k := range endOfKinds {
		if k.Condition() && k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Message tells e in one line for a person: what happened, to whom, with sizes
// and times in readable units, then the detail, the error and the next step.
func (r Row) Message(e Event) string {
	s := r.sentence(e)
	if r.carries(detail) && e.Detail != "" {
		s += ": " + e.Detail
	}
	if r.carries(errorText) && e.Error != "" {
		s += ": " + e.Error
	}
	if r.Kind.Condition() && e.Took > 0 {
		s += " (for " + length(e.Took) + " now)"
	}
	switch {
	case r.hint != "" && strings.HasSuffix(s, "?"):
		s += " " + capital(r.hint)
	case r.hint != "":
		s += "; " + r.hint
	}
	return printable(s)
}

// carries reports that the first fact of group is among the row's.
func (r Row) carries(group []Fact) bool {
	return slices.ContainsFunc(r.Facts, func(f Fact) bool { return f.Field == group[0].Field })
}
