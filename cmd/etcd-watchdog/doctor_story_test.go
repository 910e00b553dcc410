package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"

	"crypto/rand"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// TestDoctorStories has doctor examine real clusters. The command "cluster" of
// a story starts one: see its cases for the words that it takes.
func TestDoctorStories(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real etcd servers")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/doctor",
		Setup: func(env *testscript.Env) error {
			env.Setenv("RUNTIME_DIRECTORY", env.WorkDir)
			env.Setenv("STATE_DIRECTORY", env.WorkDir)
			env.Setenv("PATH", env.WorkDir+"/bin:"+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":     status,
			"eventually": eventually,
			"cluster":    startCluster,
			"valid":      valid,
		},
	})
}

// eventually runs a command until it ends with that status, as status demands.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	var got string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if got = "exit status 0"; ts.Exec(args[1], args[2:]...) != nil {
			got = fmt.Sprint(ts.Exec(args[1], args[2:]...))
		}
		if got == "exit status "+args[0] {
			return
		}
		<-time.After(100 * time.Millisecond)
	}
	ts.Fatalf("%v ended with %s, want status %s", args[1:], got, args[0])
}

// startCluster starts a cluster of 3.6 and sets etcdctl's environment for it.
func startCluster(ts *testscript.TestScript, _ bool, args []string) {
	line, err := realetcd.FindLine("3.6")
	ts.Check(err)
	config := realetcd.Config{Line: line, Members: 1}
	words := strings.Join(args, " ")
	if strings.Contains(words, "three") {
		config.Members = 3
	}
	config.TLS = strings.Contains(words, "tls")
	if strings.Contains(words, "quotas") { // the first member has another one
		config.MemberArgs = func(i int) []string { return []string{fmt.Sprintf("--quota-backend-bytes=%d", (i+1)<<26)} }
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := realetcd.Launch(ctx, ts.MkAbs("cluster"), config)
	ts.Check(err)
	ts.Defer(func() { ts.Check(c.Close()) })
	ts.Setenv("ETCDCTL_ENDPOINTS", c.Endpoints()[0])
	ts.Setenv("ETCDCTL_COMMAND_TIMEOUT", "3s")
	if files := c.TLS(); files != nil {
		ts.Setenv("ETCDCTL_CACERT", files.CACert)
		ts.Setenv("ETCDCTL_CERT", files.Cert)
		ts.Setenv("ETCDCTL_KEY", files.Key)
	}
	if strings.Contains(words, "auth") {
		client := c.Client(0)
		_, err1 := client.RoleAdd(ctx, "root")
		_, err2 := client.UserAdd(ctx, "root", "rootword")
		_, err3 := client.UserAdd(ctx, "plain", "plainword")
		_, err4 := client.UserGrantRole(ctx, "root", "root")
		_, err5 := client.AuthEnable(ctx)
		ts.Check(errors.Join(err1, err2, err3, err4, err5))
	}
	if strings.Contains(words, "expired") {
		ts.Check(c.Member(0).Kill())
		ts.Check(c.Member(0).Start("--cert-file=" + expiredBeside(ts, c.TLS())))
	}
}

// expiredBeside issues a certificate that has ended, by the same authority and
// for the same key as the cluster's.
func expiredBeside(ts *testscript.TestScript, files *realetcd.Credentials) string {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	ts.Check(err)
	text, err := os.ReadFile(files.CACert)
	ts.Check(err)
	block, _ := pem.Decode(text)
	authority, err := x509.ParseCertificate(block.Bytes)
	ts.Check(err)
	old := *pair.Leaf
	old.SerialNumber = big.NewInt(3)
	old.NotBefore, old.NotAfter = time.Now().Add(-72*time.Hour), time.Now().Add(-50*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, &old, authority, pair.Leaf.PublicKey, pair.PrivateKey)
	ts.Check(err)
	path := ts.MkAbs("expired.pem")
	ts.Check(os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return path
}
