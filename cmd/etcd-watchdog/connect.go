package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// connection is etcdctl's connection flags and their environment, so that
// whoever can run etcdctl can run this. Order: flag, environment, file, default.
type connection struct {
	endpoints         string
	discoverySRV      string
	discoveryName     string
	insecureDiscovery bool
	cacert            string
	cert              string
	key               string
	serverName        string
	insecure          bool
	insecureTransport bool
	user              string
	password          string
	dialTimeout       time.Duration
	commandTimeout    time.Duration
	keepAliveTime     time.Duration
	keepAliveTimeout  time.Duration

	origin     map[string]string // by flag: the variable that it was taken from
	unresolved int               // exit status where discovery finds nothing
}

// connectionFlags are the flags that a variable can stand for.
var connectionFlags = []string{
	"endpoints", "discovery-srv", "discovery-srv-name", "insecure-discovery",
	"cacert", "cert", "key", "tls-server-name", "insecure-skip-tls-verify", "insecure-transport",
	"user", "password", "dial-timeout", "command-timeout", "keepalive-time", "keepalive-timeout",
}

// add declares the flags on a command.
func (c *connection) add(cmd *cobra.Command) {
	c.origin, c.unresolved = map[string]string{}, exitFailed
	f := cmd.Flags()
	f.StringVar(&c.endpoints, "endpoints", "", "client `URL` of the member on this host; of several, separated by commas, the first that answers counts, and the other members are found through the member list")
	f.StringVar(&c.discoverySRV, "discovery-srv", "", "`domain` whose DNS SRV records name the endpoints; used instead of --endpoints")
	f.StringVar(&c.discoveryName, "discovery-srv-name", "", "`name` behind the service in those records: _etcd-client-NAME._tcp")
	f.BoolVar(&c.insecureDiscovery, "insecure-discovery", true, "accept endpoints without TLS from those records; with =false, the servers' certificates must also name the domain")
	f.StringVar(&c.cacert, "cacert", "", "CA certificate `file` to verify the servers with")
	f.StringVar(&c.cert, "cert", "", "client certificate `file`")
	f.StringVar(&c.key, "key", "", "client key `file`")
	f.StringVar(&c.serverName, "tls-server-name", "", "`name` that the servers' certificates must hold, where they do not name the host in the URL")
	f.BoolVar(&c.insecure, "insecure-skip-tls-verify", false, "do not verify the servers' certificates")
	f.BoolVar(&c.insecureTransport, "insecure-transport", true, "allow connections without TLS; with =false, an endpoint without a scheme is reached with TLS and http:// is refused")
	f.StringVar(&c.user, "user", "", "`username[:password]`; without a password it is asked for, on a terminal")
	f.StringVar(&c.password, "password", "", "password of --user")
	f.DurationVar(&c.dialTimeout, "dial-timeout", 0, "how long connecting may take")
	f.DurationVar(&c.commandTimeout, "command-timeout", 0, "how long one request may take")
	f.DurationVar(&c.keepAliveTime, "keepalive-time", 0, "after how long without traffic the server is pinged, 10s at least")
	f.DurationVar(&c.keepAliveTimeout, "keepalive-timeout", 0, "how long the answer to a ping may take, 8s at most")
}

// apply lays flags and environment over what the file says.
func (c *connection) apply(cmd *cobra.Command, opts *etcd.Options) error {
	if err := c.fromEnvironment(cmd); err != nil {
		return err
	}
	set := func(name string) bool { return cmd.Flags().Changed(name) }
	for _, to := range []struct {
		name string
		from string
		into *string
	}{{"cacert", c.cacert, &opts.CACert}, {"cert", c.cert, &opts.Cert}, {"key", c.key, &opts.Key}, {"tls-server-name", c.serverName, &opts.ServerName}} {
		if set(to.name) {
			*to.into = to.from
		}
	}
	if (set("cert") || set("key")) && (opts.Cert == "") != (opts.Key == "") {
		return usageError(fmt.Errorf("--cert and --key: one is set without the other: set both, or neither"))
	}
	if set("insecure-skip-tls-verify") {
		opts.InsecureSkipVerify = c.insecure
	}
	if err := c.times(cmd, set, opts); err != nil {
		return err
	}
	if err := c.reach(cmd, set, opts); err != nil {
		return err
	}
	return c.credentials(set, opts)
}

