package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const broke = "the connection to %s broke: if this lasts, see etcd's log there"

// brokeInPlain is said where no TLS was spoken: most servers that want it just
// hang up.
const brokeInPlain = "the connection to %s broke: if etcd wants TLS there, use https://; if it lasts, see etcd's log there"

// causes are what gRPC, crypto/tls and the kernel write of the reasons why a
// connection fails, and what that means to a person; the first that fits counts.
// %s is the URL.
var causes = []struct{ written, means string }{
	{"connection refused", "connection refused at %s: is etcd running there?"},
	{"no such host", "the host name in %s is not known: correct the URL, or the name service"},
	{"no route to host", "no route to %s: check the network and the firewall"},
	{"network is unreachable", "no route to %s: check the network"},
	{"has expired or is not yet valid", "the certificate at %s has expired or is not valid yet: renew it, or set the clocks"},
	{"signed by unknown authority", "the certificate at %s comes from an authority that cacert does not hold: set cacert to the authority of etcd's certificates"},
	{"cannot validate certificate for", "the certificate at %s does not name that host: issue it with all names and addresses of the host"},
	{"certificate is valid for", "the certificate at %s does not name that host: issue it with all names and addresses of the host"},
	{"certificate is not valid for", "the certificate at %s does not name that host: issue it with all names and addresses of the host"},
	{"does not look like a TLS handshake", "%s does not speak TLS: use http:// there, or give etcd a certificate"},
	{tooManyPings, "%s ended the connection because of our keepalive pings: etcd runs with a large --grpc-keepalive-min-time; the pings become rarer now"},
	{"connection reset", broke},
	{"broken pipe", broke},
	{"authentication handshake failed: EOF", "%s ends the TLS handshake: if etcd speaks no TLS there, use http://; else see etcd's log there"},
	{"remote error: tls: ", "%s refuses our certificate: set cert and key to a client certificate of the authority that etcd's trusted-ca-file holds"},
	{"error reading server preface", "%s accepts the connection and speaks no etcd on it: if etcd wants TLS there, use https:// and set cert and key"},
	{"i/o timeout", "no connection to %s in time: check the network and the firewall"},
	{"error reading from server", broke},
	{"transport is closing", broke},
}

// problem says why the member at a URL did not answer: one clause for people,
// with the next step where there is one.
func problem(err error, u string, patience time.Duration) string {
	if signIn := (*signInError)(nil); errors.As(err, &signIn) {
		return signInProblem(signIn, u, patience)
	}
	if none := (*silence)(nil); errors.As(err, &none) {
		return none.Error()
	}
	if handshake := (*handshakeError)(nil); errors.As(err, &handshake) {
		return handshake.trouble
	}
	switch plain := rpctypes.Error(err); {
	case errors.Is(plain, rpctypes.ErrUserEmpty):
		return fmt.Sprintf("%s asks for a user: set user and password-file", u)
	case isPermissionDenied(err):
		return fmt.Sprintf("%s refuses the request to this user: grant it the role root (etcdctl user grant-role)", u)
	case timedOut(err):
		return fmt.Sprintf("no answer within %v at %s", patience, u)
	case errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled:
		return fmt.Sprintf("the request to %s was broken off", u)
	}
	for _, c := range causes {
		if strings.Contains(err.Error(), c.written) {
			if c.means == broke && strings.HasPrefix(u, "http://") {
				c.means = brokeInPlain
			}
			return fmt.Sprintf(c.means, u)
		}
	}
	return fmt.Sprintf("%s: %s", u, rpctypes.ErrorDesc(err))
}

func signInProblem(e *signInError, u string, patience time.Duration) string {
	switch {
	case errors.Is(rpctypes.Error(e.err), rpctypes.ErrAuthFailed):
		return fmt.Sprintf("etcd does not accept user %q with this password: correct user and password-file", e.user)
	case timedOut(e.err):
		return fmt.Sprintf("no answer within %v at %s to signing in as user %q, which needs a quorum of the cluster", patience, u, e.user)
	default:
		return problem(e.err, u, patience)
	}
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

// isPermissionDenied also knows the error that 3.5 does not translate for
// Defragment.
func isPermissionDenied(err error) bool {
	return status.Code(err) == codes.PermissionDenied || strings.Contains(err.Error(), "auth: permission denied")
}
