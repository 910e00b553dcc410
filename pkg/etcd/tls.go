package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/durable"
)

// maxPEMBytes is far above what certificates, authorities and keys take.
const maxPEMBytes = 4 << 20

// identity is what TLS connections are made with. Every new connection reads the
// authorities, the certificate and the key again, so that renewed files are used
// without a restart. Open connections are not touched.
type identity struct {
	opts Options

	mu     sync.Mutex
	roots  *x509.CertPool       // of the last cacert that could be read; nil: the system's
	seen   map[string]time.Time // by URL: when what the server showed last ends
	broken error                // why cacert could not be read the last time
}

// newIdentity fails if a file cannot be used now.
func newIdentity(opts Options) (*identity, error) {
	i := &identity{opts: opts}
	if (opts.Cert == "") != (opts.Key == "") {
		return nil, errors.New("cert and key: one is set without the other: set both, or neither")
	}
	if _, err := i.authorities(); err != nil {
		return nil, err
	}
	if opts.Cert == "" {
		return i, nil
	}
	_, err := i.certificate()
	return i, err
}

// authorities reads cacert. A file that is gone or half written, as in the middle
// of a rotation, leaves the authorities of before in force: the error says why.
func (i *identity) authorities() (*x509.CertPool, error) {
	if i.opts.CACert == "" {
		return nil, nil
	}
	roots, err := readAuthorities(i.opts.CACert)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.broken = err
	if err == nil {
		i.roots = roots
	}
	return i.roots, err
}

func readAuthorities(path string) (*x509.CertPool, error) {
	pem, err := durable.ReadNamed(path, maxPEMBytes)
	if err != nil {
		return nil, fmt.Errorf("cacert: %w: name a file that this process may read", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("cacert: no certificate in %s: it has to be in PEM form, as etcd's trusted-ca-file is", path)
	}
	return roots, nil
}

// certificate reads cert and key.
func (i *identity) certificate() (*tls.Certificate, error) {
	const remedy = "cert and key: %w: name a certificate and its own key, both in PEM form and readable for this process"
	cert, err := durable.ReadNamed(i.opts.Cert, maxPEMBytes)
	if err != nil {
		return nil, fmt.Errorf(remedy, err)
	}
	key, err := durable.ReadNamed(i.opts.Key, maxPEMBytes)
	if err != nil {
		return nil, fmt.Errorf(remedy, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf(remedy, err)
	}
	return &pair, nil
}

// config returns what one connection is made with. Go's own choice of cipher
// suites holds. asked, if not nil, is called when the server asks for a client
// certificate, with the one that is shown: an empty one if there is none.
func (i *identity) config(asked func(*tls.CertificateRequestInfo, *tls.Certificate)) *tls.Config {
	roots, _ := i.authorities() // see trouble for what is said of an error
	conf := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: i.opts.ServerName, InsecureSkipVerify: i.opts.InsecureSkipVerify}
	conf.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		shown := &tls.Certificate{}
		if i.opts.Cert != "" {
			var err error
			if shown, err = i.certificate(); err != nil {
				return nil, &unreadError{err}
			}
		}
		if asked != nil {
			asked(info, shown)
		}
		return shown, nil
	}
	return conf
}

// unreadError is why there is no certificate to show.
type unreadError struct{ error }

// unreadAuthorities returns why cacert could not be read the last time.
func (i *identity) unreadAuthorities() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.broken
}

// dialTLS opens a connection for a request over HTTP.
func (i *identity) dialTLS(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conf := i.config(nil)
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	return (&tls.Dialer{NetDialer: new(net.Dialer), Config: conf}).DialContext(ctx, network, address)
}