// times reads the flags that are durations.
func (c *connection) times(cmd *cobra.Command, set func(string) bool, opts *etcd.Options) error {
	for _, to := range []struct {
		name string
		from time.Duration
		into *time.Duration
	}{
		{"dial-timeout", c.dialTimeout, &opts.DialTimeout}, {"command-timeout", c.commandTimeout, &opts.RequestTimeout},
		{"keepalive-time", c.keepAliveTime, &opts.KeepAliveTime}, {"keepalive-timeout", c.keepAliveTimeout, &opts.KeepAliveTimeout},
	} {
		if !set(to.name) {
			continue
		}
		if to.from <= 0 {
			return usageError(fmt.Errorf("%s: %s has to be above 0", c.name(to.name), to.from))
		}
		*to.into = to.from
	}
	if opts.KeepAliveTimeout > etcd.MaxKeepAliveTimeout {
		return usageError(fmt.Errorf("%s: %s is more than %s, after which the claim counts a request as lost: set it to %s or less",
			c.name("keepalive-timeout"), opts.KeepAliveTimeout, etcd.MaxKeepAliveTimeout, etcd.MaxKeepAliveTimeout))
	}
	if opts.KeepAliveTime < etcd.MinKeepAliveTime {
		fmt.Fprintf(cmd.ErrOrStderr(), "etcd-watchdog: warning: %s: gRPC pings no sooner than after %s, so %s is used instead of %s\n",
			c.name("keepalive-time"), etcd.MinKeepAliveTime, etcd.MinKeepAliveTime, opts.KeepAliveTime)
		opts.KeepAliveTime = etcd.MinKeepAliveTime
	}
	return nil
}

// reach sets the endpoint.
func (c *connection) reach(cmd *cobra.Command, set func(string) bool, opts *etcd.Options) error {
	flag := "endpoints"
	if c.discoverySRV != "" {
		flag = "discovery-srv"
		if err := c.discover(cmd, set, opts); err != nil {
			return err
		}
	}
	if !set(flag) {
		return c.secured("etcd.endpoint of the file", opts)
	}
	for i, named := range c.named() {
		tried := *opts
		tried.Endpoint = named
		tried.Endpoint = c.withScheme(tried)
		if err := etcd.CheckEndpoint(tried.Endpoint); err != nil {
			return usageError(fmt.Errorf("%s: %w", c.name(flag), err))
		}
		if err := c.secured(c.name(flag), &tried); err != nil {
			return err
		}
		if i == 0 {
			opts.Endpoint = tried.Endpoint
		}
	}
	return nil
}

// secured refuses an endpoint without TLS where TLS is asked for. The default
// endpoint has no scheme of its own choice, so it follows.
func (c *connection) secured(where string, opts *etcd.Options) error {
	plain, is := strings.CutPrefix(opts.Endpoint, "http://")
	switch {
	case c.insecureTransport || !is:
		return nil
	case opts.Endpoint == etcd.DefaultOptions().Endpoint && where == "etcd.endpoint of the file":
		opts.Endpoint = "https://" + plain
		return nil
	default:
		return usageError(fmt.Errorf("%s: %s is without TLS, and %s=false asks for TLS: use https:// there, or leave that out",
			where, opts.Endpoint, c.name("insecure-transport")))
	}
}

// discover looks the endpoints up in DNS.
func (c *connection) discover(cmd *cobra.Command, set func(string) bool, opts *etcd.Options) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), opts.DialTimeout)
	defer cancel()
	found, err := etcd.Discover(ctx, net.DefaultResolver, c.discoverySRV, c.discoveryName)
	if err != nil {
		return &exitError{c.unresolved, fmt.Errorf("%s: %w", c.name("discovery-srv"), err)}
	}
	if c.insecureDiscovery {
		c.endpoints = strings.Join(found, ",")
		return nil
	}
	var secure []string
	for _, endpoint := range found {
		if strings.HasPrefix(endpoint, "https://") {
			secure = append(secure, endpoint)
			continue
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "etcd-watchdog: warning: ignoring %s, which is without TLS, as %s=false asks for\n", endpoint, c.name("insecure-discovery"))
	}
	if secure == nil {
		return usageError(fmt.Errorf("%s: no endpoint of %s is reached with TLS: add _etcd-client-ssl._tcp records, or leave out %s=false",
			c.name("discovery-srv"), c.discoverySRV, c.name("insecure-discovery")))
	}
	if !set("tls-server-name") { // as etcdctl does: whoever can forge the records must not choose the name
		opts.ServerName = c.discoverySRV
	}
	c.endpoints = strings.Join(secure, ",")
	return nil
}

// named are the endpoints of the flag, or those that were discovered.
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
		tried.Endpoint = c.withScheme(tried)
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

// withScheme completes host:port, which etcdctl accepts, to a URL as etcdctl
// does: with TLS as soon as anything of TLS is set.
func (c *connection) withScheme(opts etcd.Options) string {
	switch {
	case strings.Contains(opts.Endpoint, "://"):
		return opts.Endpoint
	case opts.CACert != "" || opts.Cert != "" || opts.InsecureSkipVerify || !c.insecureTransport:
		return "https://" + opts.Endpoint
	default:
		return "http://" + opts.Endpoint
	}
}
