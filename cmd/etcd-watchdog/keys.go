package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/keyspace"
)

const (
	// defaultRate leaves a member most of what its disk and network can do.
	defaultRate = "32MiB"
	// keysMemory is what the collector is held to. Pages come and go quickly, and
	// would else pile up to a multiple of what is in use.
	keysMemory = 40 << 20
)

// keysFlags are the flags of keys.
type keysFlags struct {
	target
	output
	survey keyspace.Options
	rate   string
}

func newKeys() *cobra.Command {
	var f keysFlags
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Show where the bytes are: the largest prefixes and keys",
		Long: `keys reads every key once and shows which prefixes hold the most bytes, and
which single keys are the largest. A prefix includes what is below it; one of
which a single prefix below holds 95 % or more is left out. Bytes are those of
the live keys and values; older revisions, and what etcd stores around them,
come besides. Versions are the writes of a key since it was created: where they
are many, history is what fills the database.

The keys are read page by page at one revision, from a follower where there is
one, without a burden on the others. Values are never shown. With
authentication on, it takes a user that may read the keys.

Exit status: 0 all keys were read, 1 not.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.target.add(cmd)
	f.output.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.survey.Prefix, "prefix", "", "only the keys that begin with this `text`")
	flags.StringVar(&f.survey.Separator, "separator", "", "the `text` that ends a level of the keys; without it, the first of / : . that more than half of the bytes have")
	flags.IntVar(&f.survey.Depth, "depth", 0, "how many `levels` below --prefix are told apart; 0 is all of them")
	flags.IntVar(&f.survey.Top, "top", keyspace.DefaultTop, "how many prefixes and how many keys are shown, a `number`")
	flags.StringVar(&f.rate, "rate", defaultRate, "the most that is read in a second, as a `size`; 0 is without a limit")
	return cmd
}

func (f *keysFlags) run(cmd *cobra.Command) error {
	rate, err := f.check()
	if err != nil {
		return err
	}
	c, err := f.load(cmd)
	if err != nil {
		return err
	}
	conn, err := etcd.New(c.Etcd)
	if err != nil {
		return configError(err)
	}
	defer conn.Close()
	debug.SetMemoryLimit(keysMemory)
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process
	survey := keyspace.NewSurvey(f.survey)
	reading, err := read(ctx, conn, f.survey.Prefix, survey, &pace{bytesPerSecond: rate}, cmd.ErrOrStderr())
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("stopped after %s: nothing is shown, since a part could mislead", plural(survey.Keys(), "key"))
	case err != nil:
		return explained("read the keys", err)
	}
	report := survey.Report()
	if f.machine() {
		return f.write(cmd.OutOrStdout(), newKeysJSON(f.survey, report, reading))
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), keysTable(report, reading)); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// check reads the flags that have bounds.
func (f *keysFlags) check() (rate int64, err error) {
	switch {
	case f.survey.Top < 1 || f.survey.Top > keyspace.MaxTop:
		return 0, usageError(fmt.Errorf("--top: %d is not from 1 to %d", f.survey.Top, keyspace.MaxTop))
	case f.survey.Depth < 0:
		return 0, usageError(fmt.Errorf("--depth: %d is below 0", f.survey.Depth))
	}
	if rate, err = config.ParseSize(f.rate); err != nil {
		return 0, usageError(fmt.Errorf("--rate: %w", err))
	}
	return rate, nil
}

// read reads all keys into the survey, at that pace, and shows on a terminal
// how far it is.
func read(ctx context.Context, conn *etcd.Cluster, prefix string, survey *keyspace.Survey, pace *pace, stderr io.Writer) (etcd.KeyReading, error) {
	bar := newProgressBar(stderr)
	defer bar.clear()
	return conn.ReadKeys(ctx, prefix, func(page etcd.KeyPage) error {
		for _, k := range page.Keys {
			survey.Add(k.Key, k.ValueBytes, k.Versions)
		}
		bar.show(survey.Keys(), page.TotalKeys)
		return pace.wait(ctx, page.Bytes)
	})
}

// explained is an error of pkg/etcd, which has the next step behind a colon, as
// a line for each.
func explained(operation string, err error) error {
	what, hint, found := strings.Cut(err.Error(), ": ")
	if !found {
		hint = checkConnection
	}
	return withHint(errors.New(operation+": "+what), hint)
}
