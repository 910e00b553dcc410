package host

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// place is one whose own address is 10.0.0.1, and that knows a few names.
func place() *Place {
	p := Here()
	p.own = func(a netip.Addr) bool { return a.String() == "10.0.0.1" || a.String() == "fd00::1" }
	p.lookup = func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "here":
			return []netip.Addr{netip.MustParseAddr("10.0.0.9"), netip.MustParseAddr("10.0.0.1")}, nil
		case "localhost":
			return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
		case "there":
			return []netip.Addr{netip.MustParseAddr("10.0.0.2")}, nil
		}
		return nil, errors.New("no such host")
	}
	return p
}

// view is a cluster whose local member is the first of these, by its peer URL.
func view(peers ...string) cluster.View {
	// No other test, and no other process, is next to a member of that id.
	v := cluster.View{At: time.Unix(1e9, 0), Local: cluster.MemberID(uint64(os.Getpid())<<20 + 1)}
	for i, peer := range peers {
		m := cluster.Member{ID: v.Local + cluster.MemberID(i)}
		if peer != "" {
			m.PeerURLs = strings.Split(peer, " ")
		}
		v.Members = append(v.Members, m)
	}
	return v
}

func TestNear(t *testing.T) {
	for _, tt := range []struct {
		peers []string
		near  bool
		why   string
	}{
		{[]string{"http://10.0.0.1:2380", "http://10.0.0.2:2380"}, true, ""},
		{[]string{"https://[fd00::1]:2380", "http://10.0.0.2:2380"}, true, ""},
		{[]string{"http://10.0.0.7:2380 http://here:2380", "http://10.0.0.2:2380"}, true, ""},
		{[]string{"http://10.0.0.2:2380", "http://10.0.0.1:2380"}, false, "no address of this host"},
		{[]string{"http://there:2380"}, false, "no address of this host"},
		{[]string{"http://nowhere:2380"}, false, "no such host"},
		{[]string{""}, false, "no address of this host"},
		{nil, false, "not known yet"},
		{[]string{"http://127.0.0.1:2380", "http://127.0.0.1:2381", "http://[::1]:2382"}, true, ""},
		{[]string{"http://localhost:2380", "http://localhost:2381"}, true, ""},
		// A forwarded port, or a URL that every member has, proves nothing.
		{[]string{"http://127.0.0.1:2380", "http://10.0.0.2:2380"}, false, "no address of this host"},
		{[]string{"http://127.0.0.1:2380", ""}, false, "no address of this host"},
	} {
		t.Run(fmt.Sprint(tt.peers), func(t *testing.T) {
			err := place().Near(view(tt.peers...))
			if (err == nil) != tt.near || err != nil && !strings.Contains(err.Error(), tt.why) {
				t.Errorf("%v; want near %t, %q", err, tt.near, tt.why)
			}
		})
	}
}

// One process of a host is next to a member, and the next one when that has ended.
func TestOneProcessIsNextToAMember(t *testing.T) {
	first, second := place(), place()
	defer first.Close()
	defer second.Close()
	v := view("http://10.0.0.1:2380", "http://10.0.0.1:2381")
	for range 2 {
		if err := first.Beside(v); err != nil {
			t.Fatal(err)
		}
		if err := second.Beside(v); !errors.Is(err, ErrTaken) {
			t.Fatalf("two processes are next to one member: %v", err)
		}
	}
	other := v
	other.Local++
	if err := second.Beside(other); err != nil {
		t.Errorf("another member has a lock of its own: %v", err)
	}
	first.Close()
	if err := second.Beside(v); err != nil {
		t.Errorf("the first one has gone: %v", err)
	}
	if err := first.Beside(other); err != nil {
		t.Errorf("the second one has left that member: %v", err)
	}
}

// The name service is asked once a minute.
func TestNamesAreAskedForOnceAMinute(t *testing.T) {
	p, asked := place(), 0
	lookup := p.lookup
	p.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
		asked++
		return lookup(ctx, host)
	}
	v := view("http://here:2380")
	for range 120 {
		if err := p.Near(v); err != nil {
			t.Fatal(err)
		}
		v.At = v.At.Add(time.Second)
	}
	if asked != 2 {
		t.Errorf("asked %d times in two minutes", asked)
	}
}

func TestOwnAddresses(t *testing.T) {
	if !isOwn(netip.MustParseAddr("127.0.0.1")) {
		t.Error("127.0.0.1 is not an address of this host")
	}
	if isOwn(netip.MustParseAddr("192.0.2.1")) { // for documentation
		t.Error("192.0.2.1 is an address of this host")
	}
}
