package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/history"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/maintenance"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/systemd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

const (
	defaultRuntimeDirectory = "/run/etcd-watchdog"
	// closeWithin is how long the last entries may take to be written.
	closeWithin = 2 * time.Second
)

// loadConfig reads the file; without one at the default path the defaults hold.
func loadConfig(path string, named bool) (config.Config, error) {
	c, err := config.Load(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return config.Default(), nil
	}
	if err != nil {
		return config.Config{}, unreadConfig(err)
	}
	return c, nil
}

// unreadConfig is the error of a configuration that can't be had, with what to
// do where the faults themselves do not say it.
func unreadConfig(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = withHint(err, "Name a file that is there; without --config it is "+config.DefaultPath+", if that is there.")
	case errors.Is(err, fs.ErrPermission):
		err = withHint(err, "Run it as root (sudo), or name a file that you may read.")
	}
	return configError(err)
}

// newLogger returns the recorder that the configuration asks for. It counts there
// what it does not write.
func newLogger(log config.Log, stderr io.Writer, losses *event.Losses) (*event.Logger, error) {
	least, err := event.ParseLevel(log.Level)
	if err != nil {
		return nil, configError(fmt.Errorf("log.level: %w", err))
	}
	format := log.Format
	if format == "auto" {
		format = "text"
		if systemd.StderrIsJournal() {
			format = "journald"
		}
	}
	var core zapcore.Core
	switch format {
	case "json":
		core = event.NewJSONCore(stderr)
	case "journald":
		core, err = systemd.NewJournalCore(systemd.JournalSocket)
	default:
		core = event.NewTextCore(stderr)
	}
	if err != nil {
		return nil, err
	}
	return event.NewCountingLogger(core, least, losses), nil
}

// closeLogger waits for the last entries, within bounds.
func closeLogger(l *event.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), closeWithin)
	defer cancel()
	// What could not be written by now has nowhere left to be reported.
	_ = l.Close(ctx)
}

// generation is what one configuration makes of the program. A reload replaces
// it as a whole.
type generation struct {
	config   config.Config
	cluster  *etcd.Cluster
	recorder *event.Logger
	dog      *watchdog.Watchdog
}

// program is a watchdog with everything that it stands on.
type program struct {
	generation
	store    *sharedStore
	notifier *systemd.Notifier
	line     *statusLine
	progress *systemd.Progress
	book     *claim.Book
	expiry   watchdog.Expiry
	host     surroundings
	dry      bool
	passive  bool // nothing is written into etcd
}

// surroundings is what a program has of the host that it runs on. It is set once: each
// generation gets the same.
type surroundings struct {
	learnt policy.Memory                 // what an earlier process has learnt
	keep   func(watchdog.Kept) error     // keeps what a later one should know; nil: nothing is kept
	pause  func() (cluster.Pause, error) // what somebody has asked for; nil: it does not matter
	beside func(cluster.View) error      // whether it is the one next to its member; nil: it never is
	watch  *monitor                      // shows the daemon to Prometheus; nil: nothing does
	past   *history.Keeper               // keeps what is done; nil: nothing does
}

// recorder is what the loop reports to: the log, and whoever counts and keeps.
func (h surroundings) recorder(log event.Recorder) event.Recorder {
	log = h.watch.counted(log)
	if h.past != nil {
		log = h.past.Recorder(log)
	}
	return log
}

// seen takes what a poll has left.
func (h surroundings) seen(k watchdog.Kept) {
	if h.past != nil {
		h.past.Settle(k.View.At, k.Conditions())
	}
	h.watch.seen(k)
}

// alive carries the loop's word to those who act on it: systemd's watchdog and
// our own, and the keepalives of the claim.
type alive struct {
	progress *systemd.Progress
	book     *claim.Book
	ttl      time.Duration
}

// Extend allows the claim's keepalives until then. The process counts as hung
// only a TTL later: by then the claim has been lost, which ends the context of
// any step that was begun under it.
func (a alive) Extend(until time.Time) {
	a.progress.Extend(until.Add(a.ttl))
	a.book.Allow(until)
}

