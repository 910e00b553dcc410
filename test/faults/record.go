package main

import (
	"context"
	"fmt"
	"slices"
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
	claims  []history.Claims
}

func record(ctx context.Context, c *realetcd.Cluster) *recorder {
	rec := &recorder{}
	rec.ctx, rec.cancel = context.WithCancel(ctx)
	for _, m := range c.Members() {
		rec.follow(m)
	}
	return rec
}

// repeat does something over and over until the end.
func (rec *recorder) repeat(do func(ctx context.Context)) {
	rec.running.Go(func() {
		for rec.ctx.Err() == nil {
			do(rec.ctx)
			select {
			case <-rec.ctx.Done():
			case <-time.After(samplePause):
			}
		}
	})
}

// watchClaim reads the tickets over and over. What cannot be read is not known.
func (rec *recorder) watchClaim(tickets func(context.Context) ([]string, error)) {
	rec.repeat(func(ctx context.Context) {
		keys, err := tickets(ctx)
		if err != nil {
			return
		}
		rec.mu.Lock()
		defer rec.mu.Unlock()
		rec.claims = append(rec.claims, history.Claims{At: time.Now(), Busy: busy(keys)})
	})
}

// busy names the tickets that have an end and no begin.
func busy(keys []string) []string {
	var names []string
	for _, key := range keys {
		if name, is := strings.CutSuffix(key, "/end"); is && !slices.Contains(keys, name+"/begin") {
			names = append(names, name)
		}
	}
	return names
}

// follow asks a further member too.
func (rec *recorder) follow(m *realetcd.Member) {
	rec.repeat(func(ctx context.Context) {
		if s, err := sample(ctx, m); err == nil {
			rec.mu.Lock()
			defer rec.mu.Unlock()
			rec.samples = append(rec.samples, s)
		}
	})
}

// sample counts from when it was asked for: the answer can only be younger.
func sample(ctx context.Context, m *realetcd.Member) (history.Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, samplePatience)
	defer cancel()
	asked := time.Now()
	s, err := m.Client().Status(ctx, m.ClientURL)
	if err != nil {
		return history.Sample{}, err
	}
	return history.Sample{
		At: asked, Member: fmt.Sprintf("%x", s.Header.MemberId), Learner: s.IsLearner,
		FileBytes: s.DbSize, Revision: s.Header.Revision, Alarms: strings.Join(s.Errors, " "),
	}, nil
}

// stop ends the recorder; what it has taken stays.
func (rec *recorder) stop() {
	rec.cancel()
	rec.running.Wait()
}
