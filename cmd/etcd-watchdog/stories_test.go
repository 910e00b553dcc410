package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// TestRealStories runs the program beside real servers. Each file reads as a
// terminal session, with these commands besides those of testscript:
//
//	status N cmd...    the command ends with status N
//	etcd N             starts N members with a quota of 16 MiB; their endpoints are in $E0, $E1, ...
//	                   and $ETCDCTL_ENDPOINTS is the first
//	watch I            starts the daemon beside member I; its state is in dogI
//	unwatch I          ends it
//	live N             writes N MiB of live data
//	overwrite N        overwrites N MiB of live data until etcd refuses writes
//	corrupt            raises a CORRUPT alarm
//	password           turns authentication on, for root with the password rootword
//	reader             adds the user reader with the password readerword, which may read every key
//	down I             ends member I
//	await TEXT cmd...  repeats the command until it prints the text
//	table FILE         compares what the last command printed with the file, where what differs from
//	                   run to run stands as SIZE, ID, TIME and so on, and columns are two blanks apart
//	valid SCHEMA       holds what the last command printed against docs/schemas
func TestRealStories(t *testing.T) {
	runStories(t, filepath.Join("testdata", "real"), map[string]func(*testscript.TestScript, bool, []string){
		"etcd": startEtcd, "watch": watchMember, "unwatch": unwatchMember, "live": writeLive, "overwrite": overwrite,
		"corrupt": raiseCorrupt, "password": turnOnAuth, "reader": addReader, "down": stopMember, "await": await,
	})
}

func runStories(t *testing.T, dir string, more map[string]func(*testscript.TestScript, bool, []string)) {
	commands := map[string]func(*testscript.TestScript, bool, []string){"status": status, "table": table, "valid": valid, "expired": expired}
	for name, command := range more {
		commands[name] = command
	}
	testscript.Run(t, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Setenv("RUNTIME_DIRECTORY", env.WorkDir)
			env.Setenv("STATE_DIRECTORY", env.WorkDir)
			env.Setenv("TZ", "UTC")
			env.Values["scene"] = &scene{dogs: map[string]*exec.Cmd{}}
			return nil
		},
		Cmds: commands,
	})
}

// scene is the cluster and the daemons of one story.
type scene struct {
	cluster *realetcd.Cluster
	dogs    map[string]*exec.Cmd
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value("scene").(*scene) }

const storyQuota = 16 << 20

// within bounds whatever a story waits for.
const within = time.Minute

func patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), within)
}

func startEtcd(ts *testscript.TestScript, _ bool, args []string) {
	s := sceneOf(ts)
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	line, err := realetcd.FindLine("3.6")
	ts.Check(err)
	ctx, cancel := patience()
	defer cancel()
	s.cluster, err = realetcd.Launch(ctx, filepath.Join(ts.MkAbs("."), "etcd"), realetcd.Config{Line: line, Members: n, QuotaBytes: storyQuota})
	ts.Check(err)
	ts.Defer(func() { _ = s.cluster.Close() })
	for i, endpoint := range s.cluster.Endpoints() {
		ts.Setenv("E"+strconv.Itoa(i), endpoint)
		ts.Check(os.WriteFile(ts.MkAbs(fmt.Sprintf("dog%d.yaml", i)), []byte("etcd:\n  endpoint: "+endpoint+"\nwatch:\n  poll-interval: 500ms\n"), 0o600))
	}
	ts.Setenv("ETCDCTL_ENDPOINTS", s.cluster.Endpoints()[0])
}

