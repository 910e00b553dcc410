package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
)

func newCheckConfig() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config FILE",
		Short: "Print every fault of a configuration file",
		Long: `check-config reads a configuration file as run does and prints all its faults,
each with file:line:column, the key, what was found and what was expected.
Exit status 0: there is none; 78: there are some.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError(errors.New("check-config wants one file"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := config.Load(args[0]); err != nil {
				return unreadConfig(err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: no faults\n", args[0])
			return nil
		},
	}
}
