package watchdog

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// How long before a certificate ends that is reported, and then again.
const (
	expiresSoon = 30 * 24 * time.Hour
	expiresNow  = 7 * 24 * time.Hour
)

// expiryEvery is how often the ends of certificates are looked at. The first time
// is a minute after the start, when the members are known.
const (
	expiryEvery = time.Hour
	expiryFirst = time.Minute
)

// Certificate is what one of them, or several of one owner, rest on.
type Certificate struct {
	Member cluster.MemberID // whose it is; 0: of this process
	Name   string           // that member's name
	What   string           // which certificate, in words
	Ends   time.Time
}

// Expiry reports certificates ahead of their end. It runs beside the loop, since
// a member that is slow to show its certificate must not hold that up. The
// conditions outlive a reload, so that nothing is told twice.
type Expiry struct {
	mu         sync.Mutex // one Run at a time
	conditions event.Conditions
}

// Run looks until ctx is done.
func (x *Expiry) Run(ctx context.Context, look func(context.Context, time.Time) []Certificate, recorder event.Recorder) {
	x.mu.Lock()
	defer x.mu.Unlock()
	timer := time.NewTimer(expiryFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		now := time.Now()
		if seen := look(ctx, now); ctx.Err() == nil {
			for _, e := range x.conditions.Update(now, expiring(now, seen)) {
				recorder.Record(e)
			}
		}
		timer.Reset(expiryEvery)
	}
}

// expiring returns a condition for each owner of a certificate that ends soon.
func expiring(now time.Time, all []Certificate) []event.Event {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Certificate) int { return a.Ends.Compare(b.Ends) })
	var events []event.Event
	for _, c := range all {
		left := c.Ends.Sub(now)
		if left >= expiresSoon {
			continue
		}
		i := slices.IndexFunc(events, func(e event.Event) bool { return e.Member == c.Member })
		if i < 0 {
			events = append(events, event.Event{Kind: event.CertificateExpiring, Member: c.Member, MemberName: c.Name, Left: left, Grade: urgency(left)})
			i = len(events) - 1
		}
		verb := "expires"
		if left <= 0 {
			verb = "expired"
		}
		events[i].Detail = strings.TrimPrefix(events[i].Detail+fmt.Sprintf("; %s %s on %s", c.What, verb, c.Ends.UTC().Format("2006-01-02 15:04:05 UTC")), "; ")
	}
	return events
}

// urgency grows at each of the times at which an end is reported again.
func urgency(left time.Duration) int {
	switch {
	case left <= 0:
		return 3
	case left < expiresNow:
		return 2
	default:
		return 1
	}
}
