package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const (
	sampleInterval = 250 * time.Millisecond
	lookInterval   = time.Second
	askTimeout     = 2 * time.Second

	// keptRevisions is how many revisions before the current one are to be
	// readable: the default of maintenance.keep-revisions.
	keptRevisions = 1000
)

// observed is what was seen of a cluster beside its load.
type observed struct {
	highestFile int64 // bytes, of whatever member
	samples     int   // of the member that answered least often
	history     history
}

// history is what became of the looks at the oldest revision that is to be
// readable. Looks before there is one are not counted.
type history struct {
	readable   int
	compacted  int
	unanswered int
}

// observe samples the files and looks at the history until ctx ends.
func observe(ctx context.Context, c *realetcd.Cluster, key string, seed uint64) observed {
	var o observed
	members := c.Members()
	highest, samples := make([]int64, len(members)), make([]int, len(members))
	var observers sync.WaitGroup
	for i, m := range members {
		observers.Go(func() { highest[i], samples[i] = sample(ctx, m) })
	}
	observers.Go(func() { o.history = lookBack(ctx, members, key, seed) })
	observers.Wait()
	o.samples = samples[0]
	for i := range members {
		o.highestFile, o.samples = max(o.highestFile, highest[i]), min(o.samples, samples[i])
	}
	return o
}

// sample asks a member for the size of its file until ctx ends, and returns the
// highest and how often it was told.
func sample(ctx context.Context, m *realetcd.Member) (highest int64, samples int) {
	every(ctx, sampleInterval, func() {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		if status, err := m.Client().Status(ctx, m.ClientURL); err == nil {
			highest, samples = max(highest, status.DbSize), samples+1
		}
	})
	return highest, samples
}

// lookBack reads, until ctx ends, as far back as is to be possible, each time
// through a member drawn by lot.
func lookBack(ctx context.Context, members []*realetcd.Member, key string, seed uint64) history {
	var h history
	lot := rand.New(rand.NewPCG(seed, 1<<63))
	every(ctx, lookInterval, func() {
		client := members[lot.IntN(len(members))].Client()
		err := readBack(ctx, client, key)
		if errors.Is(err, rpctypes.ErrCompacted) {
			// The revision may have fallen out of what is to be kept between the
			// two requests of a look, if a compaction came in that moment. It does
			// not come twice.
			err = readBack(ctx, client, key)
		}
		switch {
		case err == nil:
			h.readable++
		case errors.Is(err, errTooYoung) || ctx.Err() != nil:
		case errors.Is(err, rpctypes.ErrCompacted):
			h.compacted++
		default:
			h.unanswered++
		}
	})
	return h
}

var errTooYoung = errors.New("the cluster has no revision that old")

// readBack asks for the current revision, and reads the key as it was
// keptRevisions before.
func readBack(ctx context.Context, client *clientv3.Client, key string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	now, err := client.Get(ctx, key, clientv3.WithKeysOnly())
	if err != nil {
		return err
	}
	at := now.Header.Revision - keptRevisions
	if at < 1 {
		return errTooYoung
	}
	_, err = client.Get(ctx, key, clientv3.WithRev(at))
	return err
}

// every does it now and then once in an interval, until ctx ends.
func every(ctx context.Context, interval time.Duration, do func()) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-ticker.C:
		}
	}
}
