package claim_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/connectivity"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// members are the clients of a real cluster, in order.
type members []*clientv3.Client

func (m members) Clients() []*clientv3.Client { return m }

func serversOf(c *realetcd.Cluster) members {
	var m members
	for i := range c.Members() {
		m = append(m, c.Client(i))
	}
	return m
}

func start(t *testing.T, line realetcd.Line, voters int, quotaBytes int64) *realetcd.Cluster {
	t.Helper()
	return realetcd.Start(t, realetcd.Config{
		Line: line, Members: voters, QuotaBytes: quotaBytes,
		Args: []string{"--unsafe-no-fsync"}, // nothing here is about a power cut
	})
}

// startNewest is for what is about the client, and alike on every line.
func startNewest(t *testing.T) *realetcd.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real servers")
	}
	return start(t, realetcd.MustLine(t, "3.7"), 3, 0)
}

func eachLine(t *testing.T, test func(*testing.T, realetcd.Line)) {
	if testing.Short() {
		t.Skip("starts real servers")
	}
	realetcd.EachLine(t, test)
}

func TestRealServersKeepTheContract(t *testing.T) {
	eachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel() // most of it is waiting for a lease to expire
		servers := start(t, line, 1, 0)
		store := claim.NewEtcdStore(serversOf(servers))
		for i, tt := range contract {
			t.Run(tt.name, func(t *testing.T) {
				opts := options()
				opts.Prefix = fmt.Sprintf("/case-%d", i)
				tt.hold(world{
					T: t, ctx: t.Context(), store: store, leases: store, opts: opts,
					noSpace: func(on bool) { raiseNoSpace(t, servers.Client(0), on) },
				})
			})
		}
	})
}

// raiseNoSpace lists a NOSPACE alarm, or takes it from the list.
func raiseNoSpace(t *testing.T, client *clientv3.Client, on bool) {
	t.Helper()
	action := pb.AlarmRequest_DEACTIVATE
	if on {
		action = pb.AlarmRequest_ACTIVATE
	}
	_, err := pb.NewMaintenanceClient(client.ActiveConnection()).Alarm(context.Background(),
		&pb.AlarmRequest{Action: action, Alarm: pb.AlarmType_NOSPACE})
	if err != nil {
		t.Fatal(err)
	}
}

// The same, with files that are full in truth, on every member.
func TestClaimPassesOnInFullCluster(t *testing.T) {
	const quota = 8 << 20
	eachLine(t, func(t *testing.T, line realetcd.Line) {
		servers := start(t, line, 3, quota)
		clients := serversOf(servers)
		w := world{T: t, ctx: t.Context(), opts: options()}
		var books []*claim.Book
		for i := range clients {
			own := claim.NewEtcdStore(append(append(members{}, clients[i:]...), clients[:i]...))
			w.store, w.leases = own, own
			books = append(books, w.enrolled(fmt.Sprintf("host%d", i), i+1))
		}
		if _, err := servers.Fill(t.Context(), realetcd.Load{Prefix: "fill", LiveBytes: quota / 2, ValueBytes: 16 << 10}); err != nil {
			t.Fatal(err)
		}
		w.wants(books[0].Enrol(w.ctx, 99), claim.ErrRefused)
		for i, b := range books {
			held := w.take(b)
			w.busy(books[(i+1)%3], fmt.Sprintf("host%d", i))
			w.must(held.GiveBack(w.ctx))
		}
	})
}

// A member that is being defragmented answers nothing, and must not cost its
// own watchdog the lease.
func TestStoreGoesOnBesideSilentMember(t *testing.T) {
	servers := startNewest(t)
	store := claim.NewEtcdStore(serversOf(servers))
	w := world{T: t, ctx: t.Context(), store: store, leases: store, opts: options()}
	lease := w.grant()
	w.commit(w.put("a"), true)
	silent := follower(t, servers)
	clients := append(members{servers.Client(silent)}, serversOf(servers)...)
	store = claim.NewEtcdStore(clients)
	w.store, w.leases = store, store
	if err := servers.Member(silent).Suspend(); err != nil {
		t.Fatal(err)
	}
	defer func() { w.must(servers.Member(silent).Resume()) }()

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := store.KeepAlive(ctx, lease); err != nil {
		t.Errorf("keepalive beside a silent member: %v", err)
	}
	if listing := w.read(); len(listing.Keys) != 1 {
		t.Errorf("read beside a silent member: %+v", listing)
	}
	w.commit(w.delete("a"), true) // goes to who answered last
}

func follower(t *testing.T, servers *realetcd.Cluster) int {
	t.Helper()
	for i, m := range servers.Members() {
		status, err := m.Client().Status(t.Context(), m.ClientURL)
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader != m.ID() {
			return i
		}
	}
	t.Fatal("every member leads")
	return 0
}

// What may have happened is not asked of another member.
func TestStoreSendsTransactionOnce(t *testing.T) {
	servers := startNewest(t)
	silent := follower(t, servers)
	var others members
	for i := range servers.Members() {
		if i != silent {
			others = append(others, servers.Client(i))
		}
	}
	w := world{T: t, ctx: t.Context(), opts: options()}
	w.store = claim.NewEtcdStore(append(members{servers.Client(silent)}, others...))
	w.commit(w.put("a"), true)
	if err := servers.Member(silent).Suspend(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Commit(t.Context(), w.delete("a")); err == nil {
		t.Error("somebody answered")
	}
	w.store = claim.NewEtcdStore(others)
	if len(w.read().Keys) != 1 {
		t.Error("the transaction went to another member")
	}
	w.must(servers.Member(silent).Resume())
}

func TestStoreSkipsMemberWithoutConnection(t *testing.T) {
	servers := startNewest(t)
	dead := follower(t, servers)
	clients := append(members{servers.Client(dead)}, serversOf(servers)...)
	if err := servers.Member(dead).Kill(); err != nil {
		t.Fatal(err)
	}
	// Until the connection is seen to be broken, a request may have left by it.
	realetcd.Eventually(t, 10*time.Second, "the connection to be seen broken", func() (bool, string) {
		state := servers.Client(dead).ActiveConnection().GetState()
		return state != connectivity.Ready, state.String()
	})
	store := claim.NewEtcdStore(clients)
	w := world{T: t, ctx: t.Context(), store: store, leases: store, opts: options()}
	w.commit(w.put("a"), true)
	lease := w.grant()
	w.must(w.leases.Revoke(w.ctx, lease))
	if len(w.read().Keys) != 1 {
		t.Error("the put is not there")
	}
}
