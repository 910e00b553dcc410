package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// running is a daemon beside an etcd that is not there, as far as it can run
// within a test: its signals come over a channel.
type running struct {
	*testing.T
	*program
	file    string
	reloads chan os.Signal
	stop    context.CancelFunc
	ended   chan error

	mu   sync.Mutex
	log  bytes.Buffer
	said []string // to the service manager, in order
}

// Write takes what the daemon writes to its standard error.
func (r *running) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Write(p)
}

// quiet is a configuration of a test's daemon, to which lines may be added.
const quiet = "etcd:\n  endpoint: http://127.0.0.1:1\n  request-timeout: 1s\nwatch:\n  poll-interval: 100ms\n  min-poll-interval: 50ms\nlog:\n  format: json\n"

// runDaemon starts a daemon with that configuration; prepare may change what it
// is made of.
func runDaemon(t *testing.T, configuration string, prepare func(*program)) *running {
	t.Helper()
	r := &running{T: t, file: filepath.Join(t.TempDir(), "etcd-watchdog.yaml"), reloads: make(chan os.Signal, 1), ended: make(chan error, 1)}
	r.listen()
	r.configure(configuration)
	from := source{path: r.file, named: true, stderr: r}
	c, err := from.load()
	if err != nil {
		t.Fatal(err)
	}
	recorder, err := newLogger(c.Log, r, &event.Losses{})
	if err != nil {
		t.Fatal(err)
	}
	here := surroundings{
		keep:  func(watchdog.Kept) error { return nil },
		pause: func() (cluster.Pause, error) { return cluster.Pause{}, nil },
	}
	if r.program, err = build(c, recorder, claim.NewEphemeralSession(), here, false); err != nil {
		t.Fatal(err)
	}
	prepare(r.program)
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	go func() { r.ended <- r.supervise(ctx, from, r.reloads) }()
	t.Cleanup(r.end)
	return r
}

func (r *running) end() {
	r.stop()
	if err := <-r.ended; err != nil {
		r.Error(err)
	}
	closeLogger(r.recorder)
	_ = r.cluster.Close()
	if r.Failed() {
		r.Logf("log:\n%s\nto the service manager:\n%s", r.log.String(), strings.Join(slices.Compact(r.said), "\n"))
	}
}

// listen is the service manager.
func (r *running) listen() {
	r.Helper()
	path := filepath.Join(r.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = conn.Close() })
	r.Setenv("NOTIFY_SOCKET", path)
	go func() {
		datagram := make([]byte, 1<<16)
		for {
			n, err := conn.Read(datagram)
			if err != nil {
				return
			}
			r.mu.Lock()
			r.said = append(r.said, string(datagram[:n]))
			r.mu.Unlock()
		}
	}()
}

func (r *running) configure(text string) {
	r.Helper()
	err := os.WriteFile(r.file+".new", []byte(text), 0o600)
	if err = errors.Join(err, os.Rename(r.file+".new", r.file)); err != nil {
		r.Fatal(err)
	}
}

// until waits for a condition of the log and of what the service manager was told.
func (r *running) until(what string, holds func(log string, said []string) bool) {
	r.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		r.mu.Lock()
		log, said := r.log.String(), slices.Clone(r.said)
		r.mu.Unlock()
		if holds(log, said) {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("it did not come to be: %s", what)
		}
	}
}

// wrote waits until a line of the log has all the parts.
func (r *running) wrote(parts ...string) {
	r.Helper()
	r.until("an entry with "+strings.Join(parts, " and "), func(log string, _ []string) bool {
		return slices.ContainsFunc(strings.Split(log, "\n"), func(line string) bool {
			return !slices.ContainsFunc(parts, func(p string) bool { return !strings.Contains(line, p) })
		})
	})
}

// told waits until the service manager has been told those things, in this order.
func (r *running) told(parts ...string) {
	r.Helper()
	r.until("told "+strings.Join(parts, ", then "), func(_ string, said []string) bool {
		for _, p := range parts {
			i := slices.IndexFunc(said, func(s string) bool { return strings.Contains(s, p) })
			if i < 0 {
				return false
			}
			said = said[i+1:]
		}
		return true
	})
}

// status waits until the latest status line does, or does not, contain a text.
func (r *running) status(part string, contains bool) {
	r.Helper()
	r.until("the status line with or without "+part, func(_ string, said []string) bool {
		for _, s := range slices.Backward(said) {
			if line, ok := strings.CutPrefix(s, "STATUS="); ok {
				return strings.Contains(line, part) == contains
			}
		}
		return false
	})
}

func (r *running) reload(text string) {
	r.Helper()
	r.configure(text)
	r.reloads <- syscall.SIGHUP
}

func TestStartIsReadyAfterTheFirstLook(t *testing.T) {
	r := runDaemon(t, quiet, func(*program) {})
	r.told("STATUS=looking at the cluster for the first time", "STATUS=no member answers", "READY=1")
}

func TestStartIsReadyInTheEndAlsoIfTheFirstLookHangs(t *testing.T) {
	observer := newStuck()
	r := runDaemon(t, strings.Replace(quiet, "request-timeout: 1s", "request-timeout: 100ms", 1), func(p *program) { p.dog.Observer = observer })
	r.told("EXTEND_TIMEOUT_USEC=600000", "READY=1")
	close(observer.release)
}

