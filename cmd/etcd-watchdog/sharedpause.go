package main

import (
	"context"
	"errors"
	"sync"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/pause"
)

// sharedStore is the store of the claim, which notes the pause of the cluster
// while the claim reads its tickets: one read shows both, at one revision.
type sharedStore struct {
	*claim.EtcdStore
	prefix string // of the claim

	mu      sync.Mutex
	found   pause.Cluster // as last read
	problem error         // why the key there is no pause
}

// Read implements claim.Store.
func (s *sharedStore) Read(ctx context.Context, prefix string) (claim.Listing, error) {
	listing, err := s.EtcdStore.Read(ctx, prefix)
	if err == nil && prefix == s.prefix+"/" {
		s.note(listing)
	}
	return listing, err
}

func (s *sharedStore) note(listing claim.Listing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found, s.problem = pause.Find(listing, s.prefix)
}

// with returns the pause that this host obeys: its own, or that of the cluster.
// Where the cluster's cannot be read any more, the last one holds until it ends.
func (s *sharedStore) with(own func() (cluster.Pause, error)) func() (cluster.Pause, error) {
	if own == nil {
		return nil
	}
	return func() (cluster.Pause, error) {
		of, err := own()
		s.mu.Lock()
		defer s.mu.Unlock()
		return pause.Longer(of, s.found.Words()), errors.Join(err, s.problem)
	}
}
