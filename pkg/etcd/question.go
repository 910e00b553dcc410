package etcd

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

const (
	// answersWithin is how long an observation waits for a member that answered
	// the last time. One that needs longer counts as absent anyway.
	answersWithin = 3 * time.Second
	// overdueWithin is how long it waits for one that did not: a member that is
	// gone, a learner or a second URL must not cost the others their time.
	overdueWithin = 250 * time.Millisecond
	// listAfter is how long a status is waited for before the member is also
	// asked for the member list, which it gives without its backend.
	listAfter = time.Second
)

// question is one question for the status at one URL. It goes on when the
// observation that began it has ended, so that a member which does not answer is
// asked once at a time.
type question struct {
	url    string
	began  time.Time
	done   chan struct{} // closed when the fields below are set
	status *pb.StatusResponse
	err    error
	took   time.Duration
	listed atomic.Bool // the member has answered a question for the member list, and none for its status
}

func (q *question) ended() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// ask begins to ask at one URL, or joins the question that is under way, and
// returns how long an observation waits for the answer.
func (c *Cluster) ask(u string) (*question, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	last, patience := c.asked[u], c.opts.RequestTimeout
	q := &question{url: u, began: time.Now(), done: make(chan struct{})}
	switch {
	case last != nil && !last.ended():
		return last, min(overdueWithin, patience)
	case last != nil && last.err != nil:
		patience = min(overdueWithin, patience)
		q.listed.Store(last.listed.Load())
	case last != nil:
		patience = min(answersWithin, patience)
	}
	c.asked[u] = q
	go c.put(q)
	return q, patience
}

// put puts the question and notes the answer.
func (c *Cluster) put(q *question) {
	defer close(q.done)
	k, err := c.conn(q.url)
	if err != nil {
		q.err = err
		return
	}
	over := make(chan struct{})
	defer close(over)
	go func() {
		timer := time.NewTimer(min(listAfter, c.opts.RequestTimeout/2))
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
			_, err := c.memberList(c.ctx, q.url, c.opts.RequestTimeout)
			q.listed.Store(err == nil)
		}
	}()
	q.status, q.err = c.status(c.ctx, k.client)
	q.took = time.Since(q.began)
	if q.err == nil || !timedOut(q.err) {
		q.listed.Store(false)
	}
}

// answer waits for the answer, for that long.
func (q *question) answer(ctx context.Context, patience time.Duration) answer {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
		return answer{url: q.url, status: q.status, err: q.err, took: q.took, blocked: q.err != nil && q.listed.Load()}
	case <-timer.C:
	case <-ctx.Done():
	}
	return answer{url: q.url, err: &silence{q.url, time.Since(q.began)}, blocked: q.listed.Load()}
}

// silence is the error of a question that has not been answered yet.
type silence struct {
	url  string
	long time.Duration
}

func (s *silence) Error() string {
	return fmt.Sprintf("no answer at %s for %s so far", s.url, s.long.Round(10*time.Millisecond))
}
