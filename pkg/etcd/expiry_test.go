package etcd_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// The ends are those of what connections rest on now: of the own files, and of what
// a member shows, though the connection to it be older than that.
func TestExpiries(t *testing.T) {
	ours := newAuthority(t, "ours") // good for two days
	now := time.Now()
	f, conf := secureFake(t, "127.0.0.1", serves(ours.pair(t, now.Add(-time.Hour), now.Add(time.Hour), x509.ExtKeyUsageServerAuth)))
	f.set(func() { f.list = []*pb.Member{{ID: 0xa, Name: "fake", ClientURLs: []string{f.url}}} })
	cert, key := files(t, ours.pair(t, now.Add(-time.Hour), now.Add(3*time.Hour), x509.ExtKeyUsageClientAuth))
	c := open(t, f.url, func(o *etcd.Options) { o.CACert, o.Cert, o.Key = write(t, string(ours.pem)), cert, key })
	if v := observe(t, c); v.Problem != "" {
		t.Fatal(v.Problem)
	}
	expect := func(when string, want map[string]time.Time) {
		t.Helper()
		got := c.Expiries(t.Context(), now)
		if len(got) != len(want) {
			t.Errorf("%s: got %+v, want %d", when, got, len(want))
		}
		for _, e := range got {
			for what, ends := range want {
				if strings.Contains(e.What, what) && e.Ends.Sub(ends).Abs() > time.Minute {
					t.Errorf("%s: %s ends at %s, want %s", when, e.What, e.Ends, ends)
				}
				if strings.Contains(e.What, what) && (e.Member == f.id()) != strings.HasPrefix(what, "https://") {
					t.Errorf("%s: %+v is of the wrong owner", when, e)
				}
			}
		}
	}
	expect("at first", map[string]time.Time{"etcd.cert": now.Add(3 * time.Hour), "etcd.cacert": now.Add(48 * time.Hour), f.url: now.Add(time.Hour)})
	conf.Store(serves(ours.pair(t, now.Add(-time.Hour), now.Add(300*24*time.Hour), x509.ExtKeyUsageServerAuth)))
	expect("renewed", map[string]time.Time{"etcd.cert": now.Add(3 * time.Hour), "etcd.cacert": now.Add(48 * time.Hour), f.url: now.Add(48 * time.Hour)}) // the authority's end
	f.server.Stop()
	expect("with the member down", map[string]time.Time{"etcd.cert": now.Add(3 * time.Hour), "etcd.cacert": now.Add(48 * time.Hour), f.url: now.Add(time.Hour)})
}
