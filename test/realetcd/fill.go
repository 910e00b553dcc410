package realetcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Load is what Fill and WriteLive write: keys below Prefix, whose values are
// LiveBytes together and come from a generator of that seed.
type Load struct {
	Prefix     string
	LiveBytes  int64
	ValueBytes int
	Seed       uint64
}

// Filled says what was written. Bytes that went into requests of unknown
// outcome are not counted.
type Filled struct {
	Keys         int
	WrittenBytes int64
	Took         time.Duration
}

const (
	fillWorkers      = 4
	fillRequestBytes = 1 << 20 // etcd refuses requests above 1.5 MiB
	fillRequestKeys  = 100     // etcd refuses transactions of more than 128
	fillTimeout      = 5 * time.Second
	fillPause        = 100 * time.Millisecond
	fillTries        = 100 // requests in a row without success before it gives up
)

// WriteLive writes each key of the load once. That NOSPACE is raised before
// the end is an error (rpctypes.ErrNoSpace).
func (c *Cluster) WriteLive(ctx context.Context, load Load) (Filled, error) {
	filled, err := c.write(ctx, load, true)
	if err != nil {
		return filled, fmt.Errorf("write %d live bytes: %w", load.LiveBytes, err)
	}
	return filled, nil
}

// Fill writes the keys of the load over and over, until NOSPACE is raised and
// every running member has said so, but for suspended ones.
func (c *Cluster) Fill(ctx context.Context, load Load) (Filled, error) {
	filled, err := c.write(ctx, load, false)
	if !errors.Is(err, rpctypes.ErrNoSpace) {
		return filled, fmt.Errorf("fill the cluster: %w", err)
	}
	listed := map[*Member]bool{} // for good: somebody may be healing the cluster meanwhile
	return filled, Await(ctx, "every member to list NOSPACE", func() (bool, string) {
		for _, m := range c.Running() {
			if listed[m] || m.isSuspended() {
				continue
			}
			status, err := m.status(ctx)
			if err != nil {
				return false, m.Name + ": " + err.Error()
			}
			if !strings.Contains(strings.Join(status.Errors, " "), "NOSPACE") {
				return false, m.Name + " does not"
			}
			listed[m] = true
		}
		return true, ""
	})
}

// filler is one run of Fill or WriteLive.
type filler struct {
	load    Load
	keys    int
	batch   int // keys per request
	last    int64
	random  string
	next    atomic.Int64 // number of the next request
	written atomic.Int64
	voters  []*Member
}

func (c *Cluster) write(ctx context.Context, load Load, once bool) (Filled, error) {
	begin := time.Now()
	f := &filler{load: load, keys: int(load.LiveBytes) / load.ValueBytes, voters: c.voters(ctx)}
	if f.keys < 1 || len(f.voters) == 0 {
		return Filled{}, fmt.Errorf("nothing to write to or with: %d keys, %d voters that answer", f.keys, len(f.voters))
	}
	// Requests are small beside the quota, or the file would overshoot it by far.
	room := int64(fillRequestBytes)
	if quota := c.Config.QuotaBytes; quota > 0 {
		room = min(room, quota/64)
	}
	f.batch = int(min(max(1, room/int64(load.ValueBytes)), fillRequestKeys, int64(f.keys)))
	f.last = int64(1) << 62
	if once {
		f.last = int64((f.keys + f.batch - 1) / f.batch)
	}
	f.random = randomText(load.Seed, load.ValueBytes+1<<16)

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var workers sync.WaitGroup
	for i := range fillWorkers {
		workers.Go(func() {
			if err := f.work(ctx, i); err != nil {
				stop(err)
			}
		})
	}
	workers.Wait()
	return Filled{Keys: f.keys, WrittenBytes: f.written.Load(), Took: time.Since(begin)}, context.Cause(ctx)
}

// work sends requests until there are none left, or one is refused for good.
func (f *filler) work(ctx context.Context, worker int) error {
	for turn := worker; ; {
		n := f.next.Add(1) - 1
		if n >= f.last {
			return nil
		}
		puts := f.request(n)
		for try := 1; ; try++ {
			err := put(ctx, f.voters[turn%len(f.voters)].Client(), puts)
			if err == nil {
				f.written.Add(int64(len(puts)) * int64(f.load.ValueBytes))
				break
			}
			if errors.Is(err, rpctypes.ErrNoSpace) || ctx.Err() != nil || try == fillTries {
				return err
			}
			turn++ // the puts are the same again: to repeat them does no harm
			if pause(ctx, fillPause) != nil {
				return err
			}
		}
	}
}

func (f *filler) request(n int64) []clientv3.Op {
	puts := make([]clientv3.Op, f.batch)
	for i := range puts {
		k := n*int64(f.batch) + int64(i)
		at := int(k*7919) % (len(f.random) - f.load.ValueBytes)
		puts[i] = clientv3.OpPut(fmt.Sprintf("%s/%08d", f.load.Prefix, k%int64(f.keys)), f.random[at:at+f.load.ValueBytes])
	}
	return puts
}

func put(ctx context.Context, client *clientv3.Client, puts []clientv3.Op) error {
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	_, err := client.Txn(ctx).Then(puts...).Commit()
	return err
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

// pause waits, and returns an error if ctx ends meanwhile.
func pause(ctx context.Context, length time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(length):
		return nil
	}
}
