package etcd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// The tests below run against real servers of every line that this machine has.

const eventually = 20 * time.Second

// onEachLine runs the test on every server line, unless only quick tests are
// wanted.
func onEachLine(t *testing.T, test func(t *testing.T, line realetcd.Line)) {
	if testing.Short() {
		t.Skip("runs real etcd servers")
	}
	realetcd.EachLine(t, test)
}

// onOneLine runs the test on one server line, where the lines do not differ.
func onOneLine(t *testing.T, test func(t *testing.T, line realetcd.Line)) {
	if testing.Short() {
		t.Skip("runs real etcd servers")
	}
	test(t, realetcd.MustLine(t, "3.6"))
}

// watch opens a Cluster whose local member is member i.
func watch(t *testing.T, real *realetcd.Cluster, i int, change ...func(*etcd.Options)) *etcd.Cluster {
	t.Helper()
	opts := etcd.DefaultOptions()
	opts.Endpoint = real.Member(i).ClientURL
	opts.RequestTimeout = 2 * time.Second
	if tls := real.TLS(); tls != nil {
		opts.CACert, opts.Cert, opts.Key = tls.CACert, tls.Cert, tls.Key
	}
	for _, f := range change {
		f(&opts)
	}
	c, err := etcd.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// observe looks once.
func observe(t *testing.T, c *etcd.Cluster) cluster.View {
	t.Helper()
	return c.Observe(t.Context(), time.Now())
}

// observeUntil looks until the view fits.
func observeUntil(t *testing.T, c *etcd.Cluster, what string, fits func(cluster.View) bool) cluster.View {
	t.Helper()
	var view cluster.View
	realetcd.Eventually(t, eventually, what, func() (bool, string) {
		view = observe(t, c)
		return fits(view), fmt.Sprintf("%+v", view)
	})
	return view
}

func allAnswer(v cluster.View) bool {
	for _, m := range v.Members {
		if m.Contact != cluster.Answered {
			return false
		}
	}
	return v.Leader() != 0
}

func memberID(real *realetcd.Cluster, i int) cluster.MemberID {
	return cluster.MemberID(real.Member(i).ID())
}

// mustFind returns the member of that id.
func mustFind(t *testing.T, v cluster.View, id cluster.MemberID) cluster.Member {
	t.Helper()
	m, ok := v.Member(id)
	if !ok {
		t.Fatalf("member %s is not in the view %+v", id, v)
	}
	return m
}

// fill puts values of 64 KiB each and returns the revision of the last.
func fill(t *testing.T, client *clientv3.Client, values int) int64 {
	t.Helper()
	var revision int64
	value := strings.Repeat("x", 64<<10)
	for range values {
		answer, err := client.Put(t.Context(), "filler", value)
		if err != nil {
			t.Fatal(err)
		}
		revision = answer.Header.Revision
	}
	return revision
}

// raiseAlarm writes through member i until the quota is reached.
func raiseAlarm(t *testing.T, real *realetcd.Cluster, i int) {
	t.Helper()
	value := strings.Repeat("x", 512<<10)
	realetcd.Eventually(t, eventually, "the quota to be reached", func() (bool, string) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err := real.Client(i).Put(ctx, "filler", value)
		return err != nil && strings.Contains(err.Error(), "database space exceeded"), fmt.Sprint(err)
	})
}
