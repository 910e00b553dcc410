package wire_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/codes"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/faults/wire"
)

// onPut matches the puts of these tests.
var onPut = wire.Match{Method: pb.KV_Put_FullMethodName}

func TestEverythingPasses(t *testing.T) {
	s := newStand(t, nil)
	ctx := t.Context()
	list, err := s.direct.MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if urls := list.Members[0].ClientURLs; !slices.Equal(urls, []string{s.proxy.URL()}) {
		t.Errorf("the member advertises %v, want the proxy, %s", urls, s.proxy.URL())
	}

	watch := s.through.Watch(ctx, "big", clientv3.WithCreatedNotify())
	<-watch
	big := strings.Repeat("x", 1<<20)
	if _, err := s.through.Put(ctx, "big", big); err != nil {
		t.Fatal(err)
	}
	if got := <-watch; len(got.Events) != 1 || string(got.Events[0].Kv.Value) != big {
		t.Errorf("the watch got %d events, %v", len(got.Events), got.Err())
	}

	lease, err := s.through.Grant(ctx, 60)
	if err != nil {
		t.Fatal(err)
	}
	alive, err := s.through.KeepAlive(ctx, lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := <-alive; got == nil || got.TTL != 60 {
		t.Errorf("the keepalive got %v", got)
	}

	snapshot, err := s.through.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, snapshot); err != nil || n < 1<<20 {
		t.Errorf("the snapshot has %d bytes, %v", n, err)
	}
	_ = snapshot.Close()
}

func TestPlainHTTPPasses(t *testing.T) {
	s := newStand(t, nil)
	for path, want := range map[string]string{"/metrics": "etcd_server_quota_backend_bytes", "/version": "etcdserver", "/health": "true"} {
		resp, err := http.Get(s.proxy.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(body, []byte(want)) {
			t.Errorf("%s: %v, without %q", path, err, want)
		}
		_ = resp.Body.Close()
	}
}

func TestTokensPass(t *testing.T) {
	s := newStand(t, nil)
	ctx := t.Context()
	for _, err := range []error{
		second(s.direct.RoleAdd(ctx, "root")),
		second(s.direct.UserAdd(ctx, "root", "secret")),
		second(s.direct.UserGrantRole(ctx, "root", "root")),
		second(s.direct.AuthEnable(ctx)),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.through.Put(ctx, "k", ""); err == nil {
		t.Error("a put without a token is accepted")
	}
	user, err := clientv3.New(clientv3.Config{Endpoints: []string{s.proxy.URL()}, Username: "root", Password: "secret", Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	if _, err := user.Put(ctx, "k", ""); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

type oneMember struct{ client *clientv3.Client }

func (m oneMember) Clients() []*clientv3.Client { return []*clientv3.Client{m.client} }

// TestKinds has the real claim make its writes.
func TestKinds(t *testing.T) {
	s := newStand(t, func() map[string]int { return map[string]int{"parent": os.Getppid(), "me": os.Getpid()} })
	var mu sync.Mutex
	var got []wire.Kind
	s.rules.Add(wire.Rule{Action: wire.Action{Before: func(c wire.Call) {
		mu.Lock()
		defer mu.Unlock()
		if c.Caller != "me" || c.Member != "m0" {
			t.Errorf("the call %+v, want it from me to m0", c)
		}
		// How often a lease is renewed is the claim's to know.
		if c.Kind != wire.Other && !(c.Kind == wire.Renew && slices.Contains(got, wire.Renew)) {
			got = append(got, c.Kind)
		}
	}}})
	ctx := t.Context()
	store := claim.NewEtcdStore(oneMember{s.through})
	book := claim.New(store, store, claim.DefaultOptions(), claim.Identity{Host: "h"}, claim.NewEphemeralSession())
	if err := book.Enrol(ctx, cluster.MemberID(s.cluster.Member(0).ID())); err != nil {
		t.Fatal(err)
	}
	held, err := book.Take(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(held.GiveBack(ctx), book.Leave(ctx)); err != nil {
		t.Fatal(err)
	}
	maintenance := pb.NewMaintenanceClient(s.through.ActiveConnection())
	_, _ = s.through.Compact(ctx, 2, clientv3.WithCompactPhysical()) // that they come is enough
	_, _ = maintenance.MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: 1})
	_, _ = maintenance.Defragment(ctx, &pb.DefragmentRequest{})
	_, _ = maintenance.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_GET})
	_, _ = maintenance.Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_DEACTIVATE, MemberID: 1, Alarm: pb.AlarmType_NOSPACE})
	_, _ = s.through.Txn(ctx).Then(clientv3.OpDelete("/other/begin")).Commit()
	_, _ = s.through.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision("/etcd-watchdog/claim/1/1/00/end"), "=", 0)).
		Then(clientv3.OpDelete("/etcd-watchdog/claim/1/1/00/begin")).Commit()

	want := []wire.Kind{wire.Grant, wire.Renew, wire.Enrol, wire.Take, wire.GiveBack, wire.Revoke,
		wire.Compact, wire.MoveLeader, wire.Defragment, wire.Disarm}
	mu.Lock()
	defer mu.Unlock()
	got = slices.Compact(got) // each ticket is put in a transaction of its own
	if !slices.Equal(got, want) {
		t.Errorf("the kinds are %q, want %q", got, want)
	}
	for _, kind := range wire.Kinds() {
		if !slices.Contains(got, kind) {
			t.Errorf("no %q among them", kind)
		}
	}
}

