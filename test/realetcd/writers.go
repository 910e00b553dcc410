package realetcd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// WritersConfig says how Writers write.
type WritersConfig struct {
	Prefix     string        // of their keys; other keys below it are not theirs
	Writers    int           // each writes one key at a time, on keys of its own
	Keys       int           // keys per writer, overwritten in turn
	ValueBytes int           // at least 20
	Pause      time.Duration // of each writer between two writes; 0: none
}

const (
	// writeTimeout is how long a writer waits for an answer before it takes the
	// outcome for unknown and goes on with another key on another member.
	writeTimeout = 2 * time.Second
	// refusedPause is how long a writer waits after a refusal: the precision of
	// the times in a Tally, too.
	refusedPause = 10 * time.Millisecond
	// sequenceDigits leaves the sequence number at the front of each value.
	sequenceDigits = 16
)

// Writers are clients that overwrite keys, go on through refusals and
// failures, and remember what was acknowledged. Each value carries a sequence
// number that grows per key. A write of unknown outcome may be applied at any
// later time; so its key is never written again, and what is stored under a
// key can only be the last acknowledged write or a later one.
type Writers struct {
	cluster *Cluster
	config  WritersConfig
	members []*Member
	stop    context.CancelFunc
	running sync.WaitGroup

	mu           sync.Mutex
	tally        Tally
	lastAccepted time.Time // or the start
	lastRefused  time.Time
	acknowledged map[string]int64 // key to the last sequence number
	sent         map[string]int64
}

// Tally is what the writers have met so far.
type Tally struct {
	Acknowledged int
	Refused      int            // by NOSPACE
	Unknown      int            // no answer, or an error that leaves it open
	Errors       map[string]int // of the unknown ones, by message
	LongestGap   time.Duration  // between two acknowledged writes of whatever writers, or from the start, or until the end

	// Refusals are the periods in which writes were refused: each from the
	// first refusal until the first acknowledgement of a write that was begun
	// after the last one. A zero End: refused still.
	Refusals []Period
}

// StartWriters starts the writers, spread over the members that there are and
// answer now, until Stop, or until ctx ends.
func (c *Cluster) StartWriters(ctx context.Context, cfg WritersConfig) (*Writers, error) {
	w := &Writers{
		cluster: c, config: cfg, members: c.voters(ctx), lastAccepted: time.Now(),
		acknowledged: map[string]int64{}, sent: map[string]int64{},
		tally: Tally{Errors: map[string]int{}},
	}
	if cfg.Writers < 1 || cfg.Keys < 1 || cfg.ValueBytes < sequenceDigits+4 || len(w.members) == 0 {
		return nil, fmt.Errorf("start writers: %+v on %d voters that answer", cfg, len(w.members))
	}
	ctx, w.stop = context.WithCancel(ctx)
	for i := range cfg.Writers {
		w.running.Go(func() { w.write(ctx, i) })
	}
	return w, nil
}

// Stop ends the writers, waits for the requests that are on their way, and
// returns the final tally.
func (w *Writers) Stop() Tally {
	w.stop()
	w.running.Wait()
	return w.Tally()
}

// Tally returns what the writers have met so far; it shares nothing with them.
func (w *Writers) Tally() Tally {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.tally
	t.Errors, t.Refusals = maps.Clone(t.Errors), slices.Clone(t.Refusals)
	t.LongestGap = max(t.LongestGap, time.Since(w.lastAccepted))
	return t
}

// write is one writer.
func (w *Writers) write(ctx context.Context, writer int) {
	generation := make([]int, w.config.Keys) // of each key; grows when it is given up
	turn := writer
	for sequence := int64(1); ctx.Err() == nil; sequence++ {
		slot := int(sequence) % w.config.Keys
		key := fmt.Sprintf("%s/%03d/%05d/%d", w.config.Prefix, writer, slot, generation[slot])
		length := w.config.Pause
		switch w.attempt(ctx, w.members[turn%len(w.members)].Client(), key, sequence) {
		case refused:
			length = refusedPause
		case unknown:
			generation[slot]++
			turn++
			length = refusedPause
		}
		if length > 0 && pause(ctx, length) != nil {
			return
		}
	}
}

