package etcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"
)

// A certificate lasts as long as the authority that it rests on, and has to
// name the host.
func TestJudgeCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	issue := func(c, by *x509.Certificate) *x509.Certificate {
		c.SerialNumber, c.NotBefore = big.NewInt(1), now.Add(-time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, c, by, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		c, err = x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	template := &x509.Certificate{NotAfter: now.Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	authority := issue(template, template)
	leaf := issue(&x509.Certificate{NotAfter: now.Add(48 * time.Hour), DNSNames: []string{"a"}}, authority)
	roots := x509.NewCertPool()
	roots.AddCert(authority)

	if got := judgeCertificate([]*x509.Certificate{leaf}, roots, now, "a"); got != (Certificate{ExpiresAt: authority.NotAfter}) {
		t.Errorf("a good one: %+v", got)
	}
	if got := judgeCertificate([]*x509.Certificate{leaf}, roots, now.Add(30*time.Hour), "a"); got.Untrusted != "" || !got.ExpiresAt.Equal(authority.NotAfter) {
		t.Errorf("after its authority has ended: %+v", got)
	}
	if got := judgeCertificate([]*x509.Certificate{leaf}, roots, now, "b"); got.WrongName == "" || got.Untrusted != "" {
		t.Errorf("of another host: %+v", got)
	}
	if got := judgeCertificate([]*x509.Certificate{leaf}, x509.NewCertPool(), now, "a"); got.Untrusted == "" || got.WrongName != "" {
		t.Errorf("of another authority: %+v", got)
	}
}
