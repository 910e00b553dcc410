package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/faults/netns"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// What every cluster and every watchdog of the suite runs with.
const (
	quota       = 64 * mebibyte
	disarmBelow = 0.9
	keep        = 1000
	ttl         = 30 * time.Second
	prefix      = "/etcd-watchdog"
)

// sections is the configuration of the watchdogs but for the endpoint: what
// makes runs short, and else the defaults.
const sections = `watch:
  poll-interval: 1s
  min-poll-interval: 200ms
maintenance:
  adopt-after: 4s
claim:
  ttl: 30s
`

// timeouts are the keys of the section etcd.
var timeouts = map[string]string{"request-timeout": "2s", "dial-timeout": "2s"}

// worldKey says what world it is.
type worldKey struct {
	line    string
	members int
	kind    kind
}

func (k worldKey) String() string { return fmt.Sprintf("%s×%d/%s", k.line, k.members, k.kind) }

// world is a cluster and its watchdogs, which run after run is done to.
type world struct {
	key     worldKey
	dir     string
	binary  string
	cluster *realetcd.Cluster
	wire    *wiring    // of a wired world
	net     *netns.Net // of one that is apart

	mu    sync.Mutex
	dogs  []*watchdogs.Watchdog
	down  map[*watchdogs.Watchdog]bool // ended by a fault, and not to be started by anybody else
	runs  int
	spent bool // a run has changed what cannot be changed back
}

// launch makes a world below dir.
func launch(ctx context.Context, dir, binary string, key worldKey) (*world, error) {
	own, err := os.MkdirTemp(dir, "world")
	if err != nil {
		return nil, err
	}
	w := &world{key: key, dir: own, binary: binary, down: map[*watchdogs.Watchdog]bool{}}
	if err := w.launch(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make world %s: %w", key, err), w.close())
	}
	return w, nil
}

func (w *world) launch(ctx context.Context) error {
	line, err := realetcd.FindLine(w.key.line)
	if err != nil {
		return err
	}
	cfg := realetcd.Config{Line: line, Members: w.key.members, QuotaBytes: quota, Args: serverArguments(w.key.line)}
	if w.key.kind == disks {
		if cfg.MemberArgs, err = w.mountDisks(); err != nil {
			return err
		}
	}
	switch w.key.kind {
	case wired:
		w.wire = newWiring(w.processes)
		cfg.Advertise = w.wire.advertise
	case apart:
		if w.net, err = netns.New(); err != nil {
			return err
		}
		w.net.Place(&cfg)
	}
	if w.cluster, err = realetcd.Launch(ctx, filepath.Join(w.dir, "cluster"), cfg); err != nil {
		return err
	}
	for _, m := range w.cluster.Members() {
		if _, err := w.addDog("dog-"+m.Name, m); err != nil {
			return err
		}
	}
	return nil
}

// serverArguments keep a cluster small that is filled again and again: its log
// is dropped early, and not synced to a disk that is memory. Compaction goes in
// small steps, so that it can be met in the middle.
func serverArguments(line string) []string {
	args := []string{"--snapshot-count=1000", "--max-wals=1", "--max-snapshots=1"}
	switch line {
	case "3.4":
		return append(args, "--experimental-compaction-batch-limit=200")
	case "3.5":
		return append(args, "--experimental-compaction-batch-limit=200", "--unsafe-no-fsync")
	}
	return append(args, "--compaction-batch-limit=200", "--snapshot-catchup-entries=500", "--unsafe-no-fsync")
}

