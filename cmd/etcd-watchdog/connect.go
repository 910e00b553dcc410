package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// connection is etcdctl's connection flags and their environment, so that
// whoever can run etcdctl can run this. Order: flag, environment, file, default.
type connection struct {
	endpoints      string
	cacert         string
	cert           string
	key            string
	user           string
	password       string
	insecure       bool
	dialTimeout    time.Duration
	commandTimeout time.Duration
}

// add declares the flags on a command.
func (c *connection) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.endpoints, "endpoints", "", "client `URL` of the member on this host; of several the first counts, and the others are found through the member list")
	f.StringVar(&c.cacert, "cacert", "", "CA certificate `file` to verify the servers with")
	f.StringVar(&c.cert, "cert", "", "client certificate `file`")
	f.StringVar(&c.key, "key", "", "client key `file`")
	f.StringVar(&c.user, "user", "", "`username[:password]`")
	f.StringVar(&c.password, "password", "", "password of --user")
	f.BoolVar(&c.insecure, "insecure-skip-tls-verify", false, "do not verify the servers' certificates")
	f.DurationVar(&c.dialTimeout, "dial-timeout", 0, "how long connecting may take")
	f.DurationVar(&c.commandTimeout, "command-timeout", 0, "how long one request may take")
}

// apply lays flags and environment over what the file says.
func (c *connection) apply(cmd *cobra.Command, opts *etcd.Options) error {
	if err := c.fromEnvironment(cmd); err != nil {
		return err
	}
	set := func(name string) bool { return cmd.Flags().Changed(name) }
	if set("endpoints") {
		opts.Endpoint = strings.Split(c.endpoints, ",")[0]
	}
	for _, to := range []struct {
		name string
		from string
		into *string
	}{{"cacert", c.cacert, &opts.CACert}, {"cert", c.cert, &opts.Cert}, {"key", c.key, &opts.Key}} {
		if set(to.name) {
			*to.into = to.from
		}
	}
	if set("insecure-skip-tls-verify") {
		opts.InsecureSkipVerify = c.insecure
	}
	if set("dial-timeout") {
		opts.DialTimeout = c.dialTimeout
	}
	if set("command-timeout") {
		opts.RequestTimeout = c.commandTimeout
	}
	opts.Endpoint = withScheme(*opts)
	return c.credentials(set, opts)
}

// credentials reads --user and --password as etcdctl does.
func (c *connection) credentials(set func(string) bool, opts *etcd.Options) error {
	if !set("user") {
		if set("password") {
			return usageError(fmt.Errorf("--password: needs --user"))
		}
		return nil
	}
	user, password, both := strings.Cut(c.user, ":")
	switch {
	case set("password") && both:
		return usageError(fmt.Errorf("--user: give the password in --user or in --password, not in both"))
	case set("password"):
		password = c.password
	case !both:
		return usageError(fmt.Errorf("--user: needs a password, as --user name:password or with --password"))
	}
	opts.User, opts.Password, opts.PasswordFile = user, password, ""
	return nil
}

// fromEnvironment takes ETCDCTL_CACERT and the like where the flag is not given.
func (c *connection) fromEnvironment(cmd *cobra.Command) error {
	for _, name := range []string{"endpoints", "cacert", "cert", "key", "user", "password", "insecure-skip-tls-verify", "dial-timeout", "command-timeout"} {
		variable := "ETCDCTL_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		value := os.Getenv(variable)
		if value == "" || cmd.Flags().Changed(name) {
			continue
		}
		if err := cmd.Flags().Set(name, value); err != nil {
			return usageError(fmt.Errorf("%s: %w", variable, err))
		}
	}
	return nil
}

// withScheme completes host:port, which etcdctl accepts, to a URL as etcdctl
// does: with TLS as soon as anything of TLS is set.
func withScheme(opts etcd.Options) string {
	switch {
	case strings.Contains(opts.Endpoint, "://"):
		return opts.Endpoint
	case opts.CACert != "" || opts.Cert != "" || opts.InsecureSkipVerify:
		return "https://" + opts.Endpoint
	default:
		return "http://" + opts.Endpoint
	}
}
