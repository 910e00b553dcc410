package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
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
	f.StringVar(&c.endpoints, "endpoints", "", "client `URL` of the member on this host; of several, separated by commas, the first that answers counts, and the other members are found through the member list")
	f.StringVar(&c.cacert, "cacert", "", "CA certificate `file` to verify the servers with")
	f.StringVar(&c.cert, "cert", "", "client certificate `file`")
	f.StringVar(&c.key, "key", "", "client key `file`")
	f.StringVar(&c.user, "user", "", "`username[:password]`; without a password it is asked for, on a terminal")
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
		opts.Endpoint = c.named()[0]
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

// named are the endpoints of the flag.
func (c *connection) named() []string {
	all := strings.Split(c.endpoints, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// choose returns the options with the first of several named endpoints behind
// which a member answers; where none does, they stay as they are.
func (c *connection) choose(ctx context.Context, opts etcd.Options) etcd.Options {
	all := c.named()
	if len(all) < 2 {
		return opts
	}
	for _, endpoint := range all {
		tried := opts
		tried.Endpoint = endpoint
		tried.Endpoint = withScheme(tried)
		if answers(ctx, tried) {
			return tried
		}
	}
	return opts
}

func answers(ctx context.Context, opts etcd.Options) bool {
	conn, err := etcd.New(opts)
	if err != nil {
		return false // what is wrong is said of the endpoint that is chosen
	}
	defer conn.Close()
	return conn.Observe(ctx, watchdog.Now()).Problem == ""
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
		var err error
		if password, err = askPassword(user, os.Stdin, os.Stderr); err != nil {
			return err
		}
	}
	if password == "" {
		return usageError(fmt.Errorf("--user: the password of %q is empty", user))
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
			return usageError(fmt.Errorf("%s: %q is not %s", variable, value, wanted(cmd.Flags().Lookup(name))))
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

// wanted says what a flag takes, where it does not take everything.
func wanted(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return "true or false"
	}
	return "a duration with its unit, as 5s"
}
