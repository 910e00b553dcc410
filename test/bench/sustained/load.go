package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"go.uber.org/zap"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const (
	prefix    = "bench/"
	liveBytes = 64 << 20

	clientsPerMember = 16
	writeTimeout     = 5 * time.Second // etcdctl's own patience
)

// load is what is written: the live keys, overwritten one at a time in an order
// drawn by lot, by clients spread over the members.
type load struct {
	valueBytes     int
	bytesPerSecond float64
	length         time.Duration
	seed           uint64
}

// tally is what became of the writes.
type tally struct {
	acknowledged int
	refused      int            // by NOSPACE
	failed       map[string]int // the others, by what the answer said
	longestGap   time.Duration  // between two acknowledged writes of whatever clients, or from the beginning, or until the end
}

// failures is how many writes were neither acknowledged nor refused.
func (t tally) failures() int {
	n := 0
	for count := range maps.Values(t.failed) {
		n += count
	}
	return n
}

// writing is one run of a load.
type writing struct {
	load load
	keys []string
	text string // values are parts of it
	pace *pace

	mu           sync.Mutex
	tally        tally
	acknowledged time.Time // the last one, or the beginning
}

// lay writes the live data, each key once, and returns the keys.
func (l load) lay(ctx context.Context, c *realetcd.Cluster) ([]string, error) {
	if _, err := c.WriteLive(ctx, realetcd.Load{Prefix: prefix, LiveBytes: liveBytes, ValueBytes: l.valueBytes, Seed: l.seed}); err != nil {
		return nil, err
	}
	read, err := c.Client(0).Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	keys := make([]string, 0, len(read.Kvs))
	for _, kv := range read.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys, nil
}

// run overwrites the keys for the load's length. It returns once every write
// that was sent has its answer, or has waited for it in vain.
func (l load) run(ctx context.Context, c *realetcd.Cluster, keys []string) (tally, error) {
	clients, err := connect(c)
	if err != nil {
		return tally{}, err
	}
	w := &writing{
		load: l, keys: keys, text: randomText(l.seed, l.valueBytes+1<<16), pace: newPace(l.bytesPerSecond),
		tally: tally{failed: map[string]int{}}, acknowledged: time.Now(),
	}
	sending, stop := context.WithTimeout(ctx, l.length)
	defer stop()
	var writers sync.WaitGroup
	for i, client := range clients {
		writers.Go(func() { w.write(ctx, sending, client, rand.New(rand.NewPCG(l.seed, uint64(i)))) })
	}
	<-sending.Done()
	w.mu.Lock()
	w.endGap()
	w.mu.Unlock()
	writers.Wait()
	for _, client := range clients {
		err = errors.Join(err, client.Close())
	}
	return w.tally, errors.Join(err, ctx.Err())
}

// connect returns clients with a connection of their own each, member by
// member in turn.
func connect(c *realetcd.Cluster) ([]*clientv3.Client, error) {
	var clients []*clientv3.Client
	for range clientsPerMember {
		for _, m := range c.Members() {
			client, err := clientv3.New(clientv3.Config{Endpoints: []string{m.ClientURL}, DialTimeout: writeTimeout, Logger: zap.NewNop()})
			if err != nil {
				return nil, fmt.Errorf("a client of %s: %w", m.Name, err)
			}
			clients = append(clients, client)
		}
	}
	return clients, nil
}

// write overwrites keys until sending ends; a write that was sent by then waits
// for its answer still.
func (w *writing) write(ctx, sending context.Context, client *clientv3.Client, lot *rand.Rand) {
	for w.pace.wait(sending, w.load.valueBytes) == nil {
		at := lot.IntN(len(w.text) - w.load.valueBytes)
		put, cancel := context.WithTimeout(ctx, writeTimeout)
		_, err := client.Put(put, w.keys[lot.IntN(len(w.keys))], w.text[at:at+w.load.valueBytes])
		cancel()
		if ctx.Err() != nil {
			return
		}
		w.count(err)
	}
}

func (w *writing) count(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.tally.acknowledged++
		w.endGap()
	case errors.Is(err, rpctypes.ErrNoSpace):
		w.tally.refused++
	default:
		w.tally.failed[err.Error()]++
	}
}

// endGap ends the time without an acknowledged write and begins the next. It is
// called under the lock.
func (w *writing) endGap() {
	now := time.Now()
	w.tally.longestGap = max(w.tally.longestGap, now.Sub(w.acknowledged))
	w.acknowledged = now
}

// randomText returns n bytes that do not compress, the same for equal seeds.
func randomText(seed uint64, n int) string {
	source := rand.New(rand.NewPCG(seed, 0))
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(source.Uint32())
	}
	return string(text)
}
