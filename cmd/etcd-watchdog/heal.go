package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/host"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// healFlags are the flags of heal.
type healFlags struct {
	target
	stateDir
	member string
	now    bool
	dry    bool
	alone  bool
	within time.Duration
}

func newHeal() *cobra.Command {
	var f healFlags
	cmd := &cobra.Command{
		Use:   "heal",
		Short: "Heal the cluster once, now",
		Long: `heal does what the daemon would do, under the same claim and the same rules, and
ends when the cluster is healthy or when waiting would not help.

While etcd accepts writes it puts tickets of its own. While etcd refuses writes it
can put none. If a daemon runs next to the member, heal leaves the work to it and
reports what it does. Otherwise, on the host of a member, heal moves the leadership
to that member and works under the leader's term: the first step is sent about 15
seconds later. From any other host it refuses, unless --alone is given. A pause of
this host's daemon does not stop heal: it reports the pause.

--alone states that no other watchdog, and no other tool, is working on the
cluster. heal then begins at once, from any host. If the statement is wrong, two
members can be blocked at the same time, which can cost the quorum.

Exit status: 0 healthy or healed, 1 not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.heal(cmd) },
	}
	f.target.add(cmd)
	f.stateDir.add(cmd)
	cmd.Flags().StringVar(&f.member, "member", "", "work on this member only, by its `name` or id")
	cmd.Flags().BoolVar(&f.now, "now", false, "ignore windows, cooldown and stall budget, never the safety rules")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "report the first steps that would be done, and do none")
	cmd.Flags().BoolVar(&f.alone, "alone", false, "state that nothing else works on the cluster, and begin at once")
	cmd.Flags().DurationVar(&f.within, "within", 30*time.Minute, "give up waiting after this `time`; a step in flight is finished")
	return cmd
}

func (f *healFlags) heal(cmd *cobra.Command) error {
	c, err := f.load(cmd)
	if err != nil {
		return err
	}
	if f.within <= 0 {
		return usageError(fmt.Errorf("--within: %s has to be above 0", f.within))
	}
	if f.member != "" {
		if c.Limits.Only, err = memberNamed(cmd.Context(), c.Etcd, f.member); err != nil {
			return err
		}
	}
	c.Limits.Immediate, c.Limits.TakeAtOnce, c.Limits.Alone = f.now, true, f.alone
	if c.Claim.TTL < 3*c.Etcd.RequestTimeout {
		return usageError(fmt.Errorf("--command-timeout: %s is too long for claim.ttl, which is %s and has to be three times as long at least", c.Etcd.RequestTimeout, c.Claim.TTL))
	}
	waits := &countdown{out: cmd.ErrOrStderr(), terminal: terminalOf(cmd.ErrOrStderr())}
	defer waits.end()
	recorder, err := newLogger(c.Log, waits, &event.Losses{})
	if err != nil {
		return err
	}
	defer closeLogger(recorder)
	here := host.Here()
	defer here.Close()
	p, err := build(c, recorder, claim.NewEphemeralSession(), surroundings{learnt: readState(f.directory()), beside: here.Beside}, f.dry)
	if err != nil {
		return err
	}
	defer p.cluster.Close()
	sayPaused(cmd, f.directory())
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away must not end the work
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	p.dog.Decided = waits.decided
	acted, err := p.healOnce(ctx, f.within)
	waits.end()
	switch {
	case err != nil:
		return err
	case acted:
		fmt.Fprintln(cmd.OutOrStdout(), "healed: etcd accepts writes and no alarm is listed")
	default:
		fmt.Fprintln(cmd.OutOrStdout(), "healthy: nothing to do")
	}
	return nil
}

// memberNamed finds the member that a person has named, by id or by name. A
// wrong one must not pass for a member with which all is well.
func memberNamed(ctx context.Context, opts etcd.Options, named string) (cluster.MemberID, error) {
	conn, err := etcd.New(opts)
	if err != nil {
		return 0, configError(err)
	}
	defer conn.Close()
	id, idErr := cluster.ParseMemberID(named)
	view := conn.Observe(ctx, watchdog.Now())
	if view.Problem != "" && idErr != nil {
		return 0, explained("look for member "+named, errors.New(view.Problem))
	}
	if _, known := view.Member(id); known || view.Problem != "" {
		return id, nil
	}
	var there []string
	var found []cluster.MemberID
	for _, m := range view.Members {
		there = append(there, fmt.Sprintf("%s (%s)", event.Escape(m.Name), m.ID))
		if m.Name == named {
			found = append(found, m.ID)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, usageError(fmt.Errorf("--member: %q is no member of this cluster; these are: %s", named, strings.Join(there, ", ")))
	default:
		return 0, usageError(fmt.Errorf("--member: several members have the name %q: name one by its id, of %s", named, strings.Join(there, ", ")))
	}
}

// healOnce runs one pass, reports whether there was anything to do, and says in the
// error why it did not end well.
func (p *program) healOnce(ctx context.Context, within time.Duration) (acted bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	background, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	if !p.passive {
		go p.book.Run(background)
	}
	go p.progress.Run(background, 0)
	type result struct {
		healthy bool
		last    policy.Decision
	}
	done := make(chan result, 1)
	show := p.dog.Decided
	p.dog.Decided = func(d policy.Decision) {
		acted = acted || d.Reason != policy.BelowThreshold && d.Reason != policy.NearQuota
		show(d)
	}
	go func() {
		healthy, last := p.dog.Heal(bounded)
		done <- result{healthy, last}
	}()
	select {
	case <-p.progress.Overdue():
		return true, p.hung()
	case r := <-done:
		if !p.passive {
			p.leave(background)
		}
		if r.healthy {
			return acted, nil
		}
		return acted, unhealed(bounded, r.last)
	}
}

// leave gives this process's tickets up, so that nobody waits for them.
func (p *program) leave(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, p.config.Etcd.RequestTimeout)
	defer cancel()
	if err := p.book.Leave(bounded); err != nil && !errors.Is(err, context.Canceled) {
		p.recorder.Record(event.Event{Kind: event.PollFailed, Error: fmt.Sprintf("the tickets of this process stay until their lease ends: %v", err)})
	}
}

// unhealed says why the cluster is not healed.
func unhealed(ctx context.Context, d policy.Decision) error {
	why := string(d.Reason)
	if d.Detail != "" {
		why = d.Detail + " (" + why + ")"
	}
	hint := "`etcd-watchdog plan` shows for each member what it waits for; " + event.Documentation(string(d.Reason)) + " what to do."
	if d.Reason == policy.WaitingForClaim {
		hint = "Run heal on the host of a member. If no other watchdog and no other tool is working on the cluster, add --alone: heal then begins at once."
	}
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return withHint(fmt.Errorf("not healed within the time of --within; the last reason to wait: %s", why), hint)
	case ctx.Err() != nil:
		return withHint(fmt.Errorf("stopped before the cluster was healed; the last reason to wait: %s", why), hint)
	default:
		return withHint(fmt.Errorf("not healed: %s", why), hint)
	}
}
