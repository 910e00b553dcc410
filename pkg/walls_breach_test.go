package pkg_test

import (
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// Each row is a room of one file that breaks one wall, or stands just inside.
var breaches = []struct {
	room, file string
	source     string
	want       string // part of the only sentence; empty: no wall is broken
}{
	{"pkg/policy", "a.go", `import "time"; func f(t time.Time) bool { return t.IsZero() }`, ""},
	{"pkg/policy", "a.go", `import _ "` + module + `pkg/cluster"`, ""},
	{"pkg/policy", "a.go", `import _ "` + module + `pkg/forecast"`, ""},
	{"pkg/cluster", "a.go", `import _ "` + module + `pkg/policy"`, "may import the standard library only"},
	{"pkg/forecast", "a.go", `import _ "` + module + `pkg/cluster"`, "may import the standard library only"},
	{"pkg/forecast", "a.go", `import _ "os"`, "does no input or output"},
	{"pkg/policy", "a.go", `import _ "` + module + `pkg/event"`, "may import the standard library only"},
	{"pkg/policy", "a.go", `import _ "golang.org/x/exp/rand"`, "may import the standard library only"},
	{"pkg/policy", "a.go", `import _ "context"`, "does no input or output"},
	{"pkg/policy", "a.go", `import _ "os"`, "does no input or output"},
	{"pkg/policy", "a.go", `import _ "net/http"`, "does no input or output"},
	{"pkg/policy", "a.go", `import _ "log/slog"`, "does no input or output"},
	{"pkg/policy", "a.go", `import _ "math/rand/v2"`, "draws no lots"},
	{"pkg/cluster", "a.go", `import _ "sync/atomic"`, "waits for nothing"},
	{"pkg/doctor", "a.go", `import _ "os"`, "does no input or output"},
	{"pkg/doctor", "a.go", `import _ "` + module + `pkg/etcd"`, "may import the standard library only"},
	{"pkg/policy", "a.go", `import "time"; var now = time.Now()`, "take the time as an argument"},

	{"pkg/claim", "a.go", `import _ "go.etcd.io/etcd/client/v3"`, ""},
	{"test/realetcd", "a.go", `import _ "go.etcd.io/etcd/client/v3"`, ""},
	{"pkg/watchdog", "a.go", `import _ "go.etcd.io/etcd/client/v3"`, "only pkg/etcd, pkg/claim may"},
	{"cmd/etcd-watchdog", "a.go", `import _ "google.golang.org/grpc/codes"`, "only pkg/etcd, pkg/claim may"},
	{"pkg/watchdog", "a.go", `import _ "github.com/coreos/go-systemd/v22/daemon"`, "only pkg/systemd may"},
	{"pkg/maintenance", "a.go", `import _ "go.uber.org/zap"`, "only pkg/event, pkg/systemd, cmd, pkg/etcd may"},
	{"pkg/etcd", "a.go", `import "go.uber.org/zap"; var quiet = zap.NewNop()`, ""},
	{"pkg/etcd", "a.go", `import "go.uber.org/zap"; var loud = zap.NewExample()`, "pkg/etcd may use NewNop alone"},
	{"pkg/etcd", "a.go", `import _ "gopkg.in/yaml.v3"`, "only pkg/config may"},
	{"pkg/config", "a.go", `import _ "github.com/spf13/cobra"`, "only cmd may"},
	{"cmd/etcd-watchdog", "a.go", `import _ "github.com/prometheus/client_golang/prometheus"`, "only pkg/metrics may"},
	{"pkg/metrics", "a.go", `import _ "github.com/prometheus/exporter-toolkit/web"`, ""},
	{"pkg/metrics", "a.go", `import "time"; var now = time.Now()`, "time.Now: only watchdog"},

	{"cmd/etcd-watchdog", "a.go", `import _ "` + module + `pkg/config"`, ""},
	{"pkg/watchdog", "a.go", `import _ "` + module + `pkg/config"`, "take options of your own"},

	{"cmd/etcd-watchdog", "a.go", `import "os"; func f() { os.Exit(len(os.Args)) }`, ""},
	{"test/realetcd", "a.go", `import "os"; var home = os.Getenv("HOME")`, ""},
	{"pkg/watchdog", "a.go", `import "os"; func f() { os.Exit(1) }`, "os.Exit: only cmd may"},
	{"pkg/etcd", "a.go", `import sys "os"; var user = sys.Getenv("ETCDCTL_USER")`, "os.Getenv: only cmd may"},
	{"pkg/etcd", "a.go", `import . "os"; var user = Getenv("ETCDCTL_USER")`, "with a dot"},
	{"pkg/systemd", "a.go", `import _ "os/signal"`, "imports os/signal"},

	{"pkg/watchdog", "a.go", `import "time"; var begin = time.Now()`, ""},
	{"pkg/etcd/etcdtest", "a.go", `import "time"; var begin = time.Now()`, ""},
	{"pkg/state", "a.go", `import "time"; var now = time.Now`, "time.Now: only watchdog"},
	{"pkg/state", "a.go", `import "time"; var tick = time.Tick(1)`, "time.Tick: only watchdog"},
	{"cmd/etcd-watchdog", "a.go", `import "time"; var tick = time.NewTicker(1)`, "time.NewTicker: only watchdog"},
	{"pkg/event", "a.go", `import "time"; var late = time.AfterFunc(1, nil)`, "time.AfterFunc: only watchdog"},
	{"pkg/watchdog", "a.go", `import "time"; func f() { time.Sleep(1) }`, "time.Sleep: nobody may"},

	{"pkg/etcd", "a.go", strings.Repeat("\n", 398), ""},
	{"pkg/etcd", "a.go", strings.Repeat("\n", 400), "more than 400"},
	{"pkg/etcd", "a.go", "func f() {" + strings.Repeat("\n", 59) + "}", ""},
	{"pkg/etcd", "a.go", "func f() {" + strings.Repeat("\n", 60) + "}", "f has 61 lines, more than 60"},

	{"pkg/util", "a.go", "", "a package is called after what it is about"},
	{"pkg/etcd/types", "a.go", "", "a package is called after what it is about"},
	{"pkg/etcd", "helper.go", "", "a file is called after what it is about"},
}

// A wall that nobody can break keeps nothing: every one is broken here.
func TestWallsAreSeenToBreak(t *testing.T) {
	for _, b := range breaches {
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, b.file, "package a\n"+b.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatalf("%s: %v", b.source, err)
		}
		r := room{ImportPath: module + b.room}
		r.files = append(r.files, file)
		for _, spec := range file.Imports {
			r.Imports = append(r.Imports, strings.Trim(spec.Path.Value, `"`))
		}
		var got []string
		for _, w := range walls {
			got = append(got, w(r, fset)...)
		}
		switch {
		case b.want == "" && len(got) > 0:
			t.Errorf("%s, %.70q: nothing is wrong with it, got %q", b.room, b.source, got)
		case b.want != "" && (len(got) != 1 || !strings.Contains(got[0], b.want)):
			t.Errorf("%s, %.70q:\n got %q\nwant one with %q", b.room, b.source, got, b.want)
		}
	}
}
