package realetcd_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// connect makes a client of that URL alone.
func connect(t *testing.T, url string) *clientv3.Client {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{url}, Logger: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() }) // nothing is lost with it
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSilentURLNeverAnswers(t *testing.T) {
	t.Parallel()
	silent, err := realetcd.ListenSilent("127.0.0.1")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := connect(t, silent.URL()).Status(ctx, silent.URL()); !timedOut(err) {
		t.Errorf("status: %v, want that the deadline ends the call", err)
	}
	if silent.Accepted() == 0 {
		t.Error("no connection was accepted")
	}
	must(t, silent.Close())
	if _, err := http.Get(silent.URL()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("after Close: %v, want that the connection is refused", err)
	}
}

// A client of the balancer meets every member, though it never asks for another.
func TestBalancerMovesItsClients(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.7"), Members: 3, Args: []string{"--unsafe-no-fsync"}})
	b, err := realetcd.StartBalancer(c.Endpoints(), 100*time.Millisecond)
	must(t, err)
	client, met := connect(t, b.URL()), map[uint64]bool{}
	realetcd.Eventually(t, 20*time.Second, "the client to meet each member", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if answer, err := client.MemberList(ctx, clientv3.WithSerializable()); err == nil {
			met[answer.Header.MemberId] = true
		}
		return len(met) == 3, fmt.Sprintf("it has met %d on %d connections", len(met), b.Accepted())
	})
	must(t, b.Close())
	if _, err := realetcd.StartBalancer(nil, time.Second); err == nil {
		t.Error("a balancer without an address is started")
	}
}

// A member whose log is held up starts nothing that it logs, and logs all of it
// once the log flows.
func TestHeldLogFollowsLater(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1, LogPipe: true, Args: []string{"--unsafe-no-fsync"}})
	m := c.Member(0)
	if !strings.Contains(m.LogTail(1000), "ready to serve client requests") {
		t.Errorf("the log of a member that serves does not say it: %s", m.LogTail(10))
	}
	must(t, m.HoldLog())
	must(t, m.HoldLog()) // it is held already
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := m.Client().Defragment(ctx, m.ClientURL); !timedOut(err) {
		t.Errorf("defragmentation of a member that cannot log: %v, want that the deadline ends the call", err)
	}
	if all, err := m.Defragmentations(); err != nil || len(all) != 0 {
		t.Errorf("held back, and in the log: %v, %v", all, err)
	}
	must(t, m.LetLogFlow())
	realetcd.Eventually(t, 20*time.Second, "the log to tell of the defragmentation", func() (bool, string) {
		all, err := m.Defragmentations()
		return err == nil && len(all) == 1 && all[0].Completed, fmt.Sprint(all, err)
	})
	must(t, m.HoldLog())
	must(t, m.Kill()) // the end of the test has to cope with it, too
	must(t, m.LetLogFlow())
	must(t, m.Start())
	must(t, m.AwaitReady(t.Context()))
	if log, err := os.ReadFile(m.LogPath); err != nil || strings.ContainsRune(string(log), 0) {
		t.Errorf("the log holds what filled the pipe, or: %v", err)
	}
}

// A member that dies at each defragmentation has begun it and never ends it.
func TestCrashesAtItsLogLine(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1, Args: []string{"--unsafe-no-fsync"}})
	m := c.Member(0)
	_, err := c.WriteLive(t.Context(), realetcd.Load{Prefix: "live", LiveBytes: 32 * mebibyte, ValueBytes: 64 << 10, Seed: 1})
	must(t, err)
	crashes, err := m.CrashAt("defragmenting", 100*time.Millisecond)
	must(t, err)
	for n := range 2 {
		if _, err := m.Client().Defragment(t.Context(), m.ClientURL); err == nil {
			t.Error("the defragmentation is reported as done")
		}
		realetcd.Eventually(t, 20*time.Second, "the member to be killed", func() (bool, string) {
			return len(crashes.Times()) == n+1, fmt.Sprint(crashes.Times())
		})
		realetcd.Eventually(t, 20*time.Second, "the member to answer again", func() (bool, string) {
			err := m.AwaitReady(t.Context())
			return err == nil, fmt.Sprint(err)
		})
	}
	must(t, crashes.Stop())
	if all, err := m.Defragmentations(); err != nil || len(all) != 2 || all[0].Completed || all[1].Completed || all[0].End.IsZero() {
		t.Errorf("defragmentations: %v, %v, want two that ended with the process", all, err)
	}
	if _, err := m.Client().Defragment(t.Context(), m.ClientURL); err != nil {
		t.Errorf("after Stop: %v", err)
	}
}

