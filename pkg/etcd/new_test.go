package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// write makes a file and returns its name.
func write(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNewRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for name, tc := range map[string]struct {
		change func(*etcd.Options)
		says   string
	}{
		"an endpoint without scheme": {func(o *etcd.Options) { o.Endpoint = "127.0.0.1:2379" }, "endpoint: "},
		"an endpoint without port":   {func(o *etcd.Options) { o.Endpoint = "http://127.0.0.1" }, "has no port"},
		"a socket":                   {func(o *etcd.Options) { o.Endpoint = "unix:///run/etcd" }, "is a Unix socket, which etcd-watchdog does not support"},
		"an IPv6 address, bare":      {func(o *etcd.Options) { o.Endpoint = "http://::1" }, "stands in brackets"},
		"keepalive too often":        {func(o *etcd.Options) { o.KeepAliveTime = time.Second }, "keepalive-time has to be 10s or more"},
		"keepalive too patient":      {func(o *etcd.Options) { o.KeepAliveTimeout = 9 * time.Second }, "8s or less"},
		"a metrics address":          {func(o *etcd.Options) { o.MetricsURL = "here" }, "metrics-url: "},
		"no authority file":          {func(o *etcd.Options) { o.CACert = missing }, "cacert: "},
		"an empty authority file":    {func(o *etcd.Options) { o.CACert = write(t, "") }, "no certificate in"},
		"a certificate without key":  {func(o *etcd.Options) { o.Cert = missing }, "set both"},
		"no certificate file":        {func(o *etcd.Options) { o.Cert, o.Key = missing, missing }, "cert and key: "},
		"a user without password":    {func(o *etcd.Options) { o.User = "root" }, "set both"},
		"a password without user":    {func(o *etcd.Options) { o.PasswordFile = write(t, "x") }, "set both"},
		"no password file":           {func(o *etcd.Options) { o.User, o.PasswordFile = "root", missing }, "password-file: "},
		"an empty password":          {func(o *etcd.Options) { o.User, o.PasswordFile = "root", write(t, "\r\nx") }, "is empty"},
		"no patience":                {func(o *etcd.Options) { o.RequestTimeout = 0 }, "above 0"},
	} {
		opts := etcd.DefaultOptions()
		tc.change(&opts)
		if _, err := etcd.New(opts); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: error %v, want one that says %q", name, err, tc.says)
		}
	}
}

func TestNewNeedsNoServer(t *testing.T) {
	c := open(t, deadURL(t), as(t, "root", "word"))
	if view := observe(t, c); !strings.Contains(view.Problem, "connection refused") {
		t.Errorf("problem %q", view.Problem)
	}
	if n := len(c.Clients()); n != 1 {
		t.Errorf("%d clients, want the one of the endpoint", n)
	}
}

// selfSigned makes a certificate for that host that is its own authority.
func selfSigned(t *testing.T, host string, until time.Time) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "fake"},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, write(t, string(text))
}

func TestTLSProblemsInWords(t *testing.T) {
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	for name, tc := range map[string]struct {
		host  string
		until time.Time
		trust bool
		plain bool
		says  string
	}{
		"expired":                 {"127.0.0.1", yesterday, true, false, "expired on " + yesterday.UTC().Format("2006-01-02")},
		"unknown authority":       {"127.0.0.1", tomorrow, false, false, "an authority that cacert does not hold"},
		"another address":         {"127.0.0.2", tomorrow, true, false, "does not name that host"},
		"a name, not the address": {"etcd.example", tomorrow, true, false, "does not name that host"},
		"no TLS at all":           {"127.0.0.1", tomorrow, true, true, "does not speak TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			certificate, authority := selfSigned(t, tc.host, tc.until)
			if !tc.trust {
				_, authority = selfSigned(t, tc.host, tc.until)
			}
			u := "https://" + strings.TrimPrefix(startFake(t, 0xa).url, "http://")
			if !tc.plain {
				u = "https://" + answerTLS(t, certificate)
			}
			view := observe(t, open(t, u, func(o *etcd.Options) { o.CACert = authority }))
			if !strings.Contains(view.Problem, tc.says) || !strings.Contains(view.Problem, u) {
				t.Errorf("problem %q, want %q at %s", view.Problem, tc.says, u)
			}
		})
	}
}

// answerTLS does TLS handshakes and nothing else, and returns where.
func answerTLS(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_ = c.(*tls.Conn).Handshake()
			_ = c.Close()
		}
	}()
	return listener.Addr().String()
}
