package etcd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// A page should be as large as this, in bytes of keys and values: large
	// enough that the requests do not count, small for either side's memory.
	pageBytes = 1 << 20
	// A page that would be larger than this is not taken, but asked for again
	// with fewer keys; only a single key may be.
	pageBytesAtMost = 4 << 20
	// Until sizes are known, and where they jump, few keys keep a page small.
	firstPageKeys  = 16
	pageKeysAtMost = 1000
	pageKeysGrowth = 4

	// Entries that a member may be behind and still be read from first.
	caughtUpWithin = 1000
)

// KeyPage is some keys that follow one another.
type KeyPage struct {
	Keys      []KeySize
	Bytes     int64 // of the keys and their values
	TotalKeys int64 // how many there were in all, when the reading began
}

// KeySize is one key without its value. Key is valid only while the page is
// being taken.
type KeySize struct {
	Key        []byte
	ValueBytes int64
	Versions   int64 // writes since the key was created
}

// KeyReading says how keys were read.
type KeyReading struct {
	Member    cluster.Member // who served the last page
	Leads     bool           // it is the leader: no follower could be read from
	Revision  int64          // that the last page was read at
	Revisions int            // how many there were: 1, unless one was compacted away under the reading
}

// ReadKeys reads every key below a prefix, in rising order and all at one
// revision, and gives them to take, page by page; an error of take ends it. It
// burdens one follower and nobody else: all reads are serializable, no page is
// large, and between two pages is as much time as take wants. Where the revision
// is compacted away meanwhile, it goes on at the newest; where the member ceases
// to answer, at another one.
func (c *Cluster) ReadKeys(ctx context.Context, prefix string, take func(KeyPage) error) (KeyReading, error) {
	view := c.Observe(ctx, time.Time{}) // only who answers, and as what, matters here
	members := readers(view)
	if len(members) == 0 {
		return KeyReading{}, errors.New(unreadable(view))
	}
	_, past := c.recall()
	r := keyReader{c: c, window: newWindow(prefix), cluster: view.ClusterID, limit: firstPageKeys}
	var err error
	for _, m := range members {
		r.reading.Member, r.reading.Leads, r.url = m, m.ID == view.Leader(), past[m.ID].at
		if err = r.read(ctx, take); err == nil {
			return r.reading, nil
		}
		if lost := (*readError)(nil); !errors.As(err, &lost) || ctx.Err() != nil {
			return r.reading, err
		}
	}
	return r.reading, err
}

// readers are the voters that answer, the one to read from first: one that has
// caught up rather than not, and a follower rather than the leader, which has
// the writes to do; then the local one, which spares the network.
func readers(view cluster.View) []cluster.Member {
	behind := func(m cluster.Member) int { return rank(m.AppliedIndex+caughtUpWithin < view.AppliedIndex()) }
	leads := func(m cluster.Member) int { return rank(m.ID == view.Leader()) }
	remote := func(m cluster.Member) int { return rank(m.ID != view.Local) }
	members := slices.DeleteFunc(view.Voters(), func(m cluster.Member) bool { return m.Contact != cluster.Answered })
	slices.SortStableFunc(members, func(a, b cluster.Member) int {
		return cmp.Or(cmp.Compare(behind(a), behind(b)), cmp.Compare(leads(a), leads(b)), cmp.Compare(remote(a), remote(b)))
	})
	return members
}

func rank(worse bool) int {
	if worse {
		return 1
	}
	return 0
}

// unreadable says why no member can be read from.
func unreadable(view cluster.View) string {
	if view.Problem != "" {
		return view.Problem
	}
	for _, m := range view.Members {
		if m.Problem != "" {
			return m.Problem
		}
	}
	return "no voter answers: check that etcd runs on its hosts"
}

// readError is a page that a member did not give, and another one might.
type readError struct{ problem string }

func (e *readError) Error() string { return e.problem }