func TestAHeldCallLands(t *testing.T) {
	for _, tt := range []struct {
		name  string
		leave func(giveUp context.CancelFunc, c *clientv3.Client)
		code  codes.Code
	}{
		{"while its client waits", func(context.CancelFunc, *clientv3.Client) {}, codes.OK},
		{"when its client has given up", func(giveUp context.CancelFunc, _ *clientv3.Client) { giveUp() }, codes.Canceled},
		{"when its client's deadline has passed", func(context.CancelFunc, *clientv3.Client) {}, codes.DeadlineExceeded},
		{"when its client has gone", func(_ context.CancelFunc, c *clientv3.Client) { _ = c.Close() }, codes.Canceled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t, nil)
			held := s.rules.Add(wire.Rule{Match: onPut, Action: wire.Action{Hold: true}})
			c := s.connect()
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			if tt.code == codes.DeadlineExceeded {
				ctx, giveUp = context.WithTimeout(ctx, time.Second)
				defer giveUp()
			}
			done := make(chan error, 1)
			go func() { done <- put(ctx, c, "held") }()
			wait(t, "the call", held.Hit())
			if _, err := c.Get(t.Context(), "other"); err != nil {
				t.Errorf("a call beside the held one: %v", err)
			}
			tt.leave(giveUp, c)
			if tt.code != codes.OK {
				wantCode(t, <-done, tt.code)
			}
			s.wantNoKey("held")
			if held.Landed() != 0 {
				t.Error("it has landed while it is held")
			}
			held.Release()
			s.wantKey("held")
			if tt.code == codes.OK {
				wantCode(t, <-done, tt.code)
			}
			if held.Landed() != 1 || len(held.Calls()) != 1 {
				t.Errorf("%d of %d landed, want 1 of 1", held.Landed(), len(held.Calls()))
			}
		})
	}
}

func TestWhatIsLost(t *testing.T) {
	for _, tt := range []struct {
		name   string
		action wire.Action
		code   codes.Code
		landed bool
	}{
		{"the request", wire.Action{Request: wire.Drop}, codes.DeadlineExceeded, false},
		{"the request, said", wire.Action{Request: wire.Refuse}, codes.Unavailable, false},
		{"the answer", wire.Action{Reply: wire.Swallow}, codes.DeadlineExceeded, true},
		{"the connection", wire.Action{Reply: wire.Sever}, codes.Unavailable, true},
		{"nothing, it is slow", wire.Action{Delay: 100 * time.Millisecond}, codes.OK, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t, nil)
			match := onPut
			match.Nth = 2
			rule := s.rules.Add(wire.Rule{Match: match, Action: tt.action})
			c := s.connect()
			if err := put(t.Context(), c, "first"); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begin := time.Now()
			wantCode(t, put(ctx, c, "second"), tt.code)
			if took := time.Since(begin); took < tt.action.Delay {
				t.Errorf("it took %v, want %v at least", took, tt.action.Delay)
			}
			if s.has("second") != tt.landed || rule.Landed() == 1 != tt.landed {
				t.Errorf("the member has the key: %v, the rule says that %d landed; want %v", s.has("second"), rule.Landed(), tt.landed)
			}
			s.wantPut(c, "third")
			if n := len(rule.Calls()); n != 1 {
				t.Errorf("the rule was applied to %d calls, want the second alone", n)
			}
		})
	}
}

