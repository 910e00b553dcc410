package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"golang.org/x/net/http2"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
)

// dialPatience bounds how long the member may take to accept a connection.
const dialPatience = 5 * time.Second

// Config says for whom a proxy stands, and what it goes by.
type Config struct {
	Name      string                // the member, as rules name it
	Member    string                // its client URL, http://HOST:PORT
	Rules     *Rules                // shared by the proxies of a cluster
	Processes func() map[string]int // process ids by the names that rules give them; nil: none
}

// Proxy stands in front of one member.
type Proxy struct {
	config   Config
	address  string // of the member
	tickets  string // the prefix of their keys
	listener net.Listener
	gate     gate
	serving  sync.WaitGroup
	ctx      context.Context // of dialling, until Close
	stop     context.CancelFunc

	mu      sync.Mutex
	pairs   map[*pair]bool
	closed  bool
	severed bool // until Heal
}

// Start begins to listen, on a port of loopback that is free, and forwards to
// the member, which need not run yet.
func Start(config Config) (*Proxy, error) {
	member, err := url.Parse(config.Member)
	if err != nil || member.Scheme != "http" || member.Port() == "" {
		return nil, fmt.Errorf("proxy for %s: %q is not http://HOST:PORT", config.Name, config.Member)
	}
	if config.Rules == nil {
		config.Rules = new(Rules)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("proxy for %s: %w", config.Name, err)
	}
	p := &Proxy{
		config:   config,
		address:  member.Host,
		tickets:  claim.DefaultOptions().Prefix + "/claim/",
		listener: listener,
		pairs:    map[*pair]bool{},
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.serving.Go(p.accept)
	return p, nil
}

// URL is where clients find the member.
func (p *Proxy) URL() string { return "http://" + p.listener.Addr().String() }

// Cut breaks every client's connection and each new one (a reset), until Heal.
// Calls that are held land all the same.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.severed = true
	for pair := range p.pairs {
		pair.sever()
	}
}

// Silence lets nothing pass, in either direction, until Heal. Connections stay,
// and new ones are accepted and hear nothing. What was sent meanwhile passes
// afterwards.
func (p *Proxy) Silence() { p.gate.shut() }

// Heal ends Cut and Silence.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.severed = false
	p.mu.Unlock()
	p.gate.open()
}

// Close ends every connection, held calls included, and returns when nothing of
// the proxy runs any more, hooks of rules included.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.mu.Lock()
	p.closed = true
	for pair := range p.pairs {
		pair.close()
	}
	p.mu.Unlock()
	p.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed: a listener on loopback has no other end
		}
		down := &gated{TCPConn: conn.(*net.TCPConn), gate: &p.gate, closed: make(chan struct{})}
		p.serving.Go(func() { p.serve(down) })
	}
}

// serve forwards one connection until it ends. Where the member can't be
// reached, the client's connection is reset: refused it can't be any more.
func (p *Proxy) serve(down *gated) {
	dialer := net.Dialer{Timeout: dialPatience}
	up, err := dialer.DialContext(p.ctx, "tcp", p.address)
	if err != nil {
		(&pair{down: down, up: down}).sever()
		return
	}
	both := &pair{down: down, up: up}
	defer both.close()
	if !p.enter(both) {
		both.sever()
		return
	}
	defer p.leave(both)
	p.forward(both)
}

func (p *Proxy) enter(both *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.severed {
		return false
	}
	p.pairs[both] = true
	return true
}

func (p *Proxy) leave(both *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.pairs, both)
}

// forward tells by the first bytes whether a client speaks HTTP/2, and so gRPC.
func (p *Proxy) forward(both *pair) {
	in := bufio.NewReader(both.down)
	if start, err := in.Peek(3); err != nil || string(start) != http2.ClientPreface[:3] {
		both.splice(in)
		return
	}
	if _, err := io.CopyN(both.up, in, int64(len(http2.ClientPreface))); err != nil {
		return
	}
	l := &link{
		proxy:   p,
		pair:    both,
		down:    newSide(both.down, in),
		up:      newSide(both.up, bufio.NewReader(both.up)),
		ended:   make(chan struct{}),
		streams: map[uint32]*stream{},
	}
	l.run()
}
