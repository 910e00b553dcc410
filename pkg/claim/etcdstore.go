package claim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/connectivity"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// tryPatience is how long one member is given to answer before the next is
	// asked: a member that is being defragmented answers nothing until it is
	// done, and the others serve on.
	tryPatience = 2 * time.Second
	// commitPatience is how long the answer to a Txn is waited for. It is not
	// asked of another member after that, since it may still happen.
	commitPatience = 5 * time.Second
)

// Clients provides a client for each member that may be asked, in order of
// preference. Each has one endpoint, and leads to the same cluster.
type Clients interface {
	Clients() []*clientv3.Client
}

// EtcdStore is Store and Leases over real members. What may be sent twice
// (reads, keepalives, revoking) goes from member to member until one answers;
// what may not is sent to the first that is connected, once. The member that
// answered last is asked first.
type EtcdStore struct {
	mu      sync.Mutex
	clients Clients
	good    *clientv3.Client // answered last
}

var (
	_ Store  = (*EtcdStore)(nil)
	_ Leases = (*EtcdStore)(nil)
)

// NewEtcdStore returns the store of the cluster that the clients lead to.
func NewEtcdStore(clients Clients) *EtcdStore { return &EtcdStore{clients: clients} }

// Use sends what follows to other clients, of the same cluster. A request that
// is under way ends with those that it was sent by.
func (s *EtcdStore) Use(clients Clients) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = clients
}

// errUnconnected: no client is connected, so nothing was sent.
var errUnconnected = errors.New("no member can be reached: check the network and that etcd runs")

// all returns the clients, the local member's in front.
func (s *EtcdStore) all() []*clientv3.Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clients.Clients()
}

// inOrder returns the clients, the one that answered last in front.
func (s *EtcdStore) inOrder() []*clientv3.Client {
	clients := s.all()
	s.mu.Lock()
	defer s.mu.Unlock()
	ordered := make([]*clientv3.Client, 0, len(clients))
	for _, c := range clients {
		if c == s.good {
			ordered = append(ordered, c)
		}
	}
	for _, c := range clients {
		if c != s.good {
			ordered = append(ordered, c)
		}
	}
	return ordered
}

// answered notes who did.
func (s *EtcdStore) answered(c *clientv3.Client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.good = c
}

// connected waits, within ctx, until the client has a connection. Without one
// nothing of what it is asked leaves this machine.
func connected(ctx context.Context, c *clientv3.Client) bool {
	conn := c.ActiveConnection()
	for {
		state := conn.GetState()
		switch state {
		case connectivity.Ready:
			return true
		case connectivity.TransientFailure:
			conn.ResetConnectBackoff() // so that the next question finds it connected, if it can be
			return false
		case connectivity.Shutdown:
			return false
		case connectivity.Idle:
			conn.Connect()
		}
		if !conn.WaitForStateChange(ctx, state) {
			return false
		}
	}
}

// eachUntil asks one member after the other until one answers. The question
// must be one that does no harm when it is asked twice.
func (s *EtcdStore) eachUntil(ctx context.Context, ask func(context.Context, *clientv3.Client) error) error {
	return s.eachOf(ctx, s.inOrder(), ask)
}

