package realetcd_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestMemberEndsAndStartsAgain(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		c := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, AdvertiseLocalhost: true})
		m := c.Member(0)
		id := m.ID()
		if _, err := c.Client(0).Put(t.Context(), "key", "before"); err != nil {
			t.Fatal(err)
		}
		for _, end := range []func() error{m.Kill, m.Stop} {
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if m.Running() {
				t.Fatal("the member runs after it was ended")
			}
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			if err := m.AwaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if m.ID() != id {
			t.Errorf("the member's id is %x after a restart, was %x", m.ID(), id)
		}
		answer, err := c.Client(0).Get(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != "before" {
			t.Errorf("read %v, want what was written before", answer.Kvs)
		}
		checkAdvertised(t, c)
	})
}

// checkAdvertised looks whether all members advertise the one URL.
func checkAdvertised(t *testing.T, c *realetcd.Cluster) {
	t.Helper()
	list, err := c.Client(1).MemberList(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list.Members {
		if len(m.ClientURLs) != 1 || m.ClientURLs[0] != list.Members[0].ClientURLs[0] {
			t.Errorf("member %s advertises %v", m.Name, m.ClientURLs)
		}
	}
}

func TestSuspendedMemberIsSilent(t *testing.T) {
	t.Parallel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1, TLS: true})
	m := c.Member(0)
	status := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := m.Client().Status(ctx, m.ClientURL)
		return err
	}
	if err := m.Suspend(); err != nil {
		t.Fatal(err)
	}
	if err := status(); err == nil {
		t.Error("a suspended member answers")
	}
	if err := m.Resume(); err != nil {
		t.Fatal(err)
	}
	realetcd.Eventually(t, 10*time.Second, "the resumed member to answer", func() (bool, string) {
		err := status()
		return err == nil, "no answer"
	})
	if err := m.Suspend(); err != nil { // the end of the test has to cope with it
		t.Fatal(err)
	}
}

// A cluster can be filled beside a member that is suspended, and that member
// fills up once it is resumed.
func TestFillBesideASuspendedMember(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 3, QuotaBytes: 16 * mebibyte, Args: []string{"--unsafe-no-fsync"}})
	must(t, c.Member(2).Suspend())
	_, err := c.Fill(ctx, realetcd.Load{Prefix: "load", LiveBytes: 4 * mebibyte, ValueBytes: 4096, Seed: 1})
	must(t, err)
	must(t, c.Member(2).Resume())
	realetcd.Eventually(t, 20*time.Second, "the resumed member to list NOSPACE", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		status, err := c.Client(2).Status(ctx, c.Member(2).ClientURL)
		return err == nil && len(status.Errors) > 0, fmt.Sprint(status, err)
	})
}

func TestMembersComeAndGo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 2})
	voter, err := c.AddMember(ctx)
	if err != nil {
		t.Fatal(err)
	}
	learner, err := c.AddLearner(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if got := learnersByID(ctx, t, c); len(got) != 4 || got[voter.ID()] || !got[learner.ID()] {
		t.Errorf("members, and whether they learn: %v", got)
	}
	for _, m := range []*realetcd.Member{learner, voter} {
		if err := c.RemoveMember(ctx, m); err != nil {
			t.Fatal(err)
		}
	}
	if got := learnersByID(ctx, t, c); len(got) != 2 || len(c.Members()) != 2 || voter.Running() {
		t.Errorf("after the removal: %v", got)
	}
	if leader, err := c.Leader(ctx); err != nil || !slices.Contains(c.Members(), leader) {
		t.Errorf("the leader is %v, %v", leader, err)
	}
}

func learnersByID(ctx context.Context, t *testing.T, c *realetcd.Cluster) map[uint64]bool {
	t.Helper()
	list, err := clientv3.NewCluster(c.Client(0)).MemberList(ctx)
	if err != nil {
		t.Fatal(err)
	}
	learners := map[uint64]bool{}
	for _, m := range list.Members {
		learners[m.ID] = m.IsLearner
	}
	return learners
}