func TestReload(t *testing.T) {
	r := runDaemon(t, quiet, func(*program) {})
	r.told("READY=1")
	book := r.book
	r.reload(strings.Replace(quiet, "poll-interval: 100ms", "poll-interval: 150ms", 1) + "  level: debug\n")
	r.wrote(`"reloaded"`, "changed: watch.poll-interval, log.level")
	r.told("READY=1", "RELOADING=1\nMONOTONIC_USEC=", "READY=1")
	r.wrote(`"polled"`) // the level that was changed holds
	r.reload(quiet + "  level: debug\n")
	r.wrote(`"reloaded"`, "changed: watch.poll-interval\"")
	r.reload(quiet + "  level: debug\n")
	r.wrote(`"reloaded"`, "no key has changed")
	if r.book != book {
		t.Error("the book with the tickets was replaced")
	}
}

// Whatever is wrong with the configuration, the earlier one stays in force, and
// that is said until a reload succeeds.
func TestReloadThatFailsChangesNothing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.pem")
	const word = "the earlier one is in force"
	for name, tc := range map[string]struct {
		text string
		says []string // the entry
	}{
		"a fault":             {quiet + "thresholds:\n  warn-at: 120%\nclaim:\n  ttl: 5\n", []string{".yaml:10:12: thresholds.warn-at", ".yaml:12:8: claim.ttl"}},
		"no file to be read":  {strings.Replace(quiet, "etcd:\n", "etcd:\n  cacert: "+missing+"\n", 1), []string{"cacert", missing}},
		"an empty file":       {"\n", []string{"the file is empty", "write a comment into it"}},
		"a restart is needed": {quiet + "claim:\n  prefix: /other\nmaintenance:\n  mode: observe\n", []string{"maintenance.mode, claim.prefix", "only a restart"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := runDaemon(t, quiet, func(*program) {})
			r.told("READY=1")
			r.reload(tc.text)
			r.wrote(append(tc.says, `"reload_failed"`, `"err"`)...)
			r.told("RELOADING=1", word, "READY=1", word) // the next poll says it as well
			r.status(tc.says[0], true)
			r.reload(quiet + "  level: debug\n")
			r.wrote(`"reloaded"`)
			r.status(word, false)
		})
	}
}

// A loop after a reload has all that the one before it had.
func TestReloadForgetsNothing(t *testing.T) {
	text := strings.Replace(quiet, "etcd:\n", "etcd:\n  data-dir: "+t.TempDir()+"\n", 1)
	r := runDaemon(t, text, func(*program) {})
	r.told("READY=1")
	before := reflect.ValueOf(*r.dog)
	r.reload(text + "  level: debug\n")
	r.wrote(`"reloaded"`, "changed: log.level")
	after := reflect.ValueOf(*r.dog)
	for i := range before.NumField() {
		if field := before.Type().Field(i); field.IsExported() && field.Name != "Learnt" && before.Field(i).IsZero() != after.Field(i).IsZero() {
			t.Errorf("%s is set before the reload: %t, after it: %t", field.Name, !before.Field(i).IsZero(), !after.Field(i).IsZero())
		}
	}
	for _, name := range []string{"Disk", "Keep", "Pause", "Rights"} {
		if before.FieldByName(name).IsZero() {
			t.Errorf("%s is not set: the test shows nothing", name)
		}
	}
}

// A file that is empty or gone for a moment, as editors leave it, takes no value
// back; it is no fault where there is none to lose.
func TestReloadOfNothing(t *testing.T) {
	set, err := config.Parse("a file", []byte(quiet))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "etcd-watchdog.yaml")
	for _, tt := range []struct {
		name    string
		content string // "-": no file
		inForce config.Config
		named   bool
		says    string // empty: it is taken
	}{
		{"empty", "", set, false, "the file is empty"},
		{"blank", " \n\t\n", set, true, "the file is empty"},
		{"gone", "-", set, false, "no such file"},
		{"gone, and named", "-", set, true, "no such file"},
		{"gone, and named, with the defaults", "-", config.Default(), true, "no such file"},
		{"empty, with the defaults", "", config.Default(), false, ""},
		{"gone, with the defaults", "-", config.Default(), false, ""},
		{"a comment says that it is meant", "# the defaults\n", set, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.content == "-" {
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
			c, err := source{path: path, named: tt.named}.again(tt.inForce)
			switch {
			case tt.says == "" && (err != nil || len(config.Changed(c, config.Default())) > 0):
				t.Errorf("%+v, %v, want the defaults", c, err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

// A reload waits for the tick at hand, and those that are asked for meanwhile
// are one, with the file as it then is.
func TestReloadWaitsForWorkInFlight(t *testing.T) {
	observer := newStuck()
	r := runDaemon(t, quiet, func(p *program) { p.dog.Observer = observer })
	<-observer.entered // before that, there is no work in flight
	r.reload(quiet + "  level: debug\n")
	r.status("waits for the work in flight", true)
	r.reload(quiet + "  level: notice\n")
	select {
	case r.reloads <- syscall.SIGHUP:
		t.Error("a third signal is served for itself")
	default:
	}
	r.until("nothing yet", func(log string, _ []string) bool { return !strings.Contains(log, `"reloaded"`) })
	close(observer.release)
	r.wrote(`"reloaded"`, "changed: log.level")
	r.told("RELOADING=1", "READY=1", "RELOADING=1", "READY=1")
	r.status("waits for", false)
}
