package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	lookupWithin = 2 * time.Second // one question to the name service
	lookupHolds  = time.Minute     // for so long its answer is not asked for again
)

// Place is where a process runs, and the lock of the member there. Its methods may
// be called from several goroutines.
type Place struct {
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	own    func(netip.Addr) bool

	mu     sync.Mutex
	known  map[string]resolved
	locked cluster.MemberID // 0: none
	lock   net.Listener
}

type resolved struct {
	at    time.Time
	addrs []netip.Addr
	err   error
}

// Here returns the place of this process.
func Here() *Place {
	return &Place{
		lookup: func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		},
		own:   isOwn,
		known: map[string]resolved{},
	}
}

// isOwn reports that an address is one of this host's: then the system chooses it
// as the source of what is sent to it. Nothing is sent.
func isOwn(a netip.Addr) bool {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 9)))
	if err != nil {
		return false
	}
	defer conn.Close()
	from, ok := conn.LocalAddr().(*net.UDPAddr)
	return ok && from.AddrPort().Addr().Unmap() == a.Unmap()
}

// ErrTaken: another process on this host is the one next to the member.
var ErrTaken = errors.New("another etcd-watchdog process on this host works next to this member")

// Beside reports why this process is not the one next to the local member, or nil:
// an address of the member's peer URLs is one of this host's, and no other process
// here holds the lock of that member. Loopback addresses count only if every
// voter's peer URLs have nothing else. ErrTaken if only the lock is missing.
func (p *Place) Beside(v cluster.View) error {
	if err := p.Near(v); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.take(v.Local)
}

// Near is Beside without the lock.
func (p *Place) Near(v cluster.View) error {
	local, listed := v.Member(v.Local)
	if !listed {
		return errors.New("the member behind etcd.endpoint is not known yet")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	loopback := p.allLoopback(v)
	for _, host := range peerHosts(local) {
		addrs, err := p.resolve(v.At, host)
		if err != nil {
			return fmt.Errorf("the address of its peer URL %s is not known: %w", host, err)
		}
		if slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.IsLoopback() && loopback || !a.IsLoopback() && p.own(a) }) {
			return nil
		}
	}
	return fmt.Errorf("its peer URLs (%s) name no address of this host", strings.Join(local.PeerURLs, ", "))
}

// peerHosts returns the hosts of a member's peer URLs.
func peerHosts(m cluster.Member) []string {
	var hosts []string
	for _, peer := range m.PeerURLs {
		if u, err := url.Parse(peer); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// allLoopback reports that the peer URLs of every voter are on the loopback
// interface: then all members run on one host, which is this one.
func (p *Place) allLoopback(v cluster.View) bool {
	for _, m := range v.Voters() {
		hosts := peerHosts(m)
		if len(hosts) == 0 {
			return false
		}
		for _, host := range hosts {
			addrs, err := p.resolve(v.At, host)
			if err != nil || slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !a.IsLoopback() }) {
				return false
			}
		}
	}
	return true
}

// resolve returns the addresses of a host.
func (p *Place) resolve(now time.Time, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a.Unmap()}, nil
	}
	if r, ok := p.known[host]; ok && now.Sub(r.at) < lookupHolds {
		return r.addrs, r.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupWithin)
	defer cancel()
	addrs, err := p.lookup(ctx, host)
	p.known[host] = resolved{now, addrs, err}
	return addrs, err
}

// take takes the lock of a member, and lets go of that of another one.
func (p *Place) take(id cluster.MemberID) error {
	if p.lock != nil && p.locked == id {
		return nil
	}
	p.release()
	lock, err := net.Listen("unix", "@etcd-watchdog/"+id.String())
	if errors.Is(err, syscall.EADDRINUSE) {
		return ErrTaken
	}
	if err != nil {
		return fmt.Errorf("the lock of this host cannot be taken: %w", err)
	}
	p.lock, p.locked = lock, id
	return nil
}

func (p *Place) release() {
	if p.lock != nil {
		_ = p.lock.Close() // the process is not next to that member any more
		p.lock, p.locked = nil, 0
	}
}

// Close lets go of the lock.
func (p *Place) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.release()
}
