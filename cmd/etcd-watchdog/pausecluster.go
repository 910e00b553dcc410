package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/pause"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// wide is the flag that has pause and resume mean the whole cluster, with the
// flags of a connection, which nothing else needs.
type wide struct {
	target
	whole bool
	own   map[string]bool // flags that are there without a cluster
}

// add declares the flags on a command. Call it last.
func (w *wide) add(cmd *cobra.Command) {
	w.own = map[string]bool{}
	cmd.Flags().VisitAll(func(f *pflag.Flag) { w.own[f.Name] = true })
	cmd.Flags().BoolVar(&w.whole, "cluster", false, "every watchdog of the cluster, by a key in etcd that ends by itself")
	w.target.add(cmd)
}

// check refuses flags that would do nothing.
func (w *wide) check(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch {
		case f.Name == "state-directory" && w.whole:
			err = usageError(errors.New("--state-directory: is of one host's pause, without --cluster"))
		case !w.whole && !w.own[f.Name]:
			err = usageError(fmt.Errorf("--%s: needs --cluster", f.Name))
		}
	})
	return err
}

// on runs something with the pause of the cluster.
func (w *wide) on(cmd *cobra.Command, do func(ctx context.Context, book pause.Book, c config.Config) error) error {
	c, err := w.load(cmd)
	if err != nil {
		return err
	}
	conn, err := etcd.New(c.Etcd)
	if err != nil {
		return configError(err)
	}
	defer conn.Close()
	v := conn.Observe(cmd.Context(), watchdog.Now())
	switch {
	case v.Problem != "":
		return explained("reach the cluster", errors.New(v.Problem))
	case v.Leader() == 0:
		return withHint(errors.New("the cluster has no quorum, so nothing can be written to it"), "Start the members that are down. To pause one host, leave --cluster out.")
	}
	store := claim.NewEtcdStore(conn)
	ctx, cancel := context.WithTimeout(cmd.Context(), 3*c.Etcd.RequestTimeout)
	defer cancel()
	return do(ctx, pause.Book{Prefix: c.Claim.Prefix, Store: store, Leases: store}, c)
}

// pauseCluster pauses every watchdog.
func (w *wide) pauseCluster(cmd *cobra.Command, asked pause.Cluster) error {
	return w.on(cmd, func(ctx context.Context, book pause.Book, c config.Config) error {
		asked.By, _ = os.Hostname() // for people
		err := book.Set(ctx, asked)
		if errors.Is(err, claim.ErrRefused) {
			return refusedPause(ctx, book, c, asked)
		}
		if err != nil {
			return withHint(err, "Check with `etcd-watchdog status` whether the cluster is paused, and try again.")
		}
		fmt.Fprintf(cmd.OutOrStdout(), "the cluster is paused until %s\n", inWords(asked.Words()))
		return nil
	})
}

// refusedPause says what to do where etcd refuses the key: pause each host.
func refusedPause(ctx context.Context, book pause.Book, c config.Config, asked pause.Cluster) error {
	command := fmt.Sprintf("etcd-watchdog pause --for %s", asked.Until.Sub(asked.Since))
	if asked.Reason != "" {
		command += fmt.Sprintf(" --reason %q", asked.Reason)
	}
	hosts := ""
	watchers, err := claim.New(book.Store, book.Leases, c.Claim, claim.Identity{}, claim.NewEphemeralSession()).Watchers(ctx)
	for i, one := range watchers {
		if err == nil && one.Host != "" {
			if i > 0 {
				hosts += ","
			}
			hosts += " " + event.Escape(one.Host)
		}
	}
	hint := "Run on the host of each member: " + command
	if hosts != "" {
		hint = "Run on each of these hosts: " + command + "\nHosts with a watchdog:" + hosts
	}
	return withHint(errors.New("etcd refuses writes (NOSPACE alarm), so the cluster cannot be paused by a key in etcd; nothing was changed"), hint)
}

// resumeCluster ends the pause of the cluster.
func (w *wide) resumeCluster(cmd *cobra.Command) error {
	return w.on(cmd, func(ctx context.Context, book pause.Book, _ config.Config) error {
		was, err := book.End(ctx)
		if err != nil {
			return withHint(err, "Check with `etcd-watchdog status` whether the cluster is paused, and try again.")
		}
		if was {
			fmt.Fprintln(cmd.OutOrStdout(), "the cluster is not paused any more; a pause of one host ends by `etcd-watchdog resume` there")
			return nil
		}
		fmt.Fprintln(cmd.OutOrStdout(), "the cluster was not paused")
		return nil
	})
}
