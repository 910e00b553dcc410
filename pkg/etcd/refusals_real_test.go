package etcd_test

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

var update = flag.Bool("update", false, "write the golden table of refusals")

const refusals = "testdata/refusals.golden"

// TestRefusals holds what is said where a server of each line refuses us, or we it,
// against a golden table, and that the same connection works once the cause is
// removed: no fault of a file needs a restart.
//
// go test ./pkg/etcd -run TestRefusals -update writes the table. Commit a difference
// if an operator finds the cause and the next step in the new sentence.
func TestRefusals(t *testing.T) {
	said := map[string]map[string][]string{} // by fault, sentence: lines
	note := func(line, fault, sentence string) {
		if said[fault] == nil {
			said[fault] = map[string][]string{}
		}
		said[fault][sentence] = append(said[fault][sentence], line)
	}
	onEachLine(t, func(t *testing.T, line realetcd.Line) {
		refusedByTLS(t, line, note)
		refusedByAuth(t, line, "simple", nil, note)
		refusedByAuth(t, line, "jwt", jwt(t), note)
	})
	if t.Failed() || t.Skipped() {
		return
	}
	var table strings.Builder
	faults := make([]string, 0, len(said))
	for fault := range said {
		faults = append(faults, fault)
	}
	slices.Sort(faults)
	for _, fault := range faults {
		var rows []string
		for sentence, lines := range said[fault] {
			of := "all lines"
			if len(said[fault]) > 1 {
				of = strings.Join(lines, ", ")
			}
			rows = append(rows, fmt.Sprintf("%s (%s)\n\t%s\n", fault, of, sentence))
		}
		slices.Sort(rows)
		table.WriteString(strings.Join(rows, ""))
	}
	if *update {
		if err := os.WriteFile(refusals, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(refusals)
	if err != nil || string(want) != table.String() {
		t.Errorf("got\n%s\nwant\n%s\n%v", table.String(), want, err)
	}
}

var (
	instant = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	address = regexp.MustCompile(`(https?)://127\.0\.0\.1:\d+`)
	folder  = regexp.MustCompile(`/\S*/(ca|cert|key)\.pem`)
)

// general takes out what differs from run to run.
func general(s string) string {
	if s == "" {
		return "(answers all the same)" // 3.4 checks no user for a status
	}
	s = instant.ReplaceAllString(s, "DATE")
	s = address.ReplaceAllString(s, "$1://HOST")
	return folder.ReplaceAllString(s, "DIR/$1.pem")
}

// refusedByTLS tries each wrong file against a server that asks for certificates.
func refusedByTLS(t *testing.T, line realetcd.Line, note func(line, fault, sentence string)) {
	real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1, TLS: true})
	good := real.TLS()
	ours := authorityOf(t, good)
	other := newAuthority(t, "another authority")
	past, future := time.Now().Add(-24*time.Hour), time.Now().Add(24*time.Hour)
	leaf := func(a authority, from, until time.Time, usage x509.ExtKeyUsage) (cert, key string) {
		return files(t, a.pair(t, from, until, usage))
	}
	for fault, spoil := range map[string]func(o *etcd.Options){
		"CA: another authority": func(o *etcd.Options) { copyTo(t, write(t, string(other.pem)), o.CACert) },
		"client certificate: expired": func(o *etcd.Options) {
			c, k := leaf(ours, past.Add(-time.Hour), past, x509.ExtKeyUsageClientAuth)
			copyTo(t, c, o.Cert)
			copyTo(t, k, o.Key)
		},
		"client certificate: not yet": func(o *etcd.Options) {
			c, k := leaf(ours, future, future.Add(time.Hour), x509.ExtKeyUsageClientAuth)
			copyTo(t, c, o.Cert)
			copyTo(t, k, o.Key)
		},
		"client certificate: another CA": func(o *etcd.Options) {
			c, k := leaf(other, past, future, x509.ExtKeyUsageClientAuth)
			copyTo(t, c, o.Cert)
			copyTo(t, k, o.Key)
		},
		"client certificate: no client": func(o *etcd.Options) {
			c, k := leaf(ours, past, future, x509.ExtKeyUsageServerAuth)
			copyTo(t, c, o.Cert)
			copyTo(t, k, o.Key)
		},
	} {
		dir := t.TempDir()
		o := etcd.Options{CACert: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
		restore := func() {
			copyTo(t, good.CACert, o.CACert)
			copyTo(t, good.Cert, o.Cert)
			copyTo(t, good.Key, o.Key)
		}
		restore()
		spoil(&o)
		c := watch(t, real, 0, func(opts *etcd.Options) { opts.CACert, opts.Cert, opts.Key = o.CACert, o.Cert, o.Key })
		view := observe(t, c)
		note(line.Name, fault, general(view.Problem))
		if view.Problem == "" {
			t.Errorf("%s: accepted", fault)
		}
		restore()
		observeUntil(t, c, fault+" to be over", func(v cluster.View) bool { return v.Problem == "" })
	}
	wrong := watch(t, real, 0, func(o *etcd.Options) { o.ServerName = "other.example" })
	note(line.Name, "server: another name", general(observe(t, wrong).Problem))
	none := watch(t, real, 0, func(o *etcd.Options) { o.Cert, o.Key = "", "" })
	note(line.Name, "client certificate: none", general(observe(t, none).Problem))
}

// refusedByAuth tries each wrong sign-in against a server with authentication on.
func refusedByAuth(t *testing.T, line realetcd.Line, token string, args []string, note func(line, fault, sentence string)) {
	real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1, Args: args})
	turnOnAuth(t, real.Client(0))
	password := filepath.Join(t.TempDir(), "password")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(password, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("wrong")
	c := watch(t, real, 0, from("root", password))
	note(line.Name, token+" token: wrong password", general(observe(t, c).Problem))
	put("rootword")
	observeUntil(t, c, "the right password to be used", func(v cluster.View) bool { return v.Problem == "" })
	note(line.Name, token+" token: no user", general(observe(t, watch(t, real, 0)).Problem))

	plain := watch(t, real, 0, as(t, "plain", "plainword"))
	err := plain.CheckRights(t.Context())
	if !errors.Is(err, etcd.ErrMissingRights) {
		t.Errorf("%s: rights of a user without the role root: %v", token, err)
	}
	note(line.Name, token+" token: role missing", general(fmt.Sprint(err)))
	root, err := clientv3.New(clientv3.Config{Endpoints: []string{real.Member(0).ClientURL}, Username: "root", Password: "rootword"})
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if _, err := root.UserGrantRole(t.Context(), "plain", "root"); err != nil {
		t.Fatal(err)
	}
	observe(t, plain) // a token of before the change is refused, and replaced
	if err := plain.CheckRights(t.Context()); err != nil {
		t.Errorf("%s: after the role was granted: %v", token, err)
	}
}

// authorityOf is the one that realetcd has made, whose key is that of its pair.
func authorityOf(t *testing.T, files *realetcd.Credentials) authority {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files.CACert)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, pair.PrivateKey.(*ecdsa.PrivateKey), text}
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = errors.Join(os.WriteFile(to+".new", text, 0o600), os.Rename(to+".new", to))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// jwt returns the flags for tokens that etcd signs.
func jwt(t *testing.T) []string {
	t.Helper()
	cert, key := issue(t, &x509.Certificate{Subject: pkix.Name{CommonName: "jwt"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4zero}}, nil, nil)
	public, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--auth-token=jwt,pub-key=" + write(t, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))) +
		",priv-key=" + write(t, string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}))) + ",sign-method=ES256,ttl=5m"}
}
