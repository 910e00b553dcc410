package etcd

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Expiry is when a certificate ends that connections rest on.
type Expiry struct {
	Member cluster.MemberID // whose certificate it is; 0: a file of this process
	Name   string           // that member's name
	What   string           // which certificate, in words
	Ends   time.Time        // of it, or of what it rests on
}

// lookAgainBelow is how long a certificate has to last for what the last
// handshake showed to be believed. A connection can be older than a certificate
// that was renewed since, so below that a member is asked for it.
const lookAgainBelow = 31 * 24 * time.Hour

// Expiries returns when the certificates of the members that answered in the last
// look end, and those of this process's own files. What could not be found out is
// left out: a connection that fails is reported elsewhere.
func (c *Cluster) Expiries(ctx context.Context, now time.Time) []Expiry {
	var all []Expiry
	for _, file := range []struct{ key, path string }{{"cert", c.opts.Cert}, {"cacert", c.opts.CACert}} {
		if file.path == "" {
			continue
		}
		if ends, err := CertificateFile(file.path, file.key == "cacert"); err == nil {
			all = append(all, Expiry{What: fmt.Sprintf("etcd.%s, %s,", file.key, file.path), Ends: ends})
		}
	}
	known, past := c.recall()
	for _, m := range known.members {
		u := past[m.ID].at
		if !strings.HasPrefix(u, "https://") {
			continue
		}
		ends := c.identity.ends(u)
		if ends.Sub(now) < lookAgainBelow {
			if seen, err := c.Certificate(ctx, now, u); err == nil {
				ends = seen.ExpiresAt
			}
		}
		if !ends.IsZero() {
			all = append(all, Expiry{m.ID, m.Name, "the certificate at " + u, ends})
		}
	}
	return all
}

// note keeps when what a server showed ends.
func (i *identity) note(u string, state tls.ConnectionState) {
	ends := longest(state.VerifiedChains)
	if len(state.VerifiedChains) == 0 && len(state.PeerCertificates) > 0 { // it is not verified
		ends = state.PeerCertificates[0].NotAfter
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen == nil {
		i.seen = map[string]time.Time{}
	}
	i.seen[u] = ends
}

// ends returns when what a server showed last ends; zero: it showed nothing yet.
func (i *identity) ends(u string) time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seen[u]
}
