package realetcd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Credentials are the files with which a client connects to a cluster that
// runs with TLS. The servers use the same pair.
type Credentials struct {
	CACert, Cert, Key string
}

// TLS returns the clients' credentials; nil if the cluster runs without TLS.
func (c *Cluster) TLS() *Credentials { return c.tls }

func (c *Cluster) clientScheme() string {
	if c.tls != nil {
		return "https"
	}
	return "http"
}

func (cr *Credentials) serverArguments() []string {
	return []string{"--client-cert-auth", "--trusted-ca-file=" + cr.CACert, "--cert-file=" + cr.Cert, "--key-file=" + cr.Key}
}

// issueCredentials makes a certificate authority and one certificate for
// 127.0.0.1 and localhost, good for servers and clients.
func (c *Cluster) issueCredentials() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "realetcd authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "root"},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the authority: %w", err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key: %w", err)
	}
	cr := &Credentials{
		CACert: filepath.Join(c.dir, "ca.pem"),
		Cert:   filepath.Join(c.dir, "cert.pem"),
		Key:    filepath.Join(c.dir, "key.pem"),
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
	}{{cr.CACert, "CERTIFICATE", caDER}, {cr.Cert, "CERTIFICATE", leafDER}, {cr.Key, "PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(f.path, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return err
		}
	}
	return c.useCredentials(cr)
}

func (c *Cluster) useCredentials(cr *Credentials) error {
	pair, err := tls.LoadX509KeyPair(cr.Cert, cr.Key)
	if err != nil {
		return fmt.Errorf("load the certificate: %w", err)
	}
	ca, err := os.ReadFile(cr.CACert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c.tls, c.dial = cr, &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}
	return nil
}
