package realetcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"
)

// Balancer is one address in front of several: a TCP load balancer. It forwards
// each connection to the next address in turn, and ends it after a given time,
// so that its client reconnects to another one.
type Balancer struct {
	addresses []string
	lifetime  time.Duration
	listener  net.Listener
	serving   sync.WaitGroup
	ctx       context.Context // until Close
	stop      context.CancelFunc

	mu       sync.Mutex
	accepted int
}

// StartBalancer begins to listen on a free port of loopback and to forward to
// those client URLs, such as the Endpoints of a cluster.
func StartBalancer(clientURLs []string, lifetime time.Duration) (*Balancer, error) {
	b := &Balancer{lifetime: lifetime}
	for _, u := range clientURLs {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Port() == "" {
			return nil, fmt.Errorf("balance: %q is not SCHEME://HOST:PORT", u)
		}
		b.addresses = append(b.addresses, parsed.Host)
	}
	if len(b.addresses) == 0 || lifetime <= 0 {
		return nil, fmt.Errorf("balance: %d addresses, connections of %v: both must be above 0", len(b.addresses), lifetime)
	}
	listener, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return nil, fmt.Errorf("balance: %w", err)
	}
	b.listener = listener
	b.ctx, b.stop = context.WithCancel(context.Background())
	b.serving.Go(b.accept)
	return b, nil
}

// URL is where clients find it.
func (b *Balancer) URL() string { return "http://" + b.listener.Addr().String() }

// Accepted is the number of connections so far.
func (b *Balancer) Accepted() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accepted
}

// Close ends every connection.
func (b *Balancer) Close() error {
	b.stop()
	err := b.listener.Close()
	b.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (b *Balancer) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		b.mu.Lock()
		address := b.addresses[b.accepted%len(b.addresses)]
		b.accepted++
		b.mu.Unlock()
		b.serving.Go(func() { b.forward(conn, address) })
	}
}

// forward passes bytes both ways until one side ends, or the time is over.
func (b *Balancer) forward(down net.Conn, address string) {
	ctx, cancel := context.WithTimeout(b.ctx, b.lifetime)
	defer cancel()
	var dialer net.Dialer
	up, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		_ = down.Close() // as a balancer does that has no healthy address
		return
	}
	var passing sync.WaitGroup
	for _, way := range [][2]net.Conn{{down, up}, {up, down}} {
		passing.Go(func() {
			defer cancel()
			_, _ = io.Copy(way[0], way[1])
		})
	}
	<-ctx.Done()
	_, _ = down.Close(), up.Close() // errors say that they are closed
	passing.Wait()
}
