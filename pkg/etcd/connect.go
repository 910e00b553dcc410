package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap" // only to silence the client, which would log to stderr past our journal
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/grpclog"
)

// DeliveryBound is how long a request can still be on its way after the
// connection that it was sent on has been closed: once Do has returned and
// this time has passed, the request has arrived or never will. It is
// keepAliveTimeout, which gRPC also sets as TCP_USER_TIMEOUT, the time after
// which the kernel gives up on data that nobody acknowledges, with a margin
// for the kernel's timers.
const DeliveryBound = 10 * time.Second

const (
	// Between two pings on a connection on which an answer is waited for. gRPC
	// takes no less. A server that allows fewer ends the connection; then the time
	// is doubled for its URL. It is the time-out that DeliveryBound stands on.
	keepAliveTime    = 10 * time.Second
	keepAliveMost    = 5 * time.Minute
	keepAliveTimeout = 8 * time.Second

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
	if _, err := parseURL(u); err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            []string{u},
		DialTimeout:          c.opts.DialTimeout,
		DialKeepAliveTime:    c.pings.of(u),
		DialKeepAliveTimeout: keepAliveTimeout,
		TLS:                  c.tls,
		Logger:               zap.NewNop(),
		// No user here: the client would sign in before New returns. See login.
		DialOptions: []grpc.DialOption{
			// These two come after the client's own, which retry, and replace them.
			grpc.WithUnaryInterceptor(c.login.unary),
			grpc.WithStreamInterceptor(c.login.stream),
			grpc.WithDisableRetry(),
			grpc.WithContextDialer(dial), // and no proxy: it would hide who answers
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: reconnectAtMost / 5, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectAtMost},
				MinConnectTimeout: c.opts.DialTimeout,
			}),
			grpc.WithReadBufferSize(bufferBytes),
			grpc.WithWriteBufferSize(bufferBytes),
		},
	})
	if err != nil {
		return nil, fmt.Errorf("client for %s: %w", u, err)
	}
	return client, nil
}

// tooManyPings is what a server says that was started with a larger
// --grpc-keepalive-min-time than the time between our pings.
const tooManyPings = "too_many_pings"

// pings is the time between two pings by URL, where it is not keepAliveTime.
type pings struct {
	mu    sync.Mutex
	every map[string]time.Duration
}

func (p *pings) of(u string) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(keepAliveTime, p.every[u])
}

// note makes them rarer where they have ended a connection.
func (p *pings) note(u string, err error) {
	if err == nil || !strings.Contains(err.Error(), tooManyPings) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.every == nil {
		p.every = map[string]time.Duration{}
	}
	p.every[u] = min(2*max(keepAliveTime, p.every[u]), keepAliveMost)
}

// parseURL takes the URLs that etcd listens on for clients over TCP.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not a client URL: want http://HOST:PORT or https://HOST:PORT", s)
	}
	if u.Port() == "" {
		return nil, fmt.Errorf("%q has no port: etcd's clients connect to port 2379 by default", s)
	}
	return u, nil
}

// newTLS reads the authority once and the client's certificate at each
// connection, so that a renewed certificate is used without a restart.
func newTLS(opts Options) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: opts.InsecureSkipVerify}
	if opts.CACert != "" {
		pem, err := os.ReadFile(opts.CACert)
		if err != nil {
			return nil, fmt.Errorf("cacert: %w: name a file that this process may read", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cacert: no certificate in %s: it has to be in PEM form, as etcd's trusted-ca-file is", opts.CACert)
		}
	}
	if (opts.Cert == "") != (opts.Key == "") {
		return nil, errors.New("cert and key: one is set without the other: set both, or neither")
	}
	if opts.Cert == "" {
		return conf, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(opts.Cert, opts.Key)
		if err != nil {
			return nil, fmt.Errorf("cert and key: %w: name a certificate and its own key, both in PEM form and readable for this process", err)
		}
		return &pair, nil
	}
	conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	_, err := load()
	return conf, err
}

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
	data, err := os.ReadFile(opts.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("password-file: %w: name a file that this process may read", err)
	}
	line, _, _ := strings.Cut(string(data), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("password-file: the first line of %s is empty: write the password of user %q there", opts.PasswordFile, opts.User)
	}
	return line, nil
}
