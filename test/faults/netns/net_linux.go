package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// ErrUnavailable is within the error of New where this machine can't do it.
var ErrUnavailable = errors.New("no network namespaces here")

// maxHosts is how many have a place among the addresses.
const maxHosts = 250

// Net is hosts and the router between them.
type Net struct {
	router *namespace

	mu     sync.Mutex
	hosts  []*Host
	cuts   map[way]bool
	closed bool
}

// way is one direction between two hosts.
type way struct{ from, to *Host }

// New makes a router without hosts.
func New() (*Net, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: they need root", ErrUnavailable)
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return nil, fmt.Errorf("%w: the command ip is missing (iproute2)", ErrUnavailable)
	}
	router, err := newNamespace()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	n := &Net{router: router, cuts: map[way]bool{}}
	if err := n.try(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrUnavailable, err), n.Close())
	}
	return n, nil
}

// try does once what hosts will need.
func (n *Net) try() error {
	if err := n.router.do(func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0) // of the namespace
	}); err != nil {
		return err
	}
	return n.router.ip(
		"link add try type veth peer name try-peer",
		"link del try",
		"rule add from 192.0.2.1 to 192.0.2.2 blackhole",
		"rule del from 192.0.2.1 to 192.0.2.2 blackhole")
}

// Start is New in a test, which is skipped where that can't be; closed with it.
func Start(tb testing.TB) *Net {
	tb.Helper()
	n, err := New()
	if errors.Is(err, ErrUnavailable) {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := n.Close(); err != nil {
			tb.Error(err)
		}
	})
	return n
}

// Host returns host i, from 0, and makes it and those before it if need be.
func (n *Net) Host(i int) (*Host, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, net.ErrClosed
	}
	if i >= maxHosts {
		return nil, fmt.Errorf("host %d: there is place for %d", i, maxHosts)
	}
	for len(n.hosts) <= i {
		h, err := n.newHost(len(n.hosts))
		if err != nil {
			return nil, fmt.Errorf("host %d: %w", len(n.hosts), err)
		}
		n.hosts = append(n.hosts, h)
	}
	return n.hosts[i], nil
}

func (n *Net) newHost(i int) (*Host, error) {
	ns, err := newNamespace()
	if err != nil {
		return nil, err
	}
	port, subnet := "h"+strconv.Itoa(i), fmt.Sprintf("10.98.%d", i)
	h := &Host{address: subnet + ".2", namespace: ns}
	if err := n.router.ip(
		fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, ns.path()),
		fmt.Sprintf("addr add %s.1/30 dev %s", subnet, port),
		fmt.Sprintf("link set %s up", port),
	); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	if err := ns.ip(
		fmt.Sprintf("addr add %s/30 dev eth0", h.address),
		"link set eth0 up",
		fmt.Sprintf("route add default via %s.1", subnet),
	); err != nil {
		return nil, errors.Join(err, ns.close())
	}
	return h, nil
}

// Place has a cluster run on the hosts, member i on host i.
func (n *Net) Place(cfg *realetcd.Config) {
	cfg.Host = func(i int) (realetcd.Host, error) { return n.Host(i) }
	cfg.Dial = n.Dial
}

// Dial connects from the router to a TCP address on a host. No cut is in its
// way.
func (n *Net) Dial(ctx context.Context, address string) (net.Conn, error) {
	return n.router.dial(ctx, address)
}

func (ns *namespace) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = ns.do(func() error {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
		return err
	})
	return conn, err
}

// Cut loses what either host sends to the other.
func (n *Net) Cut(a, b *Host) error { return errors.Join(n.CutOneWay(a, b), n.CutOneWay(b, a)) }

// CutOneWay loses what the first host sends to the second.
func (n *Net) CutOneWay(from, to *Host) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	w := way{from, to}
	if n.cuts[w] {
		return nil
	}
	if err := n.router.ip("rule add " + w.rule()); err != nil {
		return fmt.Errorf("cut %s off from %s: %w", from.address, to.address, err)
	}
	n.cuts[w] = true
	return nil
}

// A rule drops without a word what is passed on; a route on the host itself
// would tell the sender.
func (w way) rule() string {
	return fmt.Sprintf("from %s to %s blackhole", w.from.address, w.to.address)
}

// Heal ends every cut.
func (n *Net) Heal() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var errs []error
	for w := range n.cuts {
		if err := n.router.ip("rule del " + w.rule()); err != nil {
			errs = append(errs, fmt.Errorf("heal: %w", err))
			continue
		}
		delete(n.cuts, w)
	}
	return errors.Join(errs...)
}

// Close lets go of all hosts. What still runs on one keeps it; whoever started
// that ends it.
func (n *Net) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	errs := []error{n.router.close()}
	for _, h := range n.hosts {
		errs = append(errs, h.namespace.close())
	}
	return errors.Join(errs...)
}

// Host is one host: a network of its own with one address.
type Host struct {
	address   string
	namespace *namespace
}

var _ realetcd.Host = (*Host)(nil)

// Address is the host's IPv4 address.
func (h *Host) Address() string { return h.address }

// Start starts the command on the host. Its parent is the thread of the caller.
func (h *Host) Start(cmd *exec.Cmd) error { return h.namespace.do(cmd.Start) }

// Dial connects from the host to a TCP address.
func (h *Host) Dial(ctx context.Context, address string) (net.Conn, error) {
	return h.namespace.dial(ctx, address)
}

// Listen listens on a TCP address of the host.
func (h *Host) Listen(address string) (l net.Listener, err error) {
	err = h.namespace.do(func() error {
		l, err = net.Listen("tcp", address)
		return err
	})
	return l, err
}

// ListenPacket listens on a UDP address of the host.
func (h *Host) ListenPacket(address string) (c net.PacketConn, err error) {
	err = h.namespace.do(func() error {
		c, err = net.ListenPacket("udp", address)
		return err
	})
	return c, err
}