func TestHooksComeBeforeAndAfter(t *testing.T) {
	s := newStand(t, nil)
	var before, after bool
	answered := make(chan error, 1)
	s.rules.Add(wire.Rule{Match: onPut, Action: wire.Action{
		Before: func(wire.Call) { before = s.has("k") },
		After: func(wire.Call) {
			after = s.has("k")
			select {
			case err := <-answered:
				t.Error("the client has its answer already")
				answered <- err
			case <-time.After(100 * time.Millisecond):
			}
		},
	}})
	go func() { answered <- put(t.Context(), s.through, "k") }()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if before || !after {
		t.Errorf("the member has the key before: %v, after: %v; want false, true", before, after)
	}
}

func TestRulesAreForSomeCalls(t *testing.T) {
	s := newStand(t, func() map[string]int { return map[string]int{"me": os.Getpid()} })
	for name, match := range map[string]wire.Match{
		"member": {Member: "m1", Method: onPut.Method},
		"caller": {Caller: "w0", Method: onPut.Method},
		"method": {Method: pb.KV_Range_FullMethodName},
		"kind":   {Kind: wire.Take},
	} {
		rule := s.rules.Add(wire.Rule{Match: match, Action: wire.Action{Request: wire.Refuse}})
		if err := put(t.Context(), s.through, "k"); err != nil {
			t.Errorf("another %s: %v", name, err)
		}
		rule.Remove()
	}
	rule := s.rules.Add(wire.Rule{
		Match:  wire.Match{Member: "m0", Caller: "me", Method: onPut.Method, Kind: wire.Other},
		Action: wire.Action{Request: wire.Refuse},
	})
	wantCode(t, put(t.Context(), s.through, "k"), codes.Unavailable)
	rule.Remove()
	if err := put(t.Context(), s.through, "k"); err != nil {
		t.Errorf("a rule that was removed: %v", err)
	}
}

func TestCut(t *testing.T) {
	s := newStand(t, nil)
	held, done := s.holdPut("held")
	s.proxy.Cut()
	wantCode(t, <-done, codes.Unavailable)
	held.Remove()
	s.wantKey("held")
	wantCode(t, put(t.Context(), s.through, "cut"), codes.Unavailable)
	if resp, err := http.Get(s.proxy.URL() + "/version"); err == nil {
		_ = resp.Body.Close()
		t.Error("plain HTTP passes")
	}
	s.wantNoKey("cut")
	s.proxy.Heal()
	s.wantPut(s.through, "healed")
}

func TestSilence(t *testing.T) {
	s := newStand(t, nil)
	if err := put(t.Context(), s.through, "k"); err != nil {
		t.Fatal(err)
	}
	s.proxy.Silence()
	for name, c := range map[string]*clientv3.Client{"known": s.through, "new": s.connect()} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := put(ctx, c, name); err == nil {
			t.Errorf("a %s connection is served", name)
		}
		cancel()
		s.wantNoKey(name)
	}
	s.proxy.Heal()
	if err := put(t.Context(), s.through, "healed"); err != nil {
		t.Errorf("the connection of before does not go on: %v", err)
	}
}

// TestTheMemberEnds: what the client sees is what it would see without a proxy.
func TestTheMemberEnds(t *testing.T) {
	s := newStand(t, nil)
	held, done := s.holdPut("held")
	m := s.cluster.Member(0)
	if err := m.Kill(); err != nil {
		t.Fatal(err)
	}
	wantCode(t, <-done, codes.Unavailable)
	held.Remove()
	wantCode(t, put(t.Context(), s.through, "down"), codes.Unavailable)
	if err := errors.Join(m.Start(), m.AwaitReady(t.Context())); err != nil {
		t.Fatal(err)
	}
	s.wantPut(s.through, "up")
	s.wantNoKey("held")
	if held.Landed() != 0 {
		t.Error("it is said to have landed")
	}
}

func TestCloseEndsWhatIsHeld(t *testing.T) {
	s := newStand(t, nil)
	_, done := s.holdPut("held")
	s.close()
	wantCode(t, <-done, codes.Unavailable)
	s.wantNoKey("held")
}

// Status is delayed, and nothing else.
func TestSlowStatus(t *testing.T) {
	s := newStand(t, nil)
	const delay = 300 * time.Millisecond
	slow := s.rules.Add(wire.SlowStatus("m0", delay))
	begin := time.Now()
	if _, err := s.through.Status(t.Context(), s.proxy.URL()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("status took %v, want at least %v", took, delay)
	}
	if _, err := s.through.Get(t.Context(), "key"); err != nil {
		t.Fatal(err)
	}
	if calls := slow.Calls(); len(calls) != 1 {
		t.Errorf("delayed were %v, want the status alone", calls)
	}
}
