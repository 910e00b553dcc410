package etcd

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// Whoever mixes up http:// and https:// is told so, whichever way the server
// ends the connection.
func TestProblemTellsOfTheWrongScheme(t *testing.T) {
	for _, tt := range []struct{ written, url, want string }{
		{`connection error: desc = "transport: authentication handshake failed: EOF"`, "https://a:2379", "if etcd speaks no TLS there, use http://"},
		{`tls: first record does not look like a TLS handshake`, "https://a:2379", "use http:// there"},
		{`connection error: desc = "error reading server preface: EOF"`, "http://a:2379", "use https://"},
		{`read tcp 127.0.0.1:1->127.0.0.1:2: read: connection reset by peer`, "http://a:2379", "if etcd wants TLS there, use https://"},
		{`write tcp 127.0.0.1:1->127.0.0.1:2: write: broken pipe`, "http://a:2379", "if etcd wants TLS there, use https://"},
	} {
		if got := problem(errors.New(tt.written), tt.url, time.Second); !strings.Contains(got, tt.want) || !strings.Contains(got, tt.url) {
			t.Errorf("%s at %s: got %q, want %q in it", tt.written, tt.url, got, tt.want)
		}
	}
	if got := problem(errors.New("connection reset by peer"), "https://a:2379", time.Second); strings.Contains(got, "https:// ") || strings.Contains(got, "wants TLS") {
		t.Errorf("with TLS: got %q", got)
	}
}
