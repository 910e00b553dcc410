package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// authority issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

var serial atomic.Int64

func issue(t *testing.T, template, parent *x509.Certificate, signer *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		parent, signer = template, key
	}
	template.SerialNumber = big.NewInt(serial.Add(1))
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, key
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	cert, key := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, nil)
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})}
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// pair issues a certificate, good from one time to another, for 127.0.0.1.
func (a authority) pair(t *testing.T, from, until time.Time, usage x509.ExtKeyUsage) tls.Certificate {
	t.Helper()
	cert, key := issue(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "leaf"}, NotBefore: from, NotAfter: until, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, DNSNames: []string{"etcd.example"},
	}, a.cert, a.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

func (a authority) server(t *testing.T) tls.Certificate {
	return a.pair(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), x509.ExtKeyUsageServerAuth)
}

// files writes a pair to two files.
func files(t *testing.T, pair tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return write(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))),
		write(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// mute is a connection that can lose everything that is written to it, as a
// connection that breaks loses the alert of TLS 1.3.
type mute struct {
	net.Conn
	silent atomic.Bool
}

func (m *mute) Write(b []byte) (int, error) {
	if m.silent.Load() {
		return len(b), nil
	}
	return m.Conn.Write(b)
}

// muteListener accepts connections that are muted, and reset, once the client's
// certificate is refused.
type muteListener struct {
	net.Listener
	conf *tls.Config
}

func (l muteListener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		quiet := &mute{Conn: raw}
		conf := l.conf.Clone()
		conf.ClientAuth = tls.RequireAnyClientCert
		conf.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error {
			quiet.silent.Store(true)
			return errors.New("refused")
		}
		_ = tls.Server(quiet, conf).Handshake()
		_ = raw.(*net.TCPConn).SetLinger(0)
		_ = raw.Close()
	}
}

// Whatever the server does with the connection, and whether or not its alert
// arrives, the own certificate tells why it was refused, with dates: at the first
// try, ten times of ten.
func TestRefusedClientCertificateIsNamedEachTime(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	now := time.Now()
	ca := write(t, string(ours.pem))
	day := func(d time.Time) string { return d.UTC().Format("2006-01-02 15:04") }
	past, future := now.Add(-24*time.Hour), now.Add(24*time.Hour)
	for name, tc := range map[string]struct {
		pair *tls.Certificate
		says string
	}{
		"none":                 {nil, "asks for a client certificate: set cert and key"},
		"expired":              {pairOf(ours.pair(t, past.Add(-time.Hour), past, x509.ExtKeyUsageClientAuth)), "which expired on " + day(past)},
		"not yet valid":        {pairOf(ours.pair(t, future, future.Add(time.Hour), x509.ExtKeyUsageClientAuth)), "is not valid before " + day(future)},
		"of another authority": {pairOf(other.pair(t, past, future, x509.ExtKeyUsageClientAuth)), "which CN=other issued: use one of the authority that etcd's trusted-ca-file holds (CN=ours)"},
		"for servers":          {pairOf(ours.pair(t, past, future, x509.ExtKeyUsageServerAuth)), "is not for clients"},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			for _, lost := range []bool{false, true} {
				t.Run(name+" "+tls.VersionName(version)+map[bool]string{false: " alert arrives", true: " alert lost"}[lost], func(t *testing.T) {
					listener, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					conf := &tls.Config{Certificates: []tls.Certificate{ours.server(t)}, NextProtos: []string{"h2"}, MinVersion: version, MaxVersion: version,
						ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool()}
					if lost {
						listener = muteListener{listener, conf}
					} else {
						listener = tls.NewListener(listener, conf)
					}
					u := serveFake(t, 0xa, "https", listener).url
					change := func(o *etcd.Options) { o.CACert = ca }
					if tc.pair != nil {
						cert, key := files(t, *tc.pair)
						change = func(o *etcd.Options) { o.CACert, o.Cert, o.Key = ca, cert, key }
					}
					for try := range 10 {
						if got := observe(t, open(t, u, change)).Problem; !strings.Contains(got, tc.says) || !strings.HasPrefix(got, u) {
							t.Errorf("try %d: %q, want %q", try, got, tc.says)
						}
					}
				})
			}
		}
	}
}

func pairOf(c tls.Certificate) *tls.Certificate { return &c }

// A server that ends a good connection, or hangs up before it asks for anything,
// is not said to refuse the certificate.
func TestAGoodCertificateIsNotBlamed(t *testing.T) {
	ours := newAuthority(t, "ours")
	cert, key := files(t, ours.pair(t, time.Now().Add(-time.Hour), time.Now().Add(time.Hour), x509.ExtKeyUsageClientAuth))
	ca := write(t, string(ours.pem))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ours.server(t)}, NextProtos: []string{"h2"},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ours.pool()})
	if err != nil {
		t.Fatal(err)
	}
	f := serveFake(t, 0xa, "https", listener)
	c := open(t, f.url, func(o *etcd.Options) { o.CACert, o.Cert, o.Key = ca, cert, key })
	if got := observe(t, c).Problem; got != "" {
		t.Fatalf("problem %q", got)
	}
	f.server.Stop()
	if got := observe(t, c); strings.Contains(got.Problem, "certificate") || strings.Contains(got.Members[0].Problem, "certificate") {
		t.Errorf("after the server ended: %+v", got)
	}
}

