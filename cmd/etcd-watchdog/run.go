package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	_ "time/tzdata" // windows name time zones; not every host has the files

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/systemd"
)

// memoryLimit is a soft limit for Go's heap. The daemon needs a fraction of it;
// it keeps garbage from piling up in a process that runs for years beside etcd.
const memoryLimit = 16 << 20

// gcPercent has garbage collected at half the size that Go would wait for. The
// heap in use has 2 MiB, so that costs next to nothing.
const gcPercent = 50

func newRun() *cobra.Command {
	var path string
	var dry bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch the cluster and heal it: the daemon",
		Long: `run is what the systemd unit starts. It polls the members' status, and when the
database nears its quota or etcd refuses writes it compacts, defragments and
disarms, one member at a time, under a claim in etcd.

Exit status: 0 stopped on request, 1 failed while running, 78 configuration.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			interval, err := systemd.WatchdogInterval()
			if err != nil {
				return configError(err)
			}
			return daemon(cmd, source{path, cmd.Flags().Changed("config"), interval, cmd.ErrOrStderr()}, dry)
		},
	}
	cmd.Flags().StringVar(&path, "config", config.DefaultPath, "configuration `file`")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "report the steps that would be done, and do none")
	return cmd
}

// daemon runs until a signal, and then until what is in flight has ended.
func daemon(cmd *cobra.Command, from source, dry bool) error {
	keepMemory()
	reloads := make(chan os.Signal, 1) // several that come while one is served are one
	signal.Notify(reloads, syscall.SIGHUP)
	defer signal.Stop(reloads)
	c, err := from.load()
	if err != nil {
		return err
	}
	session, warning, err := openSession(dry || c.Limits.Observe)
	if err != nil {
		return err
	}
	watch, err := newMonitor(c.Metrics)
	if err != nil {
		return err
	}
	recorder, err := newLogger(c.Log, from.stderr, &watch.losses)
	if err != nil {
		return err
	}
	here, forgets := hostOfDaemon(dry, recorder)
	here.watch = watch
	p, err := build(c, recorder, session, here, dry)
	if err != nil {
		closeLogger(recorder)
		return err
	}
	defer func() { closeLogger(p.recorder) }()
	defer func() { _ = p.cluster.Close() }() // the process ends
	debug.SetMemoryLimit(memoryLimit)
	debug.SetGCPercent(gcPercent)
	signal.Ignore(syscall.SIGPIPE) // whoever reads our standard error may go; the work must not end with it
	warnings := slices.DeleteFunc([]string{warning, unseen(c.Disk.DataDir), forgets, ignoredByDaemon(os.Environ())}, func(w string) bool { return w == "" })
	recorder.Record(event.Event{Kind: event.Started, Version: version, Endpoint: c.Etcd.Endpoint, Detail: strings.Join(warnings, "; ")})

	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return p.supervise(ctx, from, reloads)
}

// keepMemory keeps the memory of this process, which holds the password, from
// cores and from other processes of the same user. A kernel that can't is no
// reason not to run.
func keepMemory() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) }

// supervise runs the loop beside what keeps it honest. It returns when the loop
// has ended, or when the loop hangs.
func (p *program) supervise(ctx context.Context, from source, reloads <-chan os.Signal) error {
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go p.progress.Run(background, from.interval)
	go p.host.watch.run(background)
	if !p.passive {
		go p.book.Run(background)
	}
	p.line.note("")
	ended, yield := p.watch(ctx)
	started := p.looked(background)
	var next *generation // waits for the tick at hand to end
	asked := reloads     // nil while one waits
	for {
		select {
		case <-ended:
			if next == nil || ctx.Err() != nil {
				return nil
			}
			p.handOver(*next)
			ended, yield = p.watch(ctx)
			next, asked = nil, reloads
		case <-p.progress.Overdue():
			return p.hung()
		case <-ctx.Done():
			return p.stop(ended)
		case <-started:
			started = nil
			p.ready()
		case <-asked:
			if next = p.prepare(from); next != nil {
				asked = nil
				yield()
			}
		}
	}
}

// watch runs the loop of the generation. ended is closed when it has returned;
// yield asks for that, after the tick at hand.
func (p *program) watch(ctx context.Context) (ended <-chan struct{}, yield func()) {
	asked, end := make(chan struct{}), make(chan struct{})
	dog, cluster, recorder := p.dog, p.cluster, p.recorder
	dog.Yield = asked
	go func() {
		defer close(end)
		beside, over := context.WithCancel(ctx)
		defer over()
		go p.expiry.Run(beside, expiries(cluster), recorder)
		dog.Run(ctx)
	}()
	return end, func() { close(asked) }
}

// looked is closed when the loop has looked at the cluster, or when that has
// taken so long that the start is not to wait for it: a cluster that is down is
// what the status line tells, and no reason for systemd to call the start failed.
func (p *program) looked(ctx context.Context) <-chan struct{} {
	within := 3 * p.config.Etcd.RequestTimeout
	p.notifier.ExtendTimeout(2 * within)
	bounded, over := context.WithTimeout(ctx, within)
	go func() {
		defer over()
		select {
		case <-bounded.Done():
		case <-p.line.told:
		}
	}()
	return bounded.Done()
}

// ready tells the service manager that the start, or a reload, is complete.
func (p *program) ready() {
	if err := p.notifier.Ready(); err != nil {
		p.recorder.Record(event.Event{Kind: event.PollFailed, Error: err.Error()})
	}
}

// stop waits for the loop to end: a defragmentation that has begun goes on in
// the server whatever we do, and is waited for. A second signal ends the wait.
func (p *program) stop(ended <-chan struct{}) error {
	again := make(chan os.Signal, 1) // before the first word of it, so that an answer to that counts
	signal.Notify(again, syscall.SIGTERM, syscall.SIGINT)
	p.recorder.Record(event.Event{Kind: event.Stopping})
	p.line.note("asked to stop: ends as soon as the work in flight has ended; a second SIGTERM ends it at once")
	waiting, cancel := context.WithCancel(context.Background())
	defer cancel()
	go p.notifier.AwaitStop(waiting)
	select {
	case <-ended:
		return nil
	case <-p.progress.Overdue():
		return p.hung()
	case <-again:
		return errors.New("stopped by a second signal while work was in flight; what runs in the server goes on, and the claim stays with this host until a restart settles it or its lease ends")
	}
}

// hung ends a process whose loop makes no progress, with a status that systemd
// restarts, and shows where it hangs.
func (p *program) hung() error {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return fmt.Errorf("the loop makes no progress any more; ending, so that the service manager starts anew\n\n%s", stacks)
}