// build makes all that can fail without the network.
func build(c config.Config, recorder *event.Logger, session *claim.Session, here surroundings, dry bool) (*program, error) {
	p := &program{host: here, dry: dry, passive: dry || c.Limits.Observe, notifier: systemd.NewNotifier(os.Getenv("NOTIFY_SOCKET"))}
	p.line = newStatusLine(p.notifier.Status)
	p.progress = systemd.NewProgress(c.Claim.TTL, p.notifier.Alive)
	name, _ := os.Hostname()                                                           // for people who read who holds the claim; empty is legible too
	p.store = &sharedStore{EtcdStore: claim.NewEtcdStore(nil), prefix: c.Claim.Prefix} // see use
	c.Limits.DeliveryBound = etcd.DeliveryBound
	c.Claim.Settle = c.Limits.Settled()
	p.book = claim.New(p.store, p.store, c.Claim, claim.Identity{Host: name, Process: os.Getpid(), Version: version}, session)
	first, err := p.generate(c, recorder)
	if err != nil {
		return nil, err
	}
	p.use(first)
	return p, nil
}

// use puts a generation in force. The book, with its lease and tickets, goes on.
func (p *program) use(g generation) {
	p.generation = g
	p.store.Use(g.cluster)
	p.host.watch.follow(g)
}

// generate makes what depends on the configuration, with all that a loop needs:
// the first one and the one after a reload are made here and nowhere else.
// Nothing that lives is touched by it.
func (p *program) generate(c config.Config, logger *event.Logger) (generation, error) {
	conn, err := etcd.New(c.Etcd)
	if err != nil {
		return generation{}, configError(err)
	}
	heart, recorder := alive{p.progress, p.book, c.Claim.TTL}, p.host.recorder(logger)
	dog := &watchdog.Watchdog{
		Limits:         c.Limits, // see bounds
		RequestTimeout: c.Etcd.RequestTimeout,
		CompactTimeout: c.Etcd.CompactTimeout,
		ClaimInterval:  c.Claim.TTL / 2,
		Observer:       conn,
		Operator:       conn,
		Book:           p.book,
		Passive:        p.passive,
		Tickets:        c.Claim.Tickets,
		Rights: func(ctx context.Context) error {
			if err := conn.CheckRights(ctx); errors.Is(err, etcd.ErrMissingRights) {
				return err
			}
			return nil // what could not be found out is found out by the first step that is refused
		},
		Disk:     diskIn(c.Disk.DataDir),
		Pause:    p.store.with(p.host.pause),
		Beside:   p.host.beside,
		Version:  version,
		Learnt:   p.host.learnt,
		Keep:     p.host.keep,
		Seen:     p.host.seen,
		Recorder: recorder,
		Status:   p.line.tell,
		Alive:    heart,
	}
	dog.Worker = maintenance.Worker{
		Observer: conn, Operator: conn, Recorder: recorder, Alive: heart, Limits: c.Limits,
		Options: maintenance.Options{
			RequestTimeout:    c.Etcd.RequestTimeout,
			CompactTimeout:    c.Etcd.CompactTimeout,
			DefragmentTimeout: c.Etcd.DefragmentTimeout,
		},
	}
	if p.dry {
		dog.Worker = &maintenance.Rehearsal{Recorder: recorder}
	}
	return generation{config: c, cluster: conn, recorder: logger, dog: dog}, nil
}

// expiries returns what looks at the ends of the certificates.
func expiries(conn *etcd.Cluster) func(context.Context, time.Time) []watchdog.Certificate {
	return func(ctx context.Context, now time.Time) []watchdog.Certificate {
		var all []watchdog.Certificate
		for _, e := range conn.Expiries(ctx, now) {
			all = append(all, watchdog.Certificate(e))
		}
		return all
	}
}

// openSession opens the runtime directory's session; who writes nothing into
// etcd needs none. Where nothing can be kept,
// the program runs all the same and says so once; a second process beside a
// running daemon is told apart.
func openSession(passive bool) (session *claim.Session, warning string, err error) {
	if passive {
		return claim.NewEphemeralSession(), "", nil
	}
	dir := os.Getenv("RUNTIME_DIRECTORY")
	if dir == "" {
		dir = defaultRuntimeDirectory
	}
	session, err = claim.OpenSession(dir, firstLine("/etc/machine-id"), firstLine("/proc/sys/kernel/random/boot_id"))
	switch {
	case err == nil:
		return session, session.SetAside(), nil
	case errors.Is(err, claim.ErrSessionInUse):
		return nil, "", fmt.Errorf("another etcd-watchdog runs with the runtime directory %s; set RUNTIME_DIRECTORY to another one to watch a second etcd on this host", dir)
	default:
		return claim.NewEphemeralSession(), fmt.Sprintf("the claim is not resumed after a restart, since nothing can be kept in %s: %v", dir, err), nil
	}
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}