// With a port of its own for HTTP, a member's client URL serves gRPC alone.
func TestSeparateHTTP(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		cfg := realetcd.Config{Line: line, Members: 1, SeparateHTTP: true, Args: []string{"--unsafe-no-fsync"}}
		if line.Name == "3.4" {
			if _, err := realetcd.Launch(t.Context(), t.TempDir(), cfg); err == nil || !strings.Contains(err.Error(), "--listen-client-http-urls") {
				t.Errorf("a line without the flag: %v", err)
			}
			return
		}
		m := realetcd.Start(t, cfg).Member(0)
		for url, want := range map[string]bool{m.HTTPURL: true, m.ClientURL: false} {
			if got := servesMetrics(url); got != want {
				t.Errorf("%s/metrics is served: %t, want %t", url, got, want)
			}
		}
	})
}

func servesMetrics(url string) bool {
	answer, err := http.Get(url + "/metrics")
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return err == nil && strings.Contains(string(text), "etcd_server_quota_backend_bytes")
}

func TestAlarmOfNoMember(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.5"), Members: 1, Args: []string{"--unsafe-no-fsync"}})
	must(t, c.RaiseAlarm(t.Context(), pb.AlarmType_NOSPACE, 0))
	if alarms, err := c.Alarms(t.Context()); err != nil || len(alarms) != 1 || alarms[0] != "0:NOSPACE" {
		t.Errorf("alarms: %v, %v", alarms, err)
	}
	must(t, c.DisarmAlarm(t.Context(), pb.AlarmType_NOSPACE, 0))
	if alarms, err := c.Alarms(t.Context()); err != nil || len(alarms) != 0 {
		t.Errorf("alarms after the disarm: %v, %v", alarms, err)
	}
}

// The same endpoints answer as another cluster, without data.
func TestRecreatedClusterIsAnother(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 2, Args: []string{"--unsafe-no-fsync"}})
	_, err := c.Client(0).Put(t.Context(), "key", "value")
	must(t, err)
	before, err := c.Client(0).Get(t.Context(), "key")
	must(t, err)
	must(t, c.Recreate(t.Context()))
	after, err := c.Client(0).Get(t.Context(), "key")
	must(t, err)
	if after.Count != 0 || after.Header.ClusterId == before.Header.ClusterId || after.Header.MemberId == before.Header.MemberId {
		t.Errorf("before %v, after %v with %d keys", before.Header, after.Header, after.Count)
	}
	if c.Member(0).ID() != after.Header.MemberId {
		t.Errorf("the member's id is %x, it answers as %x", c.Member(0).ID(), after.Header.MemberId)
	}
}

func TestBusyProcesses(t *testing.T) {
	t.Parallel()
	busy, err := realetcd.StartBusy(2)
	must(t, err)
	for _, pid := range busy.PIDs() {
		if err := syscall.Kill(pid, 0); err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
		if _, err := os.Stat("/proc"); err == nil {
			realetcd.Eventually(t, 20*time.Second, "the process to use processor time", func() (bool, string) {
				stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
				must(t, err)
				used := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))[11]
				return used != "0", used
			})
		}
	}
	must(t, busy.Stop())
	for _, pid := range busy.PIDs() {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d after Stop: %v", pid, err)
		}
	}
}
