package config

import "fmt"

// relation is what has to hold between the values of two keys.
type relation struct {
	a, b     string // paths
	holds    func(Config) bool
	aIs, bIs string // what a has to be towards b, and b towards a, ending where the other's path follows
}

// relations is every relation between two keys. The defaults satisfy each.
var relations = []relation{
	{"thresholds.compact-at", "thresholds.defragment-at",
		func(c Config) bool { return c.Limits.CompactAt < c.Limits.DefragmentAt }, "less than", "more than"},
	{"thresholds.defragment-at", "thresholds.urgent-at",
		func(c Config) bool { return c.Limits.DefragmentAt < c.Limits.UrgentAt }, "less than", "more than"},
	{"thresholds.disarm-below", "thresholds.urgent-at",
		func(c Config) bool { return c.Limits.DisarmBelow < c.Limits.UrgentAt }, "less than", "more than"},
	{"thresholds.warn-at", "thresholds.urgent-at",
		func(c Config) bool { return c.Limits.WarnAt < c.Limits.UrgentAt }, "less than", "more than"},
	{"maintenance.min-reclaim", "thresholds.defragment-at",
		func(c Config) bool { return c.Limits.MinReclaim < c.Limits.DefragmentAt }, "less than", "more than"},
	{"watch.min-poll-interval", "watch.poll-interval",
		func(c Config) bool { return c.Limits.MinPollInterval <= c.Limits.PollInterval }, "at most", "at least"},
	{"claim.ttl", "etcd.request-timeout",
		func(c Config) bool { return c.Claim.TTL >= 3*c.Etcd.RequestTimeout }, "at least 3 times", "at most a third of"},
	{"etcd.cert", "etcd.key",
		func(c Config) bool { return (c.Etcd.Cert == "") == (c.Etcd.Key == "") }, "to be set together with", "to be set together with"},
	{"etcd.user", "etcd.password-file",
		func(c Config) bool { return (c.Etcd.User == "") == (c.Etcd.PasswordFile == "") }, "to be set together with", "to be set together with"},
	{"metrics.web-config", "metrics.listen",
		func(c Config) bool { return c.Metrics.WebConfig == "" || c.Metrics.Listen != "" }, "to be set together with", "to be set together with"},
}

// broken returns the key that stands in the file with what its relation does
// not allow, and what was expected of it. A relation that does not hold has at
// least one value that is not the default, and so is in the file.
func (r relation) broken(c Config) (k key, expected string, broken bool) {
	if r.holds(c) {
		return key{}, "", false
	}
	a, _ := byPath(r.a)
	b, _ := byPath(r.b)
	is := r.aIs
	if a.write(c) == a.write(Default()) {
		a, b, is = b, a, r.bIs
	}
	return a, fmt.Sprintf("%s %s, which is %s", is, b.path, b.write(c)), true
}
