package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// Certificate is what a server's certificate is worth to this program.
type Certificate struct {
	ExpiresAt time.Time // when the first of the certificates that it rests on ends
	Untrusted string    // why it is not trusted, its end and its names apart; empty: it is
	WrongName string    // why it is not one of the host that was asked; empty: it is
}

// Certificate asks the server at a URL for its certificate and judges it by the
// time now, without sending anything over the connection.
func (c *Cluster) Certificate(ctx context.Context, now time.Time, url string) (Certificate, error) {
	u, err := parseURL(url)
	if err != nil {
		return Certificate{}, err
	}
	var shown []*x509.Certificate
	conf := c.identity.config(nil)
	roots, name := conf.RootCAs, conf.ServerName
	if name == "" {
		name = u.Hostname()
	}
	conf.ServerName = name
	conf.InsecureSkipVerify = true // a bad one is to be looked at too; nothing is sent to it
	conf.VerifyConnection = func(state tls.ConnectionState) error {
		shown = state.PeerCertificates
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	dial := tls.Dialer{NetDialer: new(net.Dialer), Config: conf}
	connection, err := dial.DialContext(ctx, "tcp", u.Host)
	if err == nil {
		_ = connection.Close() // nothing was sent
	}
	if errors.Is(err, io.EOF) { // how etcd answers who begins with TLS where there is none
		return Certificate{}, fmt.Errorf("%s ends the connection: use http:// there, or give etcd a certificate", url)
	}
	if len(shown) == 0 {
		return Certificate{}, errors.New(problem(err, url, c.opts.RequestTimeout))
	}
	return judgeCertificate(shown, roots, now, name), nil
}

// judgeCertificate judges the first of what a server has shown; the others lead
// from it towards an authority.
func judgeCertificate(shown []*x509.Certificate, roots *x509.CertPool, now time.Time, host string) Certificate {
	leaf := shown[0]
	judged := Certificate{ExpiresAt: leaf.NotAfter}
	between := x509.NewCertPool()
	for _, c := range shown[1:] {
		between.AddCert(c)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: now})
	switch invalid, is := errors.AsType[x509.CertificateInvalidError](err); {
	case err == nil:
		judged.ExpiresAt = longest(chains)
	case is && invalid.Reason == x509.Expired && !now.Before(invalid.Cert.NotAfter):
		judged.ExpiresAt = invalid.Cert.NotAfter
	default:
		judged.Untrusted = err.Error()
	}
	if err := leaf.VerifyHostname(host); err != nil {
		judged.WrongName = err.Error()
	}
	return judged
}

// longest returns until when there is a way from a certificate to an authority.
func longest(chains [][]*x509.Certificate) time.Time {
	var longest time.Time
	for _, chain := range chains {
		ends := chain[0].NotAfter
		for _, c := range chain {
			if c.NotAfter.Before(ends) {
				ends = c.NotAfter
			}
		}
		if ends.After(longest) {
			longest = ends
		}
	}
	return longest
}

// CertificateFile returns when the first certificate of a file ends, or, of a
// file of authorities, the one that lasts longest: where an old one is replaced,
// both are there for a while.
func CertificateFile(path string, authorities bool) (time.Time, error) {
	text, err := durable.ReadNamed(path, maxPEMBytes)
	if err != nil {
		return time.Time{}, err
	}
	var ends time.Time
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("%s: %w", path, err)
		}
		if !authorities {
			return c.NotAfter, nil
		}
		if c.NotAfter.After(ends) {
			ends = c.NotAfter
		}
	}
	if ends.IsZero() {
		return time.Time{}, fmt.Errorf("no certificate in %s", path)
	}
	return ends, nil
}
