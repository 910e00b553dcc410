package etcd

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// TestWhatNeverLeftIsNoDoubt: the same error is an unknown outcome where the
// request was given to a connection, and a plain failure where it was not.
func TestWhatNeverLeftIsNoDoubt(t *testing.T) {
	l := &line{url: "http://127.0.0.1:1"}
	for _, sent := range []bool{false, true} {
		err := l.send(t.Context(), 0, nil, func(_ context.Context, opts ...grpc.CallOption) error {
			if sent {
				opts[0].(grpc.PeerCallOption).PeerAddr.Addr = address("there")
			}
			return status.Error(codes.Unavailable, "connection refused")
		})
		if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) != sent {
			t.Errorf("sent %t: %v", sent, err)
		}
	}
}

// address is the address of a peer.
type address string

func (address) Network() string  { return "test" }
func (a address) String() string { return string(a) }
