package etcd

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"
)

// trouble says why a TLS connection came to nothing: one clause with the next
// step, or nothing where TLS is not to blame, or does not know more than the
// error says.
func trouble(c *watched, err error) string {
	i, u := c.handshakes.identity, c.handshakes.url
	if refused, is := errors.AsType[*tls.CertificateVerificationError](err); is {
		said := serverTrouble(refused, u, i.opts.ServerName)
		if unread := i.unreadAuthorities(); unread != nil {
			said += "; it was judged by an earlier cacert, since " + unread.Error()
		}
		return said
	}
	if unread, is := errors.AsType[*unreadError](err); is {
		return unread.Error()
	}
	if c.asked != nil && len(c.shown.Certificate) == 0 {
		return fmt.Sprintf("%s asks for a client certificate: set cert and key to one of the authority that etcd's trusted-ca-file holds", u)
	}
	for _, a := range alerts {
		if strings.HasSuffix(err.Error(), a.written) {
			return fmt.Sprintf(a.means, u)
		}
	}
	if c.asked == nil {
		return ""
	}
	return clientTrouble(u, i.opts.Cert, c.asked, c.shown, err)
}

// alerts are what a server says in the handshake that is not about certificates.
var alerts = []struct{ written, means string }{
	{"tls: protocol version not supported", "%s has no version of TLS in common with this program, which speaks 1.2 and 1.3: correct etcd's tls-min-version and tls-max-version"},
	{"tls: handshake failure", "%s has no cipher suite in common with this program: correct etcd's cipher-suites"},
	{"tls: no application protocol", "%s speaks TLS but not gRPC: is a proxy in between?"},
	{"tls: unrecognized name", "%s does not serve that host name: correct the URL, or set tls-server-name"},
	{"remote error: tls: internal error", "%s ended the TLS handshake with an error of its own: see etcd's log there"},
}

// serverTrouble says what is wrong with the certificate that the server showed.
func serverTrouble(refused *tls.CertificateVerificationError, u, serverName string) string {
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](refused)
	unknown, isUnknown := errors.AsType[x509.UnknownAuthorityError](refused)
	_, isName := errors.AsType[x509.HostnameError](refused)
	switch {
	case isInvalid && invalid.Reason == x509.Expired:
		return fmt.Sprintf("the certificate at %s %s: renew it, or correct the clocks", u, ofAuthority(invalid.Cert, refused)+outOfDate(invalid))
	case isUnknown && unknown.Cert != nil:
		return fmt.Sprintf("the certificate at %s comes from an authority that cacert does not hold (%s): set cacert to the authority of etcd's certificates", u, nameOf(unknown.Cert.Issuer.String()))
	case isName && serverName != "":
		return fmt.Sprintf("the certificate at %s does not name %s but %s: correct tls-server-name, or issue the certificate with that name", u, serverName, names(refused.UnverifiedCertificates[0]))
	case isName:
		return fmt.Sprintf("the certificate at %s does not name that host but %s: issue it with all names and addresses of the host, or set tls-server-name", u, names(refused.UnverifiedCertificates[0]))
	default:
		return fmt.Sprintf("the certificate at %s is not accepted (%s): issue a new one", u, nameOf(refused.Err.Error()))
	}
}

// ofAuthority says that not the certificate itself but one that it rests on is
// meant.
func ofAuthority(meant *x509.Certificate, refused *tls.CertificateVerificationError) string {
	if meant.Equal(refused.UnverifiedCertificates[0]) {
		return ""
	}
	return "rests on that of " + nameOf(meant.Subject.String()) + ", which "
}

// outOfDate says since when, or until when, a certificate is not valid.
func outOfDate(invalid x509.CertificateInvalidError) string {
	if isEarly(invalid) {
		return "is not valid before " + date(invalid.Cert.NotBefore)
	}
	return "expired on " + date(invalid.Cert.NotAfter)
}

// isEarly tells the two kinds of x509.Expired apart, which only its words do.
func isEarly(invalid x509.CertificateInvalidError) bool {
	return strings.Contains(invalid.Detail, " is before ")
}

// clientTrouble says why a server that asked for a client certificate ended the
// connection: by the certificate itself, and only then by what the server said,
// if that arrived at all.
func clientTrouble(u, file string, asked *tls.CertificateRequestInfo, shown *tls.Certificate, err error) string {
	leaf, parseErr := x509.ParseCertificate(shown.Certificate[0])
	if parseErr != nil {
		return fmt.Sprintf("the client certificate in %s can't be read (%v): name one in PEM form", file, parseErr)
	}
	refuses := fmt.Sprintf("%s refuses the client certificate in %s, which ", u, file)
	self := x509.NewCertPool()
	self.AddCert(leaf)
	_, invalidErr := leaf.Verify(x509.VerifyOptions{Roots: self, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](invalidErr)
	switch {
	case isInvalid && invalid.Reason == x509.Expired && isEarly(invalid):
		return refuses + outOfDate(invalid) + ": wait until then, or correct the clocks"
	case isInvalid && invalid.Reason == x509.Expired:
		return refuses + outOfDate(invalid) + ": renew it; the file is read again at each connection"
	case isInvalid && invalid.Reason == x509.IncompatibleUsage:
		return refuses + "is not for clients: issue it with the extended key usage clientAuth"
	case len(asked.AcceptableCAs) > 0 && asked.SupportsCertificate(shown) != nil:
		return refuses + fmt.Sprintf("%s issued: use one of the authority that etcd's trusted-ca-file holds (%s)", nameOf(leaf.Issuer.String()), issuers(asked))
	case strings.Contains(err.Error(), "revoked certificate"):
		return refuses + "is revoked: issue a new one"
	case strings.Contains(err.Error(), "remote error: tls: "):
		return refuses + fmt.Sprintf("%s issued until %s: see etcd's log there (its client-crl-file and allowed names, or another authority of the same name)", nameOf(leaf.Issuer.String()), date(leaf.NotAfter))
	default:
		return fmt.Sprintf("%s ended the connection after it had asked for a client certificate, and the one in %s is valid until %s: if this lasts, see etcd's log there (its client-crl-file and allowed names)", u, file, date(leaf.NotAfter))
	}
}

// issuers are the authorities that a server accepts certificates of.
func issuers(asked *tls.CertificateRequestInfo) string {
	var all []string
	for _, raw := range asked.AcceptableCAs {
		var name pkix.RDNSequence
		if _, err := asn1.Unmarshal(raw, &name); err == nil {
			all = append(all, name.String())
		}
	}
	return nameOf(strings.Join(all, " or "))
}

// names are the hosts that a certificate is for.
func names(leaf *x509.Certificate) string {
	all := append([]string(nil), leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		all = append(all, ip.String())
	}
	if all == nil {
		return "no host at all"
	}
	return nameOf(strings.Join(all, ", "))
}

const maxNameBytes = 200

// nameOf makes a part of a sentence of what others wrote: it must not end the
// clause before the next step, and not fill the screen.
func nameOf(s string) string {
	s = strings.ReplaceAll(s, ": ", ":")
	if len(s) > maxNameBytes {
		s = strings.ToValidUTF8(s[:maxNameBytes], "") + "..."
	}
	return s
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
