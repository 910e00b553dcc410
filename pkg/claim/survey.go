package claim

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Survey is everything below the prefix, for people.
type Survey struct {
	Books   []SurveyedBook
	Ignored []string // keys in the form of tickets that are not on the lease in their name: copies, which count for nothing
	Foreign []string // keys that are no tickets, in order
}

// SurveyedBook is the tickets of one lease for one member.
type SurveyedBook struct {
	Member cluster.MemberID
	Lease  LeaseID
	Owner  Identity // as the tickets say; empty: they can't be read
	Whole  int
	Busy   int
	Future int // tickets with a value of a later version
}

// Survey reads what lies below the prefix of these options. It uses no lease
// and changes nothing.
func (o Options) Survey(ctx context.Context, store Store) (Survey, error) {
	listing, err := store.Read(ctx, o.Prefix+"/")
	if err != nil {
		return Survey{}, fmt.Errorf("read the tickets: %w", err)
	}
	l := layoutOf(o)
	var s Survey
	future := map[ticketName]bool{}
	for _, kv := range listing.Keys {
		name, half, ok := l.parse(kv.Key)
		if strings.HasPrefix(kv.Key, hostPrefix(o.Prefix)) || kv.Key == o.Prefix+"/pause" { // pause: of the whole cluster, see pkg/pause
			continue
		}
		if !ok {
			s.Foreign = append(s.Foreign, kv.Key)
			continue
		}
		if half == "end" && laterVersion(kv.Value) {
			future[name] = true
		}
	}
	r := l.read(listing, nil)
	s.Ignored = r.ignored
	for _, p := range r.pages {
		b := SurveyedBook{Member: p.member, Lease: p.lease}
		for _, t := range p.tickets {
			b.count(t, future[t.ticketName])
		}
		s.Books = append(s.Books, b)
	}
	return s, nil
}

func (b *SurveyedBook) count(t ticket, future bool) {
	switch {
	case t.whole():
		b.Whole++
	case t.busy():
		b.Busy++
	}
	if future {
		b.Future++
	}
	if t.owner.V != 0 {
		b.Owner = Identity{Host: t.owner.Host, Process: t.owner.Process, Version: t.owner.Version}
	}
}

// laterVersion reports that a ticket's value is of a version that is not known
// here yet.
func laterVersion(value string) bool {
	var of struct {
		V int `json:"v"`
	}
	return json.Unmarshal([]byte(value), &of) == nil && of.V > ownerVersion
}

// LeaseLife returns the time to live that a lease was granted, and how much of
// it is left. ErrLeaseGone if there is no such lease.
func (s *EtcdStore) LeaseLife(ctx context.Context, id LeaseID) (granted, left time.Duration, err error) {
	err = s.eachUntil(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.TimeToLive(ctx, clientv3.LeaseID(id))
		if err != nil {
			return mapped(err)
		}
		if resp.TTL <= 0 {
			return ErrLeaseGone
		}
		granted, left = time.Duration(resp.GrantedTTL)*time.Second, time.Duration(resp.TTL)*time.Second
		return nil
	})
	return granted, left, err
}
