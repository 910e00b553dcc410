package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// TestKeyStories runs keys beside real servers, with these commands besides
// those of TestRealStories:
//
//	put KEY BYTES TIMES  puts a value of that many bytes, that often; the key is as Go quotes it
//	puts FORMAT N BYTES  puts N keys, numbered from 0
//	users                turns authentication on for root, for app, which may read what begins with
//	                     /app/, and for none; the password of each is its name and "word"
//	exactly FILE         compares what was printed last with the file, sizes included; the member
//	                     that was read from stands as MEMBER
func TestKeyStories(t *testing.T) {
	if testing.Short() {
		t.Skip("runs real etcd servers")
	}
	runStories(t, filepath.Join("testdata", "keys"), map[string]func(*testscript.TestScript, bool, []string){
		"etcd": startEtcd, "stop": stopMember, "put": putOne, "puts": putMany, "users": addUsers, "exactly": exactly,
	})
}

// secret is what every value begins with, for a story to look for.
const secret = "SECRET"

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

// put puts the keys, and waits until each member has them: a follower that has
// not heard yet of the last ones would not show them.
func put(ts *testscript.TestScript, size int, keys ...string) {
	ctx, cancel := patience()
	defer cancel()
	value := strings.Repeat(secret, size/len(secret)+1)[:size]
	var revision int64
	for _, key := range keys {
		answer, err := sceneOf(ts).cluster.Client(0).Put(ctx, key, value)
		ts.Check(err)
		revision = answer.Header.Revision
	}
	for _, m := range sceneOf(ts).cluster.Running() {
		ts.Check(realetcd.Await(ctx, m.Name+" to have the keys", func() (bool, string) {
			answer, err := m.Client().Get(ctx, keys[0], clientv3.WithSerializable(), clientv3.WithCountOnly())
			return err == nil && answer.Header.Revision >= revision, fmt.Sprint(answer, err)
		}))
	}
}

func putOne(ts *testscript.TestScript, _ bool, args []string) {
	key, err := strconv.Unquote(`"` + args[0] + `"`)
	ts.Check(err)
	put(ts, number(ts, args[1]), slices.Repeat([]string{key}, number(ts, args[2]))...)
}

func putMany(ts *testscript.TestScript, _ bool, args []string) {
	var keys []string
	for i := range number(ts, args[1]) {
		keys = append(keys, fmt.Sprintf(args[0], i))
	}
	put(ts, number(ts, args[2]), keys...)
}

func addUsers(ts *testscript.TestScript, _ bool, _ []string) {
	ctx, cancel := patience()
	defer cancel()
	client := sceneOf(ts).cluster.Client(0)
	for _, name := range []string{"root", "app", "none"} {
		_, err := client.RoleAdd(ctx, name)
		ts.Check(err)
		_, err = client.UserAdd(ctx, name, name+"word")
		ts.Check(err)
		_, err = client.UserGrantRole(ctx, name, name)
		ts.Check(err)
	}
	_, err := client.RoleGrantPermission(ctx, "app", "/app/", clientv3.GetPrefixRangeEnd("/app/"), clientv3.PermissionType(clientv3.PermRead))
	ts.Check(err)
	_, err = client.AuthEnable(ctx)
	ts.Check(err)
}

var servedBy = regexp.MustCompile(`m\d \([0-9a-f]{14,16}\)`)

func exactly(ts *testscript.TestScript, _ bool, args []string) {
	got, want := servedBy.ReplaceAllString(ts.ReadFile("stdout"), "MEMBER"), ts.ReadFile(args[0])
	if got != want {
		ts.Fatalf("printed\n%s\nwant\n%s", got, want)
	}
}

// TestKeysStopsWithoutHalfAnAnswer: the rate is so low that the second page
// would come in minutes.
func TestKeysStopsWithoutHalfAnAnswer(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a real etcd server")
	}
	real := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1})
	for i := range 100 {
		if _, err := real.Client(0).Put(t.Context(), fmt.Sprintf("key-%d", i), strings.Repeat("v", 10_000)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	var stdout, stderr bytes.Buffer
	got := run(ctx, []string{"keys", "--endpoints", real.Member(0).ClientURL, "--rate", "1KiB"}, &stdout, &stderr)
	if got != exitFailed || stdout.Len() != 0 || !strings.Contains(stderr.String(), "stopped after") {
		t.Errorf("status %d, printed %q and %q", got, stdout.String(), stderr.String())
	}
}

func TestPaceKeepsToItsRate(t *testing.T) {
	for rate, want := range map[int64]time.Duration{0: 0, 1000: 9 * time.Second, 2000: 4500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			p, begin := pace{bytesPerSecond: rate}, time.Now()
			for range 10 { // the last page's share passes after it
				if err := p.wait(t.Context(), 1000); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(begin); took != want {
				t.Errorf("ten pages of 1000 bytes at %d bytes a second took %v, want %v", rate, took, want)
			}
			synctest.Wait()
		})
	}
}

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	bar := &progressBar{w: &out, width: 50}
	bar.show(500, 1000)
	bar.show(501, 1000)
	bar.show(2000, 1000) // keys were added since they were counted
	want := "\r[###########...........]   50%  500 of 1,000 keys" + "\r[####################]  100%  2,000 of 1,000 keys"
	if out.String() != want {
		t.Errorf("drawn\n%q\nwant\n%q", out.String(), want)
	}
	for drawn := range strings.SplitSeq(out.String(), "\r") {
		if len(drawn) >= 50 {
			t.Errorf("%q fills the last column, where a terminal begins a new line", drawn)
		}
	}
	out.Reset()
	bar.clear()
	if out.String() != "\r"+strings.Repeat(" ", 49)+"\r" {
		t.Errorf("cleared by %q", out.String())
	}
	silent := newProgressBar(&out)
	out.Reset()
	silent.show(1, 2)
	silent.clear()
	if file, err := os.Create(filepath.Join(t.TempDir(), "out")); err != nil || out.Len() > 0 || newProgressBar(file).width != 0 {
		t.Errorf("%q written to what is no terminal, %v", out.String(), err)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s, want %s", n, got, want)
		}
	}
}