// addDog adds a watchdog beside the member and starts it.
func (w *world) addDog(name string, m *realetcd.Member) (*watchdogs.Watchdog, error) {
	dog, err := watchdogs.New(w.binary, filepath.Join(w.dir, "watchdogs"), name, w.config(m, sections))
	if err != nil {
		return nil, err
	}
	if w.net != nil {
		if dog.Host, err = w.hostOfDog(m); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	w.dogs = append(w.dogs, dog)
	w.mu.Unlock()
	return dog, dog.Start()
}

func (w *world) config(m *realetcd.Member, other string) string {
	return watchdogs.Config(w.cluster, m.AdvertisedURL, timeouts, other)
}

// watching returns the watchdogs that there are now.
func (w *world) watching() []*watchdogs.Watchdog {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dogs)
}

// runs reports that the process exists.
func runs(dog *watchdogs.Watchdog) bool {
	select {
	case <-dog.Ended():
		return false
	default:
		return true
	}
}

// prepare makes the world fit for a run: every member serves, no alarm is
// listed, and every watchdog is a new process (a heal that is followed by
// another counts as an alarm that came back) that holds tickets.
func (w *world) prepare(ctx context.Context) error {
	for _, m := range w.cluster.Members() {
		if !m.Running() {
			if err := m.Start(); err != nil {
				return err
			}
		}
		if err := m.AwaitReady(ctx); err != nil {
			return err
		}
	}
	dogs := w.watching()
	if w.runs > 0 {
		if err := w.restartAll(dogs); err != nil {
			return err
		}
	}
	return w.settle(ctx)
}

// settle waits until every watchdog holds tickets and has nothing to do.
func (w *world) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	dogs := w.watching()
	seen := newJournal(dogs)
	return realetcd.Await(ctx, "every watchdog to hold tickets and to rest", func() (bool, string) {
		rests := map[string]bool{}
		for _, e := range seen.read() {
			if e.Event == "polled" {
				rests[e.Watchdog] = slices.Contains(resting, e.Reason)
			}
		}
		for _, dog := range dogs {
			if !rests[dog.Name] {
				return false, dog.Name + " does not rest"
			}
		}
		return w.everyBook(ctx)
	})
}

func (w *world) restartAll(dogs []*watchdogs.Watchdog) error {
	var all sync.WaitGroup
	errs := make([]error, len(dogs))
	for i, dog := range dogs {
		all.Go(func() {
			if runs(dog) {
				errs[i] = dog.Stop()
			}
			errs[i] = errors.Join(errs[i], dog.Start())
		})
	}
	all.Wait()
	w.mu.Lock()
	clear(w.down)
	w.mu.Unlock()
	return errors.Join(errs...)
}

// everyBook reports that each voter has a book of whole tickets.
func (w *world) everyBook(ctx context.Context) (bool, string) {
	keys, err := w.tickets(ctx)
	if err != nil {
		return false, err.Error()
	}
	for _, m := range w.cluster.Members() {
		book := fmt.Sprintf("%s/claim/%x/", prefix, m.ID())
		n := 0
		for _, key := range keys {
			if strings.HasPrefix(key, book) && strings.HasSuffix(key, "/begin") {
				n++
			}
		}
		if n < 8 {
			return false, fmt.Sprintf("%d tickets for %s", n, m.Name)
		}
	}
	return true, ""
}

// tickets returns the keys of all books.
func (w *world) tickets(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	failed := errors.New("no member runs")
	for _, m := range w.cluster.Running() {
		got, err := m.Client().Get(ctx, prefix+"/claim/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
		if err != nil {
			failed = err
			continue
		}
		var keys []string
		for _, kv := range got.Kvs {
			keys = append(keys, string(kv.Key))
		}
		return keys, nil
	}
	return nil, failed
}

// close ends all that the world has started and takes its directory away.
func (w *world) close() error {
	var errs []error
	for _, dog := range w.watching() {
		errs = append(errs, dog.Kill())
	}
	if w.cluster != nil {
		errs = append(errs, w.cluster.Close())
	}
	if w.wire != nil {
		errs = append(errs, w.wire.close())
	}
	if w.net != nil {
		errs = append(errs, w.net.Close())
	}
	errs = append(errs, w.unmountDisks())
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}
