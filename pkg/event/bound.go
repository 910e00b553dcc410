package event

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

const (
	// burst is how many entries of one kind may be written at once. The largest
	// cluster's conditions fit, and so does every heal.
	burst = 60
	// refill is the time after which one more of that kind may be.
	refill = time.Second
	// sumUpAfter lies between the first entry that is left out and the report of
	// all that were since.
	sumUpAfter = time.Minute
)

// bound keeps a storm of events from becoming a storm of entries: of each kind
// burst at once, and one each refill. Kinds at level debug are not counted. There
// is one of them a poll at most, and who asks for them wants them all.
type bound struct {
	mu      sync.Mutex
	kinds   [endOfKinds]allowance
	leftOut time.Time // when the first that is not told yet was left out; zero: none was
}

// allowance is what is left of one kind.
type allowance struct {
	entries float64
	at      time.Time // when that was so; zero: all of burst is left
	leftOut int       // not told yet
}

// admit reports that one more entry of that kind may be written.
func (b *bound) admit(k Kind, now time.Time) bool {
	if k < 0 || k >= endOfKinds {
		k = 0 // all the kinds that are in no row together
	}
	if k.Row().Level == Debug {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	a := &b.kinds[k]
	switch {
	case a.at.IsZero():
		a.entries = burst
	case now.After(a.at):
		a.entries = min(burst, a.entries+float64(now.Sub(a.at))/float64(refill))
	}
	a.at = now
	if a.entries >= 1 {
		a.entries--
		return true
	}
	a.leftOut++
	if b.leftOut.IsZero() {
		b.leftOut = now
	}
	return false
}

// due returns the report of what was left out, once it is time to tell.
func (b *bound) due(now time.Time) (report Event, due bool) {
	b.mu.Lock()
	waits := b.leftOut.IsZero() || now.Sub(b.leftOut) < sumUpAfter
	b.mu.Unlock()
	if waits {
		return Event{}, false
	}
	return b.sum()
}

// sum returns the report of what was left out and not told yet, if anything.
func (b *bound) sum() (report Event, any bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	report.Kind = EventsLeftOut
	var kinds []string
	for k := range b.kinds {
		if n := b.kinds[k].leftOut; n > 0 {
			report.Dropped += n
			kinds = append(kinds, fmt.Sprintf("%d %s", n, Kind(k)))
			b.kinds[k].leftOut = 0
		}
	}
	b.leftOut = time.Time{}
	report.Detail = strings.Join(kinds, ", ")
	return report, len(kinds) > 0
}
