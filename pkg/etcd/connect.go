package etcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" // only to silence the client, which would log to stderr past our journal
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/grpclog"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// DeliveryBound is how long a request can still be on its way after the
// connection that it was sent on has been closed: once Do has returned and
// this time has passed, the request has arrived or never will. It is
// MaxKeepAliveTimeout, which gRPC also sets as TCP_USER_TIMEOUT, the time after
// which the kernel gives up on data that nobody acknowledges, with a margin
// for the kernel's timers.
const DeliveryBound = 10 * time.Second

// The bounds of Options.KeepAliveTime and Options.KeepAliveTimeout.
const (
	MinKeepAliveTime    = 10 * time.Second // gRPC takes no less
	MaxKeepAliveTimeout = 8 * time.Second
)

const (
	// A member that was down is found again within this time of its return.
	reconnectAtMost = time.Second

	// The answers are short: a few KiB spare the default of 64 KiB for each
	// connection.
	bufferBytes = 4 << 10
)

// gRPC reports its errors to the callers; what it writes to the standard error
// besides would stand between our entries.
func init() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }

// conn is a connection to one URL. It is made without contacting the server,
// and made again underneath when it breaks.
type conn struct {
	url    string
	client *clientv3.Client
	dials  atomic.Int64 // TCP connections opened so far: a server that restarted has a new one
}

// connect makes a connection to one URL.
func (c *Cluster) connect(u string) (*conn, error) {
	k := &conn{url: u}
	var err error
	k.client, err = c.newClient(u, func(ctx context.Context, address string) (net.Conn, error) {
		k.dials.Add(1)
		return new(net.Dialer).DialContext(ctx, "tcp", address)
	})
	return k, err
}

// connectOnce makes a connection that is opened at most once: when it breaks,
// everything sent on it ends, and nothing can be sent again behind our back.
func (c *Cluster) connectOnce(u string) (*clientv3.Client, error) {
	return c.newClient(u, dialOnce())
}

// dialer opens a TCP connection, as gRPC asks for it.
type dialer func(ctx context.Context, address string) (net.Conn, error)

func dialOnce() dialer {
	var opened atomic.Bool
	return func(ctx context.Context, address string) (net.Conn, error) {
		if opened.Load() {
			return nil, errors.New("this connection is not opened twice")
		}
		tcp, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			opened.Store(true)
		}
		return tcp, err
	}
}

func (c *Cluster) newClient(u string, dial dialer) (*clientv3.Client, error) {
	parsed, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	unary, stream := c.login.unary, c.login.stream
	var secured []grpc.DialOption
	if parsed.Scheme == "https" {
		h := newHandshakes(c.identity, u)
		unary = h.unary(unary)
		secured = append(secured, grpc.WithTransportCredentials(h))
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{u},
		DialTimeout:          c.opts.DialTimeout,
		DialKeepAliveTime:    c.pings.of(u, c.opts.KeepAliveTime),
		DialKeepAliveTimeout: c.opts.KeepAliveTimeout,
		Logger:               zap.NewNop(),
		// No user here: the client would sign in before New returns. See login.
		DialOptions: append([]grpc.DialOption{
			// These two come after the client's own, which retry, and replace them.
			grpc.WithUnaryInterceptor(unary),
			grpc.WithStreamInterceptor(stream),
			grpc.WithDisableRetry(),
			grpc.WithContextDialer(dial), // and no proxy: it would hide who answers
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: reconnectAtMost / 5, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectAtMost},
				MinConnectTimeout: c.opts.DialTimeout,
			}),
			grpc.WithReadBufferSize(bufferBytes),
			grpc.WithWriteBufferSize(bufferBytes),
		}, secured...),
	})
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", u, err)
	}
	return client, nil
}

// keepAliveMost bounds the time between two pings where a server has ended a
// connection because of them.
const keepAliveMost = 5 * time.Minute

// tooManyPings is what a server says that was started with a larger
// --grpc-keepalive-min-time than the time between our pings.
const tooManyPings = "too_many_pings"

// pings is the time between two pings by URL, where it is longer than asked for.
type pings struct {
	mu    sync.Mutex
	every map[string]time.Duration
}

func (p *pings) of(u string, least time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(least, p.every[u])
}

// note makes them rarer where they have ended a connection.
func (p *pings) note(u string, least time.Duration, err error) {
	if err == nil || !strings.Contains(err.Error(), tooManyPings) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.every == nil {
		p.every = map[string]time.Duration{}
	}
	p.every[u] = min(2*max(least, p.every[u]), max(least, keepAliveMost))
}

// maxPasswordBytes is far above what a password takes.
const maxPasswordBytes = 64 << 10

// readPassword returns the first line of the file.
func readPassword(opts Options) (string, error) {
	switch {
	case opts.User == "" && opts.PasswordFile == "":
		return "", nil
	case opts.Password != "":
		return opts.Password, nil
	case opts.User == "":
		return "", errors.New("password-file is set and user is not: set both, or neither")
	case opts.PasswordFile == "":
		return "", errors.New("user is set and password-file is not: set both, or neither")
	}
	data, err := durable.ReadNamed(opts.PasswordFile, maxPasswordBytes)
	if err != nil {
		return "", fmt.Errorf("password-file: %w: name a file that this process may read", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("password-file: the first line of %s is empty: write the password of user %q there", opts.PasswordFile, opts.User)
	}
	return line, nil
}