type answer int

const (
	acknowledged answer = iota
	refused
	unknown
)

// attempt writes once and books what came of it. It is not cut short by the
// end of the writers, so that no outcome is unknown because of that.
func (w *Writers) attempt(ctx context.Context, client *clientv3.Client, key string, sequence int64) answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	value := fmt.Sprintf("%0*d", sequenceDigits, sequence)
	value += strings.Repeat(".", w.config.ValueBytes-len(value))

	w.mu.Lock()
	w.sent[key] = sequence
	w.mu.Unlock()
	begun := time.Now()
	_, err := client.Put(ctx, key, value)
	now := time.Now()

	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case err == nil:
		w.acknowledged[key] = sequence
		w.accepted(begun, now)
		return acknowledged
	case errors.Is(err, rpctypes.ErrNoSpace):
		w.refused(now)
		return refused
	default:
		w.tally.Unknown++
		w.tally.Errors[err.Error()]++
		return unknown
	}
}

func (w *Writers) accepted(begun, now time.Time) {
	w.tally.Acknowledged++
	w.tally.LongestGap = max(w.tally.LongestGap, now.Sub(w.lastAccepted))
	w.lastAccepted = now
	if last := w.openRefusal(); last != nil && begun.After(w.lastRefused) {
		last.End = now
	}
}

func (w *Writers) refused(now time.Time) {
	w.tally.Refused++
	w.lastRefused = now
	if w.openRefusal() == nil {
		w.tally.Refusals = append(w.tally.Refusals, Period{Begin: now})
	}
}

// openRefusal is the period that lasts still, or nil.
func (w *Writers) openRefusal() *Period {
	if n := len(w.tally.Refusals); n > 0 && w.tally.Refusals[n-1].End.IsZero() {
		return &w.tally.Refusals[n-1]
	}
	return nil
}

// Verify reads every key through each voter that runs, at the cluster's latest
// state, and returns an error that names what was acknowledged and is not
// there. It is called after Stop.
func (w *Writers) Verify(ctx context.Context) error {
	voters := w.cluster.voters(ctx)
	if len(voters) == 0 {
		return errors.New("verify the writes: no voter answers")
	}
	for _, m := range voters {
		if err := w.verifyOn(ctx, m); err != nil {
			return fmt.Errorf("verify the writes on %s: %w", m.Name, err)
		}
	}
	return nil
}

// Record returns, for each key, the sequence number of the last write that was
// acknowledged, and of the last one that was sent.
func (w *Writers) Record() (acknowledged, sent map[string]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.acknowledged), maps.Clone(w.sent)
}

// Stored returns the sequence number that the member has for each key. It is
// read linearizably: the member answers from its own store, once it has applied
// all that was committed before.
func (w *Writers) Stored(ctx context.Context, m *Member) (map[string]int64, error) {
	read, err := m.Client().Get(ctx, w.config.Prefix+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, err
	}
	stored := map[string]int64{}
	for _, kv := range read.Kvs {
		if len(kv.Value) != w.config.ValueBytes {
			return nil, fmt.Errorf("%s has %d bytes, written were %d", kv.Key, len(kv.Value), w.config.ValueBytes)
		}
		if stored[string(kv.Key)], err = strconv.ParseInt(string(kv.Value[:sequenceDigits]), 10, 64); err != nil {
			return nil, fmt.Errorf("%s: %w", kv.Key, err)
		}
	}
	return stored, nil
}

func (w *Writers) verifyOn(ctx context.Context, m *Member) error {
	stored, err := w.Stored(ctx, m)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	var faults []string
	for _, key := range slices.Sorted(maps.Keys(w.sent)) {
		if at := stored[key]; at < w.acknowledged[key] || at > w.sent[key] {
			faults = append(faults, fmt.Sprintf("%s: acknowledged %d, sent %d, stored %d", key, w.acknowledged[key], w.sent[key], at))
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("%d of %d keys are wrong, such as %s", len(faults), len(w.sent), strings.Join(faults[:min(5, len(faults))], "; "))
	}
	return nil
}