var errNotReadable = errors.New("this user may not read these keys: sign in as one with the role root, or with a role that may read them (etcdctl role grant-permission ROLE read PREFIX --prefix), or name what it may read with --prefix")

// keyReader reads pages, one after the other.
type keyReader struct {
	c       *Cluster
	cluster uint64
	url     string
	window  *window
	limit   int64 // keys in the next page
	pinned  int64 // the revision of the next page; 0: the member's newest
	counted bool  // total is known
	total   int64
	reading KeyReading
}

// read reads what is left from one member.
func (r *keyReader) read(ctx context.Context, take func(KeyPage) error) error {
	k, err := r.c.conn(r.url)
	if err != nil {
		return &readError{err.Error()}
	}
	for !r.window.done {
		answer, err := r.page(ctx, k.client)
		if err != nil {
			return err
		}
		if answer == nil {
			continue // asked anew, under another condition
		}
		page := r.accept(answer)
		if len(page.Keys) == 0 {
			continue
		}
		if err := take(page); err != nil {
			return err
		}
	}
	return nil
}

// page asks for the next page. Nil says that it has to be asked for anew: with
// fewer keys, or at a newer revision.
func (r *keyReader) page(ctx context.Context, client *clientv3.Client) (*pb.RangeResponse, error) {
	bounded, cancel := context.WithTimeout(ctx, r.c.opts.RequestTimeout)
	defer cancel()
	largest := pageBytesAtMost
	if r.limit == 1 {
		largest = 1<<31 - 1 // a value can be of any size that etcd was told to accept
	}
	answer, err := pb.NewKVClient(client.ActiveConnection()).Range(bounded, &pb.RangeRequest{
		Key: r.window.from, RangeEnd: r.window.end(), Limit: r.limit, Revision: r.pinned, Serializable: true,
	}, grpc.MaxCallRecvMsgSize(largest))
	switch plain := rpctypes.Error(err); {
	case err == nil && answer.Header.ClusterId != r.cluster:
		return nil, &readError{fmt.Sprintf("%s is answered by another cluster, %x: correct etcd's advertise-client-urls of member %s", r.url, answer.Header.ClusterId, r.reading.Member.ID)}
	case err == nil:
		return answer, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case strings.Contains(err.Error(), "larger than max") && r.limit > 1:
		r.limit = max(1, r.limit/pageKeysGrowth)
		return nil, nil
	case r.pinned != 0 && (errors.Is(plain, rpctypes.ErrCompacted) || errors.Is(plain, rpctypes.ErrFutureRev)):
		r.pinned = 0
		return nil, nil
	case isPermissionDenied(err):
		return nil, errNotReadable
	default:
		return nil, &readError{problem(err, r.url, r.c.opts.RequestTimeout)}
	}
}

// accept moves on behind the page.
func (r *keyReader) accept(answer *pb.RangeResponse) KeyPage {
	if !r.counted { // the first window is all there is
		r.counted, r.total = true, answer.Count
	}
	if r.pinned == 0 {
		r.pinned = answer.Header.Revision
		r.reading.Revision = r.pinned
		r.reading.Revisions++
	}
	r.window.advance(answer.Kvs, answer.Count, answer.More)
	page := KeyPage{TotalKeys: r.total, Keys: make([]KeySize, len(answer.Kvs))}
	for i, kv := range answer.Kvs {
		page.Keys[i] = KeySize{kv.Key, int64(len(kv.Value)), kv.Version}
		page.Bytes += int64(len(kv.Key) + len(kv.Value))
	}
	r.limit = nextLimit(r.limit, int64(len(page.Keys)), page.Bytes)
	return page
}

// nextLimit is how many keys the next page may have, if they are as large as
// those of this one.
func nextLimit(limit, keys, bytes int64) int64 {
	if keys == 0 {
		return limit
	}
	fitting := pageBytes / max(1, bytes/keys)
	return max(1, min(fitting, limit*pageKeysGrowth, pageKeysAtMost))
}