func watchMember(ts *testscript.TestScript, _ bool, args []string) {
	s, dir := sceneOf(ts), ts.MkAbs("dog"+args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	log, err := os.Create(filepath.Join(dir, "log"))
	ts.Check(err)
	program, err := exec.LookPath(filepath.Join(filepath.SplitList(ts.Getenv("PATH"))[0], "etcd-watchdog"))
	ts.Check(err)
	dog := exec.Command(program, "run", "--config", ts.MkAbs("dog"+args[0]+".yaml"))
	dog.Env = []string{"STATE_DIRECTORY=" + dir, "RUNTIME_DIRECTORY=" + dir}
	dog.Stderr = log
	ts.Check(dog.Start())
	s.dogs[args[0]] = dog
	ts.Defer(func() {
		if s.dogs[args[0]] == dog {
			_ = dog.Process.Kill()
			_ = dog.Wait()
		}
		_ = log.Close()
	})
}

func unwatchMember(ts *testscript.TestScript, _ bool, args []string) {
	s := sceneOf(ts)
	dog := s.dogs[args[0]]
	delete(s.dogs, args[0])
	ts.Check(dog.Process.Signal(os.Interrupt))
	ts.Check(dog.Wait())
}

func load(ts *testscript.TestScript, args []string) realetcd.Load {
	mib, err := strconv.ParseFloat(args[0], 64)
	ts.Check(err)
	return realetcd.Load{Prefix: "data", LiveBytes: int64(mib * (1 << 20)), ValueBytes: 16 << 10, Seed: 1}
}

func writeLive(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := patience()
	defer cancel()
	_, err := sceneOf(ts).cluster.WriteLive(ctx, load(ts, args))
	ts.Check(err)
}

func overwrite(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := patience()
	defer cancel()
	_, err := sceneOf(ts).cluster.Fill(ctx, load(ts, args))
	ts.Check(err)
}

func raiseCorrupt(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := patience()
	defer cancel()
	c := sceneOf(ts).cluster
	_, err := pb.NewMaintenanceClient(c.Client(0).ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{
		Action: pb.AlarmRequest_ACTIVATE, MemberID: c.Member(0).ID(), Alarm: pb.AlarmType_CORRUPT,
	})
	ts.Check(err)
}

func turnOnAuth(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := patience()
	defer cancel()
	client := sceneOf(ts).cluster.Client(0)
	steps := []func() error{
		func() error { _, err := client.RoleAdd(ctx, "root"); return err },
		func() error {
			_, err := client.UserAddWithOptions(ctx, "root", "rootword", &clientv3.UserAddOptions{})
			return err
		},
		func() error { _, err := client.UserGrantRole(ctx, "root", "root"); return err },
		func() error { _, err := client.AuthEnable(ctx); return err },
	}
	for _, step := range steps {
		ts.Check(step())
	}
}

func addReader(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := patience()
	defer cancel()
	client := sceneOf(ts).cluster.Client(0)
	_, err1 := client.UserAdd(ctx, "reader", "readerword")
	_, err2 := client.RoleAdd(ctx, "reader")
	_, err3 := client.RoleGrantPermission(ctx, "reader", "\x00", "\x00", clientv3.PermissionType(clientv3.PermRead))
	_, err4 := client.UserGrantRole(ctx, "reader", "reader")
	ts.Check(errors.Join(err1, err2, err3, err4))
}

func stopMember(ts *testscript.TestScript, _ bool, args []string) {
	i, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(sceneOf(ts).cluster.Member(i).Kill())
}

func await(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := patience()
	defer cancel()
	ts.Check(realetcd.Await(ctx, args[0], func() (bool, string) {
		_ = ts.Exec(args[1], args[2:]...) // its status is not what is waited for
		out := ts.ReadFile("stdout") + ts.ReadFile("stderr")
		return strings.Contains(out, args[0]), out
	}))
}

// what differs from run to run, and what stands for it.
var varying = []struct {
	written *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?`), "TIME"},
	{regexp.MustCompile(`https?://[0-9a-z.]+:\d+|127\.0\.0\.1:\d+`), "URL"},
	{regexp.MustCompile(`\b[0-9a-f]{14,16}\b`), "ID"},
	{regexp.MustCompile(`\b3\.\d+\.\d+\b`), "VERSION"},
	{regexp.MustCompile(`quota-backend-bytes=[0-9]+`), "quota-backend-bytes=BYTES"},
	{regexp.MustCompile(`\b[0-9.]+ ([KMG]i)?B\b`), "SIZE"},
	{regexp.MustCompile(`\b[0-9.]+ %`), "N %"},
	{regexp.MustCompile(`at revision \d+`), "at revision N"},
	{regexp.MustCompile(`last \d+ revisions`), "last N revisions"},
	{regexp.MustCompile(`(kept|its last) poll( was)? \S+ ago`), "$1 poll$2 AGO ago"},
	{regexp.MustCompile(`process \d+`), "process N"},
	{regexp.MustCompile(` {2,}`), "  "},
	{regexp.MustCompile(`(?m)^(m\d  )(leader|follower)`), "${1}VOTER"}, // whom they elect
}

func normal(ts *testscript.TestScript, s string) string {
	if host, err := os.Hostname(); err == nil {
		s = regexp.MustCompile(`\b`+regexp.QuoteMeta(host)+`\b`).ReplaceAllString(s, "HOST")
	}
	s = strings.ReplaceAll(s, ts.MkAbs("."), "DIR")
	for _, v := range varying {
		s = v.written.ReplaceAllString(s, v.stands)
	}
	return s
}

func table(ts *testscript.TestScript, _ bool, args []string) {
	got, want := normal(ts, ts.ReadFile("stdout")), ts.ReadFile(args[0])
	if got != want {
		ts.Fatalf("printed, as it is compared:\n%s\nwant:\n%s", got, want)
	}
	if strings.ContainsFunc(got, func(r rune) bool { return r != '\n' && (r < ' ' || r == 0x7f) }) {
		ts.Fatalf("control characters in %q, which goes to no terminal", got)
	}
}

func valid(ts *testscript.TestScript, _ bool, args []string) {
	schema, err := jsonschema.NewCompiler().Compile(filepath.Join(schemas, args[0]+".json"))
	ts.Check(err)
	answer, err := jsonschema.UnmarshalJSON(strings.NewReader(ts.ReadFile("stdout")))
	ts.Check(err)
	ts.Check(schema.Validate(answer))
}

// schemas is absolute, since a story has a directory of its own.
var schemas = func() string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "docs", "schemas"))
	if err != nil {
		panic(err)
	}
	return dir
}()

// TestEverySchemaIsUsed: each describes the answer of a command, and a story holds
// it against one.
func TestEverySchemaIsUsed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(schemas, "*.json"))
	if err != nil || len(files) < 2 {
		t.Fatalf("found %v, %v", files, err)
	}
	stories, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	more, moreErr := filepath.Glob(filepath.Join("testdata", "*", "*.txt"))
	if err := errors.Join(err, moreErr); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, story := range append(stories, more...) {
		text, err := os.ReadFile(story)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	for _, file := range files {
		if _, err := jsonschema.NewCompiler().Compile(file); err != nil {
			t.Error(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if !regexp.MustCompile(`(?m)^valid ` + name + `$`).MatchString(all.String()) {
			t.Errorf("no story holds an answer against docs/schemas/%s.json", name)
		}
	}
}

// expired starts a server whose certificate has expired, at $EXPIRED, with its
// authority in ca.pem. Nobody gets further than the handshake with it.
func expired(ts *testscript.TestScript, _ bool, _ []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	now := time.Now()
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "expired"}, NotBefore: now.Add(-48 * time.Hour), NotAfter: now.Add(-24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	ts.Check(err)
	ts.Defer(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = c.(*tls.Conn).HandshakeContext(context.Background()) // the client breaks it off
				_ = c.Close()
			}()
		}
	}()
	ts.Setenv("EXPIRED", "https://"+listener.Addr().String())
}
