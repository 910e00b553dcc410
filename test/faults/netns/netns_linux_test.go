package netns_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/netns"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

const (
	patience = 20 * time.Second
	silence  = 500 * time.Millisecond // long enough to see that nothing passes
)

func hosts(t *testing.T, n *netns.Net, count int) []*netns.Host {
	t.Helper()
	var all []*netns.Host
	for i := range count {
		h, err := n.Host(i)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, h)
	}
	return all
}

// echo answers on the host with what comes, and returns where.
func echo(t *testing.T, h *netns.Host) string {
	t.Helper()
	l, err := h.Listen(net.JoinHostPort(h.Address(), "7"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

type dialler interface {
	Dial(ctx context.Context, address string) (net.Conn, error)
}

// connects reports whether a connection can be opened in that time. One that is
// refused, instead of left without an answer, fails the test.
func connects(t *testing.T, from dialler, address string, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	conn, err := from.Dial(ctx, address)
	var timeout net.Error
	if err != nil && !errors.As(err, &timeout) || timeout != nil && !timeout.Timeout() {
		t.Errorf("connect to %s: %v, want silence", address, err)
	}
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}

// answers reports whether a byte comes back on the connection in that time.
func answers(conn net.Conn, within time.Duration) bool {
	_ = conn.SetDeadline(time.Now().Add(within))
	if _, err := conn.Write([]byte{1}); err != nil {
		return false
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err == nil
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestCut(t *testing.T) {
	n := netns.Start(t)
	h := hosts(t, n, 3)
	a, b, c := echo(t, h[0]), echo(t, h[1]), echo(t, h[2])
	for name, cut := range map[string]func(a, b *netns.Host) error{"both ways": n.Cut, "one way": n.CutOneWay} {
		t.Run(name, func(t *testing.T) {
			conn, err := h[0].Dial(t.Context(), b)
			must(t, err)
			defer conn.Close()
			if !answers(conn, patience) {
				t.Fatal("no answer while nothing is cut")
			}
			must(t, errors.Join(cut(h[0], h[1]), cut(h[0], h[1])))
			if answers(conn, silence) {
				t.Error("the connection goes on")
			}
			if connects(t, h[0], b, silence) || connects(t, h[1], a, silence) {
				t.Error("a new connection is possible")
			}
			for _, other := range []struct {
				from dialler
				to   string
			}{{h[0], c}, {h[1], c}, {h[2], a}, {h[2], b}, {n, a}, {n, b}} {
				if !connects(t, other.from, other.to, patience) {
					t.Errorf("no connection to %s, which is not cut off", other.to)
				}
			}
			must(t, n.Heal())
			if !connects(t, h[0], b, patience) || !connects(t, h[1], a, patience) {
				t.Error("no connection after Heal")
			}
			_ = conn.SetDeadline(time.Now().Add(patience))
			if _, err := io.ReadFull(conn, make([]byte, 1)); err != nil {
				t.Errorf("what was sent meanwhile is lost: %v", err)
			}
		})
	}
}

// TestOneWayIsOneWay sends what needs no answer.
func TestOneWayIsOneWay(t *testing.T) {
	n := netns.Start(t)
	h := hosts(t, n, 2)
	arrives := func(from, to int) bool {
		l, err := h[to].ListenPacket(net.JoinHostPort(h[to].Address(), "9"))
		must(t, err)
		defer l.Close()
		target, err := net.ResolveUDPAddr("udp", l.LocalAddr().String())
		must(t, err)
		s, err := h[from].ListenPacket(net.JoinHostPort(h[from].Address(), "0"))
		must(t, err)
		defer s.Close()
		_, err = s.WriteTo([]byte{1}, target)
		must(t, err)
		_ = l.SetReadDeadline(time.Now().Add(silence))
		_, _, err = l.ReadFrom(make([]byte, 1))
		return err == nil
	}
	must(t, n.CutOneWay(h[0], h[1]))
	if arrives(0, 1) || !arrives(1, 0) {
		t.Error("want that only what the first sends to the second is lost")
	}
}

func TestNothingIsLeft(t *testing.T) {
	links := func() string {
		out, err := exec.Command("ip", "-o", "link").Output()
		must(t, err)
		return string(out)
	}
	n := netns.Start(t)
	before := links()
	h := hosts(t, n, 2)
	sleeper := exec.Command("sleep", "1000")
	must(t, h[0].Start(sleeper))
	there, err := os.Readlink("/proc/" + pid(sleeper) + "/ns/net")
	must(t, err)
	here, err := os.Readlink("/proc/self/ns/net")
	must(t, err)
	if there == here {
		t.Error("the command runs in the namespace of the test")
	}
	if got := links(); got != before {
		t.Errorf("outside there are now these links:\n%s", got)
	}
	must(t, sleeper.Process.Kill())
	_ = sleeper.Wait()
	must(t, n.Close())
	for _, pattern := range []string{"/proc/self/task/*/ns/net", "/proc/self/fd/*"} {
		paths, err := filepath.Glob(pattern)
		must(t, err)
		for _, path := range paths {
			if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, "net:[") && target != here {
				t.Errorf("%s is still %s", path, target)
			}
		}
	}
}

func TestClusterOnHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	n := netns.Start(t)
	cfg := realetcd.Config{Line: realetcd.MustLine(t, "3.7"), Members: 3, Args: []string{"--unsafe-no-fsync"}}
	n.Place(&cfg)
	c := realetcd.Start(t, cfg)
	h := hosts(t, n, 3)
	leader := func(i int) uint64 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, err := c.Client(i).Status(ctx, c.Member(i).ClientURL)
		if err != nil {
			return 0
		}
		return status.Leader
	}
	must(t, errors.Join(n.Cut(h[0], h[1]), n.Cut(h[0], h[2])))
	realetcd.Eventually(t, patience, "two to go on without the third", func() (bool, string) {
		return leader(0) == 0 && leader(1) != 0 && leader(1) != c.Member(0).ID(), "not yet"
	})
	must(t, n.Heal())
	realetcd.Eventually(t, patience, "the third to come back", func() (bool, string) {
		return leader(0) != 0 && leader(0) == leader(1), "not yet"
	})
}

func pid(cmd *exec.Cmd) string { return strconv.Itoa(cmd.Process.Pid) }
