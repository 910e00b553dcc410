package realetcd_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// A keepalive with a token that has expired is refused in the stream's next
// answer, not where the stream is opened. 3.4 (as far as Debian has it) does not
// ask for the token.
func TestExpiredTokenEndsKeepalives(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		const ttl = 3 * time.Second
		tokens, err := realetcd.JWT(t.TempDir(), ttl)
		must(t, err)
		c := realetcd.Start(t, realetcd.Config{Line: line, Members: 1, Args: []string{"--unsafe-no-fsync", tokens}})
		lease, err := c.Client(0).Grant(t.Context(), 60)
		must(t, err)
		enableAuth(t, c.Client(0))
		conn := c.Client(0).ActiveConnection()
		with := func(token string) context.Context {
			return metadata.AppendToOutgoingContext(t.Context(), "token", token)
		}
		open := func(token string) pb.Lease_LeaseKeepAliveClient {
			stream, err := pb.NewLeaseClient(conn).LeaseKeepAlive(with(token))
			must(t, err) // whatever the token is
			return stream
		}
		signIn := func() string {
			answer, err := pb.NewAuthClient(conn).Authenticate(t.Context(), &pb.AuthenticateRequest{Name: "root", Password: "secret"})
			must(t, err)
			return answer.Token
		}

		token := signIn()
		lasting := open(token)
		must(t, renew(lasting, lease.ID))
		realetcd.Eventually(t, 10*ttl, "the token to expire", func() (bool, string) {
			_, err := pb.NewKVClient(conn).Range(with(token), &pb.RangeRequest{Key: []byte("key")})
			return isInvalidToken(err), fmt.Sprint(err)
		})
		for name, stream := range map[string]pb.Lease_LeaseKeepAliveClient{"opened before": lasting, "opened after": open(token)} {
			err := renew(stream, lease.ID)
			if asked := line.Name > "3.4"; asked && !isInvalidToken(err) || !asked && err != nil {
				t.Errorf("with the expired token, on a stream %s it expired: %v", name, err)
			}
		}
		must(t, renew(open(signIn()), lease.ID))
	})
}

func isInvalidToken(err error) bool {
	return status.Code(err) == codes.Unauthenticated && strings.Contains(err.Error(), "etcdserver: invalid auth token")
}

// renew renews once on that stream.
func renew(stream pb.Lease_LeaseKeepAliveClient, lease clientv3.LeaseID) error {
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease)}); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	_, err := stream.Recv() // as it came: this is where a refusal shows
	return err
}

// enableAuth makes the user root with the password "secret".
func enableAuth(t *testing.T, client *clientv3.Client) {
	t.Helper()
	_, err := client.RoleAdd(t.Context(), "root")
	must(t, err)
	_, err = client.UserAdd(t.Context(), "root", "secret")
	must(t, err)
	_, err = client.UserGrantRole(t.Context(), "root", "root")
	must(t, err)
	_, err = client.AuthEnable(t.Context())
	must(t, err)
}

// A server that allows a ping a minute cuts off a call that its client pings
// every ten seconds, after the fourth ping. It takes 40 s, and is left out of a
// quick run.
func TestPingsTooOftenCutTheCall(t *testing.T) {
	if os.Getenv("ETCD_WATCHDOG_E2E") != "1" {
		t.Skip("takes 40 s: run `make e2e`, or set ETCD_WATCHDOG_E2E=1")
	}
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		c := realetcd.Start(t, realetcd.Config{
			Line: line, Members: 1, QuotaBytes: 256 * mebibyte,
			Args: []string{"--unsafe-no-fsync", "--grpc-keepalive-min-time=60s"},
		})
		f := fact{t, c, line}
		end := f.defragmenting(0)
		defer end()
		client, err := clientv3.New(clientv3.Config{
			Endpoints: c.Endpoints(), Logger: zap.NewNop(),
			DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 10 * time.Second,
		})
		must(t, err)
		defer client.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		begin := time.Now()
		_, err = client.Defragment(ctx, c.Member(0).ClientURL)
		t.Logf("cut off after %v: %v", time.Since(begin).Round(100*time.Millisecond), err)
		if err == nil || !strings.Contains(err.Error(), "too_many_pings") {
			t.Errorf("a call that is pinged too often ends with: %v", err)
		}
	})
}
