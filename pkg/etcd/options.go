package etcd

import "time"

// Options says how to reach and to ask an etcd cluster.
type Options struct {
	Endpoint           string // client URL of the member on this host; the others come from the member list
	CACert             string // file, PEM
	Cert, Key          string // files, PEM; both or neither
	InsecureSkipVerify bool
	ServerName         string // that every server's certificate has to hold; empty: the host of its URL
	User               string
	Password           string // of a person's command line; a configuration names a file instead
	PasswordFile       string // its first line is the password; the line end is not part of it; read at each signing in

	DialTimeout       time.Duration
	KeepAliveTime     time.Duration // without traffic, until the server is pinged; MinKeepAliveTime at least
	KeepAliveTimeout  time.Duration // for the answer to a ping; MaxKeepAliveTimeout at most
	RequestTimeout    time.Duration // every request but the two below
	CompactTimeout    time.Duration
	DefragmentTimeout time.Duration // when a defragmentation is reported as long; the call goes on

	QuotaBackendBytes int64  // what the operator says the quota is; 0: ask the members
	MetricsURL        string // where the local member's /metrics is, if not on its client URL
}

// DefaultOptions returns the options that hold where nothing is configured.
func DefaultOptions() Options {
	return Options{
		Endpoint:          "http://127.0.0.1:2379",
		DialTimeout:       5 * time.Second,
		KeepAliveTime:     MinKeepAliveTime,
		KeepAliveTimeout:  MaxKeepAliveTimeout,
		RequestTimeout:    5 * time.Second,
		CompactTimeout:    5 * time.Minute,
		DefragmentTimeout: 10 * time.Minute,
	}
}
