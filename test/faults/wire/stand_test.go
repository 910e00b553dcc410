package wire_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// patience is far above what anything here takes.
const patience = 20 * time.Second

// stand is a member with a proxy in front of it.
type stand struct {
	t       *testing.T
	rules   *wire.Rules
	proxy   *wire.Proxy
	cluster *realetcd.Cluster
	direct  *clientv3.Client // past the proxy
	through *clientv3.Client
}

func newStand(t *testing.T, processes func() map[string]int) *stand {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real server")
	}
	s := &stand{t: t, rules: new(wire.Rules)}
	s.cluster = realetcd.Start(t, realetcd.Config{
		Line: realetcd.MustLine(t, "3.7"), Members: 1, Args: []string{"--unsafe-no-fsync"},
		Advertise: func(name, clientURL string) (string, error) {
			proxy, err := wire.Start(wire.Config{Name: name, Member: clientURL, Rules: s.rules, Processes: processes})
			if err != nil {
				return "", err
			}
			s.proxy = proxy
			t.Cleanup(s.close)
			return proxy.URL(), nil
		},
	})
	s.direct = s.cluster.Client(0)
	s.through = s.connect()
	return s
}

// close closes the proxy and demands that nothing of it is left.
func (s *stand) close() {
	if err := s.proxy.Close(); err != nil {
		s.t.Error(err)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for stack := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(stack, "/faults/wire.(") {
			s.t.Errorf("left after Close:\n%s", stack)
		}
	}
}

// connect makes one more client that goes through the proxy.
func (s *stand) connect() *clientv3.Client {
	s.t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{s.proxy.URL()}, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{
			grpc.WithDisableRetry(),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1, MaxDelay: 20 * time.Millisecond},
				MinConnectTimeout: time.Second,
			}),
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

// put sends one put, once, over the client's connection.
func put(ctx context.Context, c *clientv3.Client, key string) error {
	_, err := pb.NewKVClient(c.ActiveConnection()).Put(ctx, &pb.PutRequest{Key: []byte(key)})
	return err
}

// holdPut holds a put of that key, and returns when it is held.
func (s *stand) holdPut(key string) (*wire.Armed, <-chan error) {
	s.t.Helper()
	held := s.rules.Add(wire.Rule{Match: onPut, Action: wire.Action{Hold: true}})
	done := make(chan error, 1)
	go func() { done <- put(s.t.Context(), s.through, key) }()
	wait(s.t, "the call", held.Hit())
	return held, done
}

// wantPut waits until a put is accepted.
func (s *stand) wantPut(c *clientv3.Client, key string) {
	s.t.Helper()
	realetcd.Eventually(s.t, patience, "a put", func() (bool, string) {
		err := put(s.t.Context(), c, key)
		return err == nil, status.Convert(err).Message()
	})
}

// has reports that the member has the key, read past the proxy.
func (s *stand) has(key string) bool {
	s.t.Helper()
	resp, err := s.direct.Get(s.t.Context(), key)
	if err != nil {
		s.t.Error(err)
		return false
	}
	return resp.Count == 1
}

func (s *stand) wantKey(key string) {
	s.t.Helper()
	realetcd.Eventually(s.t, patience, "the key "+key, func() (bool, string) { return s.has(key), "none" })
}

func (s *stand) wantNoKey(key string) {
	s.t.Helper()
	if s.has(key) {
		s.t.Errorf("the member has the key %s", key)
	}
}

func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("waiting for %s in vain", what)
	}
}
