package etcd_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

func TestAPasswordInAURLIsNotRepeated(t *testing.T) {
	for _, u := range []string{
		"http://root:hunter2@a:2379", "root:hunter2@a", "https://hunter2@a:1", "http://a:1?hunter2", "http://a:1/#hunter2",
		"http://root:hun/ter2@a:2379", "http://root:%zz-hunter2@a", "unix://root:hunter2@a", "://root:hunter2@",
	} {
		err := etcd.CheckEndpoint(u)
		if err == nil || strings.Contains(err.Error(), "hun") {
			t.Errorf("%s: %v", u, err)
		}
		for _, set := range []func(*etcd.Options){func(o *etcd.Options) { o.Endpoint = u }, func(o *etcd.Options) { o.MetricsURL = u }} {
			opts := etcd.DefaultOptions()
			set(&opts)
			if _, err := etcd.New(opts); err == nil || strings.Contains(err.Error(), "hun") {
				t.Errorf("%s: %v", u, err)
			}
		}
	}
}

func TestEndpointsOfIPv6(t *testing.T) {
	for u, want := range map[string]string{
		"http://[::1]:2379": "", "https://[fe80::1]:2379": "", "http://[::1]": "has no port", "http://::1": "http://[::1]:2379", "http://[::1:2379": "is not a client URL",
	} {
		if err := etcd.CheckEndpoint(u); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", u, err, want)
		}
	}
}

// FuzzEndpoint holds that what is accepted is a plain URL, and what is refused
// repeats nothing behind a user.
func FuzzEndpoint(f *testing.F) {
	f.Fuzz(func(t *testing.T, u string) {
		err := etcd.CheckEndpoint(u)
		if at := strings.LastIndexByte(u, '@'); at > 0 && (err == nil || len(u[:at]) > 8 && strings.Contains(err.Error(), u[:at])) {
			t.Errorf("%q: %v", u, err)
		}
		if err == nil && !strings.HasPrefix(strings.ToLower(u), "http") {
			t.Errorf("%q was accepted", u)
		}
	})
}

// serveDNS answers questions for SRV records over TCP, and returns a resolver that
// asks there alone.
func serveDNS(t *testing.T, records map[string][]dnsmessage.SRVResource) *net.Resolver {
	t.Helper()
	listener, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		packet := make([]byte, 1500)
		for {
			n, from, err := listener.ReadFrom(packet)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(packet[:n]) != nil {
				continue
			}
			m.Response, m.Additionals = true, nil
			asked := m.Questions[0]
			for _, srv := range records[asked.Name.String()] {
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: asked.Name, Type: asked.Type, Class: asked.Class, TTL: 1}, Body: &srv})
			}
			if m.Answers == nil {
				m.RCode = dnsmessage.RCodeNameError
			}
			if answer, err := m.Pack(); err == nil {
				_, _ = listener.WriteTo(answer, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", listener.LocalAddr().String())
	}}
}

func TestDiscover(t *testing.T) {
	srv := func(host string, port uint16) dnsmessage.SRVResource {
		return dnsmessage.SRVResource{Target: dnsmessage.MustNewName(host), Port: port}
	}
	dns := serveDNS(t, map[string][]dnsmessage.SRVResource{
		"_etcd-client-ssl._tcp.example.org.":      {srv("a.example.org.", 2379)},
		"_etcd-client._tcp.example.org.":          {srv("b.example.org.", 2380)},
		"_etcd-client-ssl-blue._tcp.example.org.": {srv("c.example.org.", 1)},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for name, want := range map[string][]string{"": {"https://a.example.org:2379", "http://b.example.org:2380"}, "blue": {"https://c.example.org:1"}} {
		if got, err := etcd.Discover(ctx, dns, "example.org.", name); err != nil || !slices.Equal(got, want) {
			t.Errorf("name %q: %v, %v; want %v", name, got, err, want)
		}
	}
	if got, err := etcd.Discover(ctx, dns, "example.net.", ""); err == nil || !strings.Contains(err.Error(), "_etcd-client._tcp") {
		t.Errorf("without records: %v, %v", got, err)
	}
}
