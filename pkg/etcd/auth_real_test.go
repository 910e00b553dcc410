package etcd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// as signs in as that user.
func as(t *testing.T, user, password string) func(*etcd.Options) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return from(user, file)
}

// from signs in as that user with the password in a file.
func from(user, file string) func(*etcd.Options) {
	return func(o *etcd.Options) { o.User, o.PasswordFile = user, file }
}

// turnOnAuth makes the users root and plain, the latter without the role root.
func turnOnAuth(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	var errs []error
	do := func(err error) { errs = append(errs, err) }
	_, err := client.RoleAdd(ctx, "root")
	do(err)
	_, err = client.UserAdd(ctx, "root", "rootword")
	do(err)
	_, err = client.UserAdd(ctx, "plain", "plainword")
	do(err)
	_, err = client.UserGrantRole(ctx, "root", "root")
	do(err)
	_, err = client.AuthEnable(ctx)
	do(err)
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

func TestAuthentication(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1})
		id := memberID(real, 0)
		beforehand := watch(t, real, 0, as(t, "root", "rootword")) // a user while authentication is off
		wantContact(t, observe(t, beforehand), id, cluster.Answered, "")
		for name, c := range map[string]*etcd.Cluster{"with a user": beforehand, "without": watch(t, real, 0)} {
			if err := c.CheckRights(t.Context()); err != nil {
				t.Errorf("rights %s, authentication is off: %v", name, err)
			}
		}
		turnOnAuth(t, real.Client(0))
		defragment := cluster.Step{Kind: cluster.StepDefragment, Member: id}

		for name, c := range map[string]*etcd.Cluster{"signed in before": beforehand, "root": watch(t, real, 0, as(t, "root", "rootword"))} {
			wantContact(t, observe(t, c), id, cluster.Answered, "")
			if err := errors.Join(c.CheckRights(t.Context()), c.Do(t.Context(), defragment)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}

		plain := watch(t, real, 0, as(t, "plain", "plainword"))
		wantContact(t, observe(t, plain), id, cluster.Answered, "")
		if err := plain.CheckRights(t.Context()); !errors.Is(err, etcd.ErrMissingRights) || !strings.Contains(err.Error(), "grant-role plain root") {
			t.Errorf("rights of a user without the role root: %v", err)
		}
		if err := plain.Do(t.Context(), defragment); err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "role root") {
			t.Errorf("defragmentation by a user without the role root: %v", err)
		}

		file := filepath.Join(t.TempDir(), "password")
		if err := os.WriteFile(file, []byte("wrong\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		wrong := watch(t, real, 0, from("root", file))
		if view := observe(t, wrong); !strings.Contains(view.Problem, "correct user and password-file") {
			t.Errorf("with a wrong password: %+v", view)
		}
		if err := wrong.CheckRights(t.Context()); !errors.Is(err, etcd.ErrMissingRights) {
			t.Errorf("rights with a wrong password: %v", err)
		}
		if err := os.WriteFile(file, []byte("rootword\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := wrong.CheckRights(t.Context()); err != nil {
			t.Errorf("rights after the password file was corrected: %v", err)
		}
		if err := watch(t, real, 0).CheckRights(t.Context()); !errors.Is(err, etcd.ErrMissingRights) || !strings.Contains(err.Error(), "set user and password-file") {
			t.Errorf("rights without a user: %v", err)
		}
	})
}

func TestTokenOfARestartedMember(t *testing.T) {
	onOneLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1})
		turnOnAuth(t, real.Client(0))
		c := watch(t, real, 0, as(t, "root", "rootword"))
		wantContact(t, observe(t, c), memberID(real, 0), cluster.Answered, "")
		if err := real.Member(0).Kill(); err != nil {
			t.Fatal(err)
		}
		if err := real.Member(0).Start(); err != nil { // it knows no token any more
			t.Fatal(err)
		}
		observeUntil(t, c, "the member to answer again", allAnswer)
	})
}

func TestTLS(t *testing.T) {
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 3, TLS: true})
		c := watch(t, real, 0)
		view := observeUntil(t, c, "every member to answer", allAnswer)
		if q := view.Members[0].Quota; q.Source != cluster.QuotaLearnt {
			t.Errorf("quota %+v, want it learnt", q)
		}
		id := memberID(real, 1)
		if err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: id}); err != nil {
			t.Error(err)
		}
		if e := c.Evidence(t.Context(), id); !e.Known || e.Completed != 1 {
			t.Errorf("evidence %+v, want one defragmentation", e)
		}
		for name, tc := range map[string]struct {
			change func(*etcd.Options)
			says   string
		}{
			"no certificate": {func(o *etcd.Options) { o.Cert, o.Key = "", "" }, "asks for a client certificate"},
			"no authority":   {func(o *etcd.Options) { o.CACert = "" }, "an authority that cacert does not hold"},
			"without TLS":    {func(o *etcd.Options) { o.Endpoint = strings.Replace(o.Endpoint, "https:", "http:", 1) }, "use https://"},
		} {
			c := watch(t, real, 0, tc.change)
			observeUntil(t, c, name+" to be explained", func(v cluster.View) bool { return strings.Contains(v.Problem, tc.says) })
		}
		turnOnAuth(t, real.Client(0)) // the certificate's name is root
		if err := c.CheckRights(t.Context()); err != nil {
			t.Errorf("rights of the certificate's user root: %v", err)
		}
	})
}
