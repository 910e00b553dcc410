package realetcd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// Silent is a client URL that accepts connections, reads what is sent, and
// never answers: a hung process, or a firewall in front of one.
type Silent struct {
	listener net.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	accepted int
	open     map[net.Conn]bool
}

// ListenSilent begins to listen on a free port of that address of loopback, such
// as 127.0.0.1. (etcd sorts the client URLs of a member: 127.0.0.10 comes first.)
func ListenSilent(host string) (*Silent, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("a silent client URL: %w", err)
	}
	s := &Silent{listener: listener, open: map[net.Conn]bool{}}
	s.serving.Go(s.accept)
	return s, nil
}

// URL is where it listens.
func (s *Silent) URL() string { return "http://" + s.listener.Addr().String() }

// Accepted is the number of connections so far.
func (s *Silent) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Close ends every connection.
func (s *Silent) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	for conn := range s.open {
		_ = conn.Close() // an error says that it is closed
	}
	s.mu.Unlock()
	s.serving.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Silent) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		if s.closed {
			_ = conn.Close()
		}
		s.accepted++
		s.open[conn] = true
		s.mu.Unlock()
		s.serving.Go(func() {
			_, _ = io.Copy(io.Discard, conn) // until either end closes it
			_ = conn.Close()
			s.mu.Lock()
			delete(s.open, conn)
			s.mu.Unlock()
		})
	}
}
