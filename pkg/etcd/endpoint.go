package etcd

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// errCredentials never repeats the URL: it ends up on terminals and in logs.
var errCredentials = errors.New("a URL must not hold a user, a password or a query, and this one is not repeated here: " +
	"give the user with --user, or with etcd.user and etcd.password-file")

// CheckEndpoint returns what is wrong with a client URL, nil if nothing is. The
// error never repeats a password that stands in the URL.
func CheckEndpoint(s string) error {
	_, err := parseURL(s)
	return err
}

// parseURL takes the URLs that etcd listens on for clients over TCP.
func parseURL(s string) (*url.URL, error) {
	if strings.ContainsAny(s, "@?#") {
		return nil, errCredentials
	}
	scheme, rest, _ := strings.Cut(s, "://")
	if scheme == "unix" || scheme == "unixs" {
		return nil, fmt.Errorf("%q is a Unix socket, which etcd-watchdog does not support: have etcd listen on loopback as well, and give that URL, such as http://127.0.0.1:2379", s)
	}
	if address, err := netip.ParseAddr(rest); err == nil && address.Is6() {
		return nil, fmt.Errorf("%q: an IPv6 address stands in brackets, with the port behind them: %s://[%s]:2379", s, scheme, rest)
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not a client URL: want http://HOST:PORT or https://HOST:PORT", s)
	}
	if u.Port() == "" {
		return nil, fmt.Errorf("%q has no port: etcd's clients connect to port 2379 by default", s)
	}
	return u, nil
}
