package config

import (
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// keys is every key that the file may have, in the order of the sample.
var keys = []key{
	at("etcd.endpoint", func(c *Config) *string { return &c.Etcd.Endpoint }, endpoint),
	at("etcd.cacert", func(c *Config) *string { return &c.Etcd.CACert }, fileName),
	at("etcd.cert", func(c *Config) *string { return &c.Etcd.Cert }, fileName),
	at("etcd.key", func(c *Config) *string { return &c.Etcd.Key }, fileName),
	at("etcd.tls-server-name", func(c *Config) *string { return &c.Etcd.ServerName }, hostName),
	at("etcd.insecure-skip-tls-verify", func(c *Config) *bool { return &c.Etcd.InsecureSkipVerify }, truth),
	secret(at("etcd.user", func(c *Config) *string { return &c.Etcd.User }, userName)),
	secret(at("etcd.password-file", func(c *Config) *string { return &c.Etcd.PasswordFile }, fileName)),
	at("etcd.dial-timeout", func(c *Config) *time.Duration { return &c.Etcd.DialTimeout }, between(100*time.Millisecond, time.Minute)),
	at("etcd.keepalive-time", func(c *Config) *time.Duration { return &c.Etcd.KeepAliveTime }, between(etcd.MinKeepAliveTime, 24*time.Hour)),
	at("etcd.keepalive-timeout", func(c *Config) *time.Duration { return &c.Etcd.KeepAliveTimeout }, between(time.Second, etcd.MaxKeepAliveTimeout)),
	at("etcd.request-timeout", func(c *Config) *time.Duration { return &c.Etcd.RequestTimeout }, between(100*time.Millisecond, time.Minute)),
	at("etcd.compact-timeout", func(c *Config) *time.Duration { return &c.Etcd.CompactTimeout }, between(time.Second, 24*time.Hour)),
	at("etcd.defragment-timeout", func(c *Config) *time.Duration { return &c.Etcd.DefragmentTimeout }, between(time.Second, 24*time.Hour)),
	at("etcd.quota-backend-bytes", func(c *Config) *int64 { return &c.Etcd.QuotaBackendBytes }, autoOrSize(1<<20, 1<<40)),
	at("etcd.metrics-url", func(c *Config) *string { return &c.Etcd.MetricsURL }, metricsURL),
	at("etcd.data-dir", func(c *Config) *string { return &c.Disk.DataDir }, fileName),

	at("watch.poll-interval", func(c *Config) *time.Duration { return &c.Limits.PollInterval }, between(100*time.Millisecond, time.Hour)),
	at("watch.min-poll-interval", func(c *Config) *time.Duration { return &c.Limits.MinPollInterval }, between(50*time.Millisecond, time.Hour)),
	at("watch.unreachable-grace", func(c *Config) *time.Duration { return &c.Limits.UnreachableGrace }, between(time.Second, 24*time.Hour)),

	at("thresholds.warn-at", func(c *Config) *policy.Share { return &c.Limits.WarnAt }, share),
	at("thresholds.compact-at", func(c *Config) *policy.Share { return &c.Limits.CompactAt }, share),
	at("thresholds.defragment-at", func(c *Config) *policy.Share { return &c.Limits.DefragmentAt }, share),
	at("thresholds.urgent-at", func(c *Config) *policy.Share { return &c.Limits.UrgentAt }, share),
	at("thresholds.disarm-below", func(c *Config) *policy.Share { return &c.Limits.DisarmBelow }, share),

	at("maintenance.mode", func(c *Config) *bool { return &c.Limits.Observe }, mode),
	at("maintenance.keep-revisions", func(c *Config) *int64 { return &c.Limits.KeepRevisions }, count[int64](0, 1e12)),
	at("maintenance.min-reclaim", func(c *Config) *policy.Share { return &c.Limits.MinReclaim }, share),
	at("maintenance.cooldown", func(c *Config) *time.Duration { return &c.Limits.Cooldown }, between(0, 7*24*time.Hour)),
	at("maintenance.stall-budget", func(c *Config) *time.Duration { return &c.Limits.StallBudget }, between(0, time.Hour)),
	at("maintenance.move-leader", func(c *Config) *bool { return &c.Limits.MoveLeader }, truth),
	listAt("maintenance.windows", func(c *Config) *[]policy.Window { return &c.Limits.Windows }, window),
	at("maintenance.adopt-after", func(c *Config) *time.Duration { return &c.Limits.AdoptAfter }, between(time.Second, 24*time.Hour)),

	at("claim.prefix", func(c *Config) *string { return &c.Claim.Prefix }, prefix),
	at("claim.ttl", func(c *Config) *time.Duration { return &c.Claim.TTL }, wholeSeconds(between(30*time.Second, time.Hour))),
	at("claim.tickets", func(c *Config) *int { return &c.Claim.Tickets }, count(1, 60)),

	at("log.level", func(c *Config) *string { return &c.Log.Level }, oneOf("debug", "info", "notice", "warning", "err")),
	at("log.format", func(c *Config) *string { return &c.Log.Format }, oneOf("auto", "text", "json", "journald")),

	at("metrics.listen", func(c *Config) *string { return &c.Metrics.Listen }, listenAddress),
	at("metrics.web-config", func(c *Config) *string { return &c.Metrics.WebConfig }, fileName),
	at("metrics.textfile", func(c *Config) *string { return &c.Metrics.TextFile }, promFile),
}

// key is one row of the table.
type key struct {
	path string // section and name
	// read sets the value, or says what is wrong with it and sets nothing.
	read func(n *yaml.Node, c *Config) []misfit
	// write returns the value as the file would have it. The row of a list has none.
	write  func(c Config) string
	value  func(c Config) any
	secret bool // an operator may have put a password here by mistake
}

// misfit is one value that is not what its key wants.
type misfit struct {
	node     *yaml.Node
	item     string // "[2]" of a list, else empty
	expected string
}

// at is the key whose value goes into one field.
func at[T any](path string, field func(*Config) *T, f form[T]) key {
	return key{
		path: path,
		read: func(n *yaml.Node, c *Config) []misfit {
			v, expected := f.parse(n)
			if expected != "" {
				return []misfit{{node: n, expected: expected}}
			}
			*field(c) = v
			return nil
		},
		write: func(c Config) string { return f.write(*field(&c)) },
		value: func(c Config) any { return *field(&c) },
	}
}

// listAt is the key whose value is a list. An empty list is nil, as the
// defaults have it.
func listAt[T any](path string, field func(*Config) *[]T, item form[T]) key {
	value := func(c Config) any { return *field(&c) }
	return key{path: path, value: value, read: func(n *yaml.Node, c *Config) []misfit {
		if n.Kind != yaml.SequenceNode || odd(n) {
			return []misfit{{node: n, expected: "a list, [] for an empty one, each item " + item.expected}}
		}
		var misfits []misfit
		var list []T
		for i, node := range n.Content {
			v, expected := item.parse(node)
			if expected != "" {
				misfits = append(misfits, misfit{node, index(i), expected})
			}
			list = append(list, v)
		}
		if misfits == nil {
			*field(c) = list
		}
		return misfits
	}}
}

func secret(k key) key {
	k.secret = true
	return k
}

// byPath returns the row of a key.
func byPath(path string) (key, bool) {
	i := slices.IndexFunc(keys, func(k key) bool { return k.path == path })
	if i < 0 {
		return key{}, false
	}
	return keys[i], true
}

// sections returns the top-level keys, in the order of the table.
func sections() []string {
	var names []string
	for _, k := range keys {
		names = append(names, k.section())
	}
	return slices.Compact(names)
}

func (k key) section() string {
	section, _, _ := strings.Cut(k.path, ".")
	return section
}

func (k key) name() string {
	_, name, _ := strings.Cut(k.path, ".")
	return name
}