func (s *EtcdStore) eachOf(ctx context.Context, clients []*clientv3.Client, ask func(context.Context, *clientv3.Client) error) error {
	last := errUnconnected
	for _, c := range clients {
		err := s.askOne(ctx, c, ask)
		if err == nil || definite(err) {
			s.answered(c)
			return err
		}
		if !errors.Is(err, errUnconnected) {
			last = fmt.Errorf("%s: %w", strings.Join(c.Endpoints(), ", "), err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return last
}

// askOne asks one member, for as long as its connection stands and no longer
// than the patience with one.
func (s *EtcdStore) askOne(ctx context.Context, c *clientv3.Client, ask func(context.Context, *clientv3.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, tryPatience)
	defer cancel()
	if !connected(ctx, c) {
		return errUnconnected
	}
	// The client would go on trying for as long as the context lasts.
	go func() {
		c.ActiveConnection().WaitForStateChange(ctx, connectivity.Ready)
		cancel()
	}()
	return ask(ctx, c)
}

// once has one member do something that must not be done twice. It goes to the
// next only if there is no connection that it could have left by.
func (s *EtcdStore) once(ctx context.Context, do func(context.Context, *clientv3.Client) error) error {
	for _, c := range s.inOrder() {
		try, cancel := context.WithTimeout(ctx, tryPatience)
		ready := connected(try, c)
		cancel()
		if !ready {
			continue
		}
		try, cancel = context.WithTimeout(ctx, commitPatience)
		err := do(try, c)
		cancel()
		if err == nil || definite(err) {
			s.answered(c)
			return err
		}
		return fmt.Errorf("%s: %w", strings.Join(c.Endpoints(), ", "), err)
	}
	return errUnconnected
}

// definite reports that the error is an answer that another member would give
// as well.
func definite(err error) bool {
	return errors.Is(err, ErrRefused) || errors.Is(err, ErrLeaseGone)
}

// mapped replaces etcd's errors by those that callers tell apart.
func mapped(err error) error {
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return ErrRefused
	case errors.Is(err, rpctypes.ErrLeaseNotFound):
		return ErrLeaseGone
	case errors.Is(err, rpctypes.ErrUserEmpty):
		return fmt.Errorf("etcd asks for a user: set user and password-file: %w", err)
	case errors.Is(err, rpctypes.ErrPermissionDenied):
		return fmt.Errorf("this user may not touch the tickets: sign in as one with the role root: %w", err)
	default:
		return err
	}
}

// Read implements Store.
func (s *EtcdStore) Read(ctx context.Context, prefix string) (Listing, error) {
	var listing Listing
	err := s.eachOf(ctx, s.all(), func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Get(ctx, prefix, clientv3.WithPrefix())
		if err != nil {
			return mapped(err)
		}
		listing = Listing{Revision: resp.Header.Revision, Term: resp.Header.RaftTerm, Member: cluster.MemberID(resp.Header.MemberId)}
		for _, kv := range resp.Kvs {
			listing.Keys = append(listing.Keys, KeyValue{
				Key:            string(kv.Key),
				Value:          string(kv.Value),
				CreateRevision: kv.CreateRevision,
				ModRevision:    kv.ModRevision,
				Lease:          LeaseID(kv.Lease),
			})
		}
		return nil
	})
	return listing, err
}

// Commit implements Store.
func (s *EtcdStore) Commit(ctx context.Context, txn Txn) (bool, error) {
	var held bool
	conditions, effects := compile(txn)
	err := s.once(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Txn(ctx).If(conditions...).Then(effects...).Commit()
		if err != nil {
			return mapped(err)
		}
		held = resp.Succeeded
		return nil
	})
	return held, err
}

// compile writes a Txn as etcd's client wants it.
func compile(txn Txn) ([]clientv3.Cmp, []clientv3.Op) {
	var conditions []clientv3.Cmp
	if txn.UnchangedSince != 0 {
		conditions = append(conditions,
			clientv3.Compare(clientv3.ModRevision(txn.Prefix).WithPrefix(), "<", txn.UnchangedSince+1))
	}
	for key, revision := range txn.Created {
		conditions = append(conditions, clientv3.Compare(clientv3.CreateRevision(key), "=", revision))
	}
	var effects []clientv3.Op
	for _, key := range txn.Delete {
		effects = append(effects, clientv3.OpDelete(key))
	}
	for _, kv := range txn.Put {
		effects = append(effects, clientv3.OpPut(kv.Key, kv.Value, clientv3.WithLease(clientv3.LeaseID(kv.Lease))))
	}
	return conditions, effects
}

// Grant implements Leases. Should its answer be lost, a lease without tickets
// stays behind until it expires.
func (s *EtcdStore) Grant(ctx context.Context, ttl time.Duration) (LeaseID, error) {
	var id LeaseID
	seconds := int64((ttl + time.Second - 1) / time.Second)
	err := s.once(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.Grant(ctx, seconds)
		if err != nil {
			return mapped(err)
		}
		id = LeaseID(resp.ID)
		return nil
	})
	return id, err
}

// KeepAlive implements Leases.
func (s *EtcdStore) KeepAlive(ctx context.Context, id LeaseID) (time.Duration, error) {
	var ttl time.Duration
	err := s.eachUntil(ctx, func(ctx context.Context, c *clientv3.Client) error {
		resp, err := c.KeepAliveOnce(ctx, clientv3.LeaseID(id))
		if errors.Is(err, rpctypes.ErrInvalidAuthToken) {
			// The answer on a stream says so, not its opening: the next stream
			// signs in again.
			resp, err = c.KeepAliveOnce(ctx, clientv3.LeaseID(id))
		}
		if err != nil {
			return mapped(err)
		}
		ttl = time.Duration(resp.TTL) * time.Second
		return nil
	})
	return ttl, err
}

// Revoke implements Leases.
func (s *EtcdStore) Revoke(ctx context.Context, id LeaseID) error {
	err := s.eachUntil(ctx, func(ctx context.Context, c *clientv3.Client) error {
		_, err := c.Revoke(ctx, clientv3.LeaseID(id))
		return mapped(err)
	})
	if errors.Is(err, ErrLeaseGone) {
		return nil
	}
	return err
}
