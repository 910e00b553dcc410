package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// etcdctlPrefix begins the names of the variables that etcdctl takes its flags from.
const etcdctlPrefix = "ETCDCTL_"

// variable returns the variable that stands for a flag where that is not given.
func variable(flag string) string {
	return etcdctlPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment takes ETCDCTL_CACERT and the like where the flag is not given.
// A variable of that kind that stands for no flag has no effect, and a warning
// says that. Values are not repeated, as they may be secrets.
func (c *connection) fromEnvironment(cmd *cobra.Command) error {
	for _, name := range connectionFlags {
		value := os.Getenv(variable(name))
		if value == "" || cmd.Flags().Changed(name) {
			continue
		}
		if err := cmd.Flags().Set(name, value); err != nil {
			return usageError(fmt.Errorf("%s: %q is not %s", variable(name), value, wanted(cmd.Flags().Lookup(name))))
		}
		c.origin[name] = variable(name)
	}
	for _, name := range unsupported(os.Environ()) {
		fmt.Fprintf(cmd.ErrOrStderr(), "etcd-watchdog: warning: %s has no effect: etcd-watchdog does not support it\n", name)
	}
	return nil
}

// ignoredByDaemon says which variables of etcdctl a daemon was given, which takes
// the file alone; empty: none.
func ignoredByDaemon(environment []string) string {
	var names []string
	for _, entry := range environment {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, etcdctlPrefix) && value != "" {
			names = append(names, name)
		}
	}
	if names == nil {
		return ""
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + ": no effect, since the daemon takes its configuration file alone"
}

// name is what the user wrote to set a flag: the flag, or a variable.
func (c *connection) name(flag string) string {
	if from := c.origin[flag]; from != "" {
		return from
	}
	return "--" + flag
}

// unsupported returns the variables of etcdctl that have no effect here, by name.
// Everybody who used etcdctl 3.3 still sets ETCDCTL_API=3, which is the only API left.
func unsupported(environment []string) []string {
	known := []string{}
	for _, name := range connectionFlags {
		known = append(known, variable(name))
	}
	var names []string
	for _, entry := range environment {
		name, value, _ := strings.Cut(entry, "=")
		api := name == etcdctlPrefix+"API" && value == "3"
		if strings.HasPrefix(name, etcdctlPrefix) && value != "" && !api && !slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// wanted says what a flag takes, where it does not take everything.
func wanted(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return "true or false"
	}
	return "a duration with its unit, as 5s"
}
