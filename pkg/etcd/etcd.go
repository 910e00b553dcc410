package etcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Cluster is one etcd cluster, as it is seen from the member behind
// Options.Endpoint. Its methods may be called from several goroutines.
type Cluster struct {
	opts       Options
	metricsURL string // of the local member; empty: on its client URL
	identity   *identity
	login      *login
	http       *http.Client

	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	mu     sync.Mutex
	closed bool
	conns  map[string]*conn     // by URL
	asked  map[string]*question // by URL: the last one

	pings pings
	known known
	past  map[cluster.MemberID]*remembered
}

// known is what earlier looks found out about the cluster as a whole.
type known struct {
	cluster uint64           // its id; 0: the local member has never answered
	local   cluster.MemberID // who last answered at the endpoint
	strayed stray            // what last answered at the endpoint, if it is not the local member
	members []cluster.Member // the last member list, sorted by id, without what a look fills in
}

// stray is another member or cluster than the known one, at the endpoint.
type stray struct {
	cluster uint64 // 0: none
	member  cluster.MemberID
	since   time.Time
}

func (k known) member(id cluster.MemberID) (cluster.Member, bool) {
	return cluster.View{Members: k.members}.Member(id)
}

// remembered is what is remembered of one member.
type remembered struct {
	at    string // the URL at which it answered in the last look; empty: it did not
	was   string // the URL at which it last answered at all, as itself
	quota quotaMemory
}

// New makes what can be made without the network: it fails if a file, a URL or
// a combination of options is wrong, and never because etcd is not there yet.
func New(opts Options) (*Cluster, error) {
	if opts.DialTimeout <= 0 || opts.RequestTimeout <= 0 || opts.CompactTimeout <= 0 || opts.DefragmentTimeout <= 0 {
		return nil, errors.New("dial-timeout, request-timeout, compact-timeout and defragment-timeout have to be above 0: set them, or leave them out for their defaults")
	}
	if opts.KeepAliveTime < MinKeepAliveTime || opts.KeepAliveTimeout <= 0 || opts.KeepAliveTimeout > MaxKeepAliveTimeout {
		return nil, fmt.Errorf("keepalive-time has to be %s or more, and keepalive-timeout above 0 and %s or less: set them so, or leave them out for their defaults", MinKeepAliveTime, MaxKeepAliveTimeout)
	}
	if _, err := parseURL(opts.Endpoint); err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	metrics, err := metricsAddress(opts.MetricsURL)
	if err != nil {
		return nil, fmt.Errorf("metrics-url: %w", err)
	}
	identity, err := newIdentity(opts)
	if err != nil {
		return nil, err
	}
	if _, err := readPassword(opts); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Cluster{
		ctx:        ctx,
		cancel:     cancel,
		asked:      map[string]*question{},
		opts:       opts,
		metricsURL: metrics,
		identity:   identity,
		login:      &login{user: opts.User, password: func() (string, error) { return readPassword(opts) }},
		http:       newMetricsClient(identity),
		conns:      map[string]*conn{},
		past:       map[cluster.MemberID]*remembered{},
	}, nil
}

// Close closes every connection; requests in flight on them end with an error.
func (c *Cluster) Close() error {
	c.mu.Lock()
	c.closed = true
	c.cancel()
	conns := c.conns
	c.conns = nil
	c.mu.Unlock()
	return closeAll(slices.Collect(maps.Values(conns)))
}

func closeAll(conns []*conn) error {
	var errs []error
	for _, k := range conns {
		if err := k.client.Close(); err != nil {
			errs = append(errs, fmt.Errorf("close the connection to %s: %w", k.url, err))
		}
	}
	return errors.Join(errs...)
}

// Clients returns connections for reads and writes of keys: the local member's
// first, then those of the members that answered in the last look, in order of
// their ids. None of them leads to another cluster than the last look's. They
// belong to the Cluster, which closes them when a member leaves or changes its
// URLs, so they are not to be kept: ask again for each piece of work. A request
// on them is sent once and fails at once where the member cannot be reached.
func (c *Cluster) Clients() []*clientv3.Client {
	known, past := c.recall()
	var urls []string
	if known.strayed.cluster == 0 {
		urls = append(urls, c.opts.Endpoint)
	}
	for _, m := range known.members {
		if at := past[m.ID].at; at != "" && !slices.Contains(urls, at) {
			urls = append(urls, at)
		}
	}
	var clients []*clientv3.Client
	for _, u := range urls {
		// A connection cannot fail to be made but by Close: the URL was used before.
		if k, err := c.conn(u); err == nil {
			clients = append(clients, k.client)
		}
	}
	return clients
}

var errClosed = errors.New("the connections to etcd are closed")

// conn returns the connection to a URL, made if there is none.
func (c *Cluster) conn(u string) (*conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errClosed
	}
	if k := c.conns[u]; k != nil {
		return k, nil
	}
	k, err := c.connect(u)
	if err != nil {
		return nil, err
	}
	c.conns[u] = k
	return k, nil
}

// recall returns copies of what is known.
func (c *Cluster) recall() (known, map[cluster.MemberID]remembered) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.known
	k.members = slices.Clone(k.members)
	past := make(map[cluster.MemberID]remembered, len(c.past))
	for id, p := range c.past {
		past[id] = *p
	}
	return k, past
}

// remember keeps what a look found, and closes the connections to URLs that
// belong to nobody any more.
func (c *Cluster) remember(k known, seen []sighting) {
	c.mu.Lock()
	c.known = k
	for _, s := range seen {
		p := c.past[s.member.ID]
		if p == nil {
			p = &remembered{}
			c.past[s.member.ID] = p
		}
		p.note(s)
	}
	maps.DeleteFunc(c.past, func(id cluster.MemberID, _ *remembered) bool {
		_, listed := k.member(id)
		return !listed
	})
	gone := c.unused(k)
	c.mu.Unlock()
	_ = closeAll(gone) // nobody waits for their answers any more
}

// note keeps what a look found of the member.
func (p *remembered) note(s sighting) {
	p.at = ""
	switch s.member.Contact {
	case cluster.Answered:
		p.at, p.was, p.quota = s.url, s.url, s.quota
	case cluster.Mismatched:
		p.was = ""
	}
}

// unused takes the connections out that lead to no member's URL.
func (c *Cluster) unused(k known) []*conn {
	used := map[string]bool{c.opts.Endpoint: true}
	for _, m := range k.members {
		for _, u := range m.ClientURLs {
			used[u] = true
		}
	}
	var gone []*conn
	for u, k := range c.conns {
		if !used[u] {
			gone = append(gone, k)
			delete(c.conns, u)
			delete(c.asked, u)
		}
	}
	return gone
}

// urls returns where a member is asked: the local one at the endpoint alone,
// the others at their client URLs, the one first at which they last answered.
func (c *Cluster) urls(k known, m cluster.Member, last string) []string {
	if m.ID == k.local {
		return []string{c.opts.Endpoint}
	}
	urls := slices.Clone(m.ClientURLs)
	if i := slices.Index(urls, last); i > 0 {
		urls = slices.Insert(slices.Delete(urls, i, i+1), 0, last)
	}
	return urls
}
