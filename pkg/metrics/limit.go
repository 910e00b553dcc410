package metrics

import (
	"net"
	"sync"
	"sync/atomic"
)

// limited is a listener that closes the connections above a number at once.
// Letting them wait would have Prometheus wait in the same queue.
type limited struct {
	net.Listener
	free atomic.Int64
}

func limit(l net.Listener, connections int64) *limited {
	to := &limited{Listener: l}
	to.free.Store(connections)
	return to
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.free.Add(-1) >= 0 {
			return &counted{Conn: c, release: sync.OnceFunc(func() { l.free.Add(1) })}, nil
		}
		l.free.Add(1)
		_ = c.Close() // nothing was read from it
	}
}

// counted is a connection that makes room for another when it is closed.
type counted struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.release()
	return c.Conn.Close()
}