// secureFake is a fake member whose certificate can be changed.
func secureFake(t *testing.T, host string, first *tls.Config) (*fakeMember, *atomic.Pointer[tls.Config]) {
	t.Helper()
	var conf atomic.Pointer[tls.Config]
	conf.Store(first)
	listener, err := tls.Listen("tcp", net.JoinHostPort(host, "0"), &tls.Config{
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return conf.Load(), nil },
		Certificates:       first.Certificates,
	})
	if err != nil {
		t.Skipf("no listener on %s: %v", host, err)
	}
	return serveFake(t, 0xa, "https", listener), &conf
}

func serves(certificate tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}}
}

// The authority is read again for every new connection, as it is at that time. A
// file that is half written leaves the earlier one in force.
func TestTheAuthorityIsReadAgain(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	f, conf := secureFake(t, "127.0.0.1", serves(before.server(t)))
	ca := filepath.Join(t.TempDir(), "ca.pem")
	put := func(text []byte) {
		t.Helper()
		if err := errors.Join(os.WriteFile(ca+".new", text, 0o600), os.Rename(ca+".new", ca)); err != nil {
			t.Fatal(err)
		}
	}
	put(before.pem)
	long := open(t, f.url, func(o *etcd.Options) { o.CACert = ca })
	expect := func(c *etcd.Cluster, when, want string) {
		t.Helper()
		if got := observe(t, c).Problem; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: problem %q, want %q", when, got, want)
		}
	}
	expect(long, "at the start", "")

	put([]byte("half a fi"))
	short := openLater(t, f.url, ca, put, before.pem)
	put([]byte("half a fi"))
	expect(long, "with a broken file, on the open connection", "")
	expect(short, "with a broken file, on a new connection", "")

	conf.Store(serves(after.server(t)))
	put(before.pem)
	fresh := open(t, f.url, func(o *etcd.Options) { o.CACert = ca })
	expect(fresh, "after the servers were rotated", "an authority that cacert does not hold (CN=after)")
	put([]byte("half a fi"))
	observeUntil(t, fresh, "the broken file to be named", func(v cluster.View) bool {
		return strings.Contains(v.Problem, "judged by an earlier cacert, since cacert: no certificate in "+ca)
	})
	put(after.pem)
	observeUntil(t, fresh, "the new authority to be used, without a restart", func(v cluster.View) bool { return v.Problem == "" })
	expect(long, "on the connection that was open all the time", "")
}

// openLater opens a Cluster while the file is whole, and makes no connection.
func openLater(t *testing.T, u, ca string, put func([]byte), whole []byte) *etcd.Cluster {
	t.Helper()
	put(whole)
	return open(t, u, func(o *etcd.Options) { o.CACert = ca })
}

// Members that are known by an address, IPv6 too, by a name, and behind one name.
func TestServerNames(t *testing.T) {
	ours := newAuthority(t, "ours")
	ca := write(t, string(ours.pem))
	for _, host := range []string{"127.0.0.1", "::1"} {
		f, _ := secureFake(t, host, serves(ours.server(t)))
		if got := observe(t, open(t, f.url, func(o *etcd.Options) { o.CACert = ca })).Problem; got != "" {
			t.Errorf("%s: %q", f.url, got)
		}
		named := strings.Replace(f.url, "127.0.0.1", "localhost", 1)
		if named == f.url {
			continue
		}
		if got := observe(t, open(t, named, func(o *etcd.Options) { o.CACert = ca })).Problem; !strings.Contains(got, "does not name that host but etcd.example, 127.0.0.1, ::1: ") {
			t.Errorf("%s: %q", named, got)
		}
		if got := observe(t, open(t, named, func(o *etcd.Options) { o.CACert, o.ServerName = ca, "etcd.example" })).Problem; got != "" {
			t.Errorf("%s with tls-server-name: %q", named, got)
		}
		if got := observe(t, open(t, f.url, func(o *etcd.Options) { o.CACert, o.ServerName = ca, "other.example" })).Problem; !strings.Contains(got, "does not name other.example but") {
			t.Errorf("with a wrong tls-server-name: %q", got)
		}
	}
}

// Each alert that is not about certificates has a cause of its own.
func TestOtherAlerts(t *testing.T) {
	ours := newAuthority(t, "ours")
	ca := write(t, string(ours.pem))
	old := serves(ours.server(t))
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	web := serves(ours.server(t))
	web.NextProtos = []string{"http/1.1"}
	for name, tc := range map[string]struct {
		conf *tls.Config
		says string
	}{
		"TLS 1.1 alone": {old, "no version of TLS in common"},
		"no gRPC":       {web, "speaks TLS but not gRPC"},
	} {
		f, _ := secureFake(t, "127.0.0.1", tc.conf)
		if got := observe(t, open(t, f.url, func(o *etcd.Options) { o.CACert = ca })).Problem; !strings.Contains(got, tc.says) {
			t.Errorf("%s: %q, want %q", name, got, tc.says)
		}
	}
}
