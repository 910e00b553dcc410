package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/history"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const (
	samplePause    = 150 * time.Millisecond
	samplePatience = time.Second
)

// recorder asks every member for its status over and over.
type recorder struct {
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	samples []history.Sample
}

func record(ctx context.Context, c *realetcd.Cluster) *recorder {
	rec := &recorder{}
	rec.ctx, rec.cancel = context.WithCancel(ctx)
	for _, m := range c.Members() {
		rec.follow(m)
	}
	return rec
}

// follow asks a further member too.
func (rec *recorder) follow(m *realetcd.Member) {
	ctx := rec.ctx
	rec.running.Go(func() {
		for ctx.Err() == nil {
			if s, err := sample(ctx, m); err == nil {
				rec.mu.Lock()
				rec.samples = append(rec.samples, s)
				rec.mu.Unlock()
			}
			select {
			case <-ctx.Done():
			case <-time.After(samplePause):
			}
		}
	})
}

// sample counts from when it was asked for: the answer can only be younger.
func sample(ctx context.Context, m *realetcd.Member) (history.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	s, err := m.Client().Status(ctx, m.ClientURL)
	if err != nil {
		return history.Sample{}, err
	}
	return history.Sample{
		At: time.Now(), Member: fmt.Sprintf("%x", s.Header.MemberId), Learner: s.IsLearner,
		FileBytes: s.DbSize, Revision: s.Header.Revision, Alarms: strings.Join(s.Errors, " "),
	}, nil
}

// stop ends the recorder; what it has taken stays.
func (rec *recorder) stop() {
	rec.cancel()
	rec.running.Wait()
}

func (rec *recorder) all() []history.Sample {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	return append([]history.Sample(nil), rec.samples...)
}
