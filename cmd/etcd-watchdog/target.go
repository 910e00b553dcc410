package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
)

// target is the cluster that a command of a person speaks to: the connection
// flags of etcdctl with their environment, over the configuration file.
type target struct {
	connection
	config string
}

// add declares the flags on a command.
func (t *target) add(cmd *cobra.Command) {
	t.connection.add(cmd)
	cmd.Flags().StringVar(&t.config, "config", config.DefaultPath, "configuration `file`")
}

// load returns what holds: flag, environment, file, default, in this order. A
// file that is not there matters only if it was named.
func (t *target) load(cmd *cobra.Command) (config.Config, error) {
	c, err := loadConfig(t.config, cmd.Flags().Changed("config"))
	if err != nil {
		return config.Config{}, err
	}
	if err := t.apply(cmd, &c.Etcd); err != nil {
		return config.Config{}, err
	}
	c.Etcd = t.choose(cmd.Context(), c.Etcd)
	return c, nil
}

// checkConnection is what to do where a problem itself does not say it.
const checkConnection = "check --endpoints and the TLS flags, and that etcd runs there"

// unreachable is the error of a reading command that has not got what it needs
// from etcd, and so knows nothing: a problem as pkg/etcd words it, the next step
// behind a colon, becomes one line for each.
func unreachable(problem string) error {
	what, hint, found := strings.Cut(problem, ": ")
	if !found {
		hint = checkConnection
	}
	return &exitError{exitUnknown, withHint(fmt.Errorf("%s", what), hint)}
}
