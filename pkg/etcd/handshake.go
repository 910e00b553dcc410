package etcd

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// handshakes makes the TLS connections of one client, and knows why the last one
// came to nothing. gRPC passes errors on as text. With TLS 1.3 a server refuses a
// client certificate after the client's handshake has ended, and its alert often
// loses against the broken connection. So both are looked at here, where the
// certificates are.
type handshakes struct {
	credentials.TransportCredentials // for ProtocolInfo

	identity *identity
	url      string

	mu      sync.Mutex
	trouble string // one clause, with the next step; empty: the last connection was good, or TLS was not to blame
}

func newHandshakes(i *identity, url string) *handshakes {
	return &handshakes{TransportCredentials: credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12}), identity: i, url: url}
}

// Clone returns the same handshakes: gRPC clones before it changes anything, and
// changes nothing but a server name that is set elsewhere.
func (h *handshakes) Clone() credentials.TransportCredentials { return h }

// ClientHandshake makes a connection with the files as they are now.
func (h *handshakes) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c := &watched{handshakes: h}
	conf := h.identity.config(func(info *tls.CertificateRequestInfo, shown *tls.Certificate) {
		c.asked, c.shown = info, shown
	})
	if conf.ServerName != "" {
		authority = conf.ServerName // which gRPC would put in its place
	}
	secured, auth, err := credentials.NewTLS(conf).ClientHandshake(ctx, authority, raw)
	if err != nil {
		h.note(trouble(c, err))
		return nil, nil, err
	}
	if info, is := auth.(credentials.TLSInfo); is {
		h.identity.note(h.url, info.State)
	}
	c.Conn = secured
	return c, auth, nil
}

func (h *handshakes) note(trouble string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trouble = trouble
}

func (h *handshakes) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.trouble
}

// watched is a connection that looks at the first answer: a server that refuses
// the client certificate never gives one.
type watched struct {
	net.Conn
	handshakes *handshakes
	asked      *tls.CertificateRequestInfo // nil: the server did not ask for a client certificate
	shown      *tls.Certificate
	answered   atomic.Bool
}

func (c *watched) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && !c.answered.Swap(true) {
		c.handshakes.note("")
	}
	c.judge(err)
	return n, err
}

func (c *watched) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.judge(err)
	return n, err
}

func (c *watched) judge(err error) {
	if err == nil || c.answered.Load() || c.asked == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return // closed, or called off, by ourselves
	}
	c.handshakes.note(trouble(c, err))
}

// handshakeError is the error of a request for which there was no connection,
// since TLS came to nothing.
type handshakeError struct {
	trouble string
	err     error
}

func (e *handshakeError) Error() string              { return e.trouble }
func (e *handshakeError) Unwrap() error              { return e.err }
func (e *handshakeError) GRPCStatus() *status.Status { return status.Convert(e.err) }

// unary gives the error of a request its cause, as far as that is TLS.
func (h *handshakes) unary(next grpc.UnaryClientInterceptor) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return next(ctx, method, req, reply, cc, func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if trouble := h.last(); trouble != "" && status.Code(err) == codes.Unavailable {
				return &handshakeError{trouble, err}
			}
			return err
		}, opts...)
	}
}
