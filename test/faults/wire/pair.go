package wire

import (
	"io"
	"net"
	"sync"
)

// gate is what everything between clients and the proxy passes; while it is
// shut, nothing does.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed when the gate opens; nil: it is open
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened == nil {
		g.opened = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.opened != nil {
		close(g.opened)
		g.opened = nil
	}
}

// wait waits until the gate is open, or the connection is closed.
func (g *gate) wait(closed <-chan struct{}) {
	g.mu.Lock()
	opened := g.opened
	g.mu.Unlock()
	if opened == nil {
		return
	}
	select {
	case <-opened:
	case <-closed:
	}
}

// gated is a client's connection behind the gate. What comes while it is shut
// is taken when it opens, the end of the connection too.
type gated struct {
	*net.TCPConn
	gate   *gate
	closed chan struct{}
	once   sync.Once
}

func (c *gated) Read(b []byte) (int, error) {
	n, err := c.TCPConn.Read(b)
	c.gate.wait(c.closed)
	return n, err
}

func (c *gated) Write(b []byte) (int, error) {
	c.gate.wait(c.closed)
	return c.TCPConn.Write(b)
}

func (c *gated) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.TCPConn.Close()
}

// pair is a client's connection and the one to the member.
type pair struct {
	down *gated
	up   net.Conn
}

// close ends both connections.
func (p *pair) close() {
	_ = p.down.Close() // an error says that it is closed
	_ = p.up.Close()
}

// sever breaks the client's connection, as a reset by the network does.
func (p *pair) sever() {
	_ = p.down.SetLinger(0) // an error says that it is closed
	_ = p.down.Close()
}

// splice passes on what comes, as it is, until one side ends.
func (p *pair) splice(in io.Reader) {
	var passing sync.WaitGroup
	passing.Go(func() {
		_, _ = io.Copy(p.up, in)
		p.close()
	})
	_, _ = io.Copy(p.down, p.up)
	p.close()
	passing.Wait()
}
