package realetcd

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// Ports are taken below the range from which systems hand out ports for
// outgoing connections, so that a member that is down finds its port free when
// it starts again.
const (
	firstPort = 20000
	lastPort  = 32000
)

// port is a TCP port on loopback that no other cluster of any process uses, as
// long as its lock is held.
type port struct {
	number int
	lock   *os.File
}

const loopback = "127.0.0.1"

func (p *port) address() string { return p.at(loopback) }

func (p *port) at(host string) string { return net.JoinHostPort(host, strconv.Itoa(p.number)) }

func (p *port) url(scheme, host string) string { return scheme + "://" + p.at(host) }

// release gives the port back. The lock's file stays: to remove it could take
// it from under another process that is about to lock it.
func (p *port) release() error { return p.lock.Close() }

// reservePort finds a free port and locks it against other clusters.
func reservePort() (*port, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("etcd-watchdog-ports-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	for range 1000 {
		number := firstPort + rand.IntN(lastPort-firstPort)
		p, err := lockPort(dir, number)
		if err != nil {
			return nil, fmt.Errorf("reserve port %d: %w", number, err)
		}
		if p != nil {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no free port on 127.0.0.1 between %d and %d", firstPort, lastPort)
}

// lockPort returns nil without an error where the port is somebody else's.
func lockPort(dir string, number int) (*port, error) {
	lock, err := os.OpenFile(filepath.Join(dir, strconv.Itoa(number)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	p := &port{number: number, lock: lock}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if err == syscall.EWOULDBLOCK {
			return nil, nil
		}
		return nil, err
	}
	listener, err := net.Listen("tcp", p.address())
	if err != nil {
		return nil, p.release() // in use by something that knows no locks
	}
	if err := listener.Close(); err != nil {
		return nil, err
	}
	return p, nil
}
