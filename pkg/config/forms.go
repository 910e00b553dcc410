package config

import (
	"fmt"
	"math"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// form is one way in which values are written.
type form[T any] struct {
	expected string // what a value has to be, in words that follow "expected"
	read     func(n *yaml.Node) (T, bool)
	write    func(T) string            // for messages; read takes it back
	explain  func(n *yaml.Node) string // if set: what was expected in place of one that read refuses
}

// parse returns the value, or what was expected in its place.
func (f form[T]) parse(n *yaml.Node) (T, string) {
	var none T
	if odd(n) {
		return none, "the plain value, written out: " + f.expected
	}
	v, ok := f.read(n)
	switch {
	case ok:
		return v, ""
	case f.explain != nil:
		return none, f.explain(n)
	default:
		return none, f.expected
	}
}

// odd tells the parts of YAML that a file of some forty keys has no need of,
// and in which a slip would go unseen.
func odd(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0
}

func isText(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!str" }

func show(s string) string {
	if s == "" {
		return `""`
	}
	return s
}

func index(i int) string { return fmt.Sprintf("[%d]", i) }

func text(expected string, ok func(string) bool) form[string] {
	read := func(n *yaml.Node) (string, bool) { return n.Value, isText(n) && ok(n.Value) }
	return form[string]{expected: expected, read: read, write: show}
}

func oneOf(words ...string) form[string] {
	return text(alternatives(words), func(s string) bool { return slices.Contains(words, s) })
}

func alternatives(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

var truth = form[bool]{
	expected: "true or false, without quotes",
	read: func(n *yaml.Node) (bool, bool) {
		return n.Value == "true", n.Tag == "!!bool" && (n.Value == "true" || n.Value == "false")
	},
	write: strconv.FormatBool,
}

// mode is whether the watchdog only observes.
var mode = form[bool]{
	expected: "heal or observe",
	read: func(n *yaml.Node) (bool, bool) {
		return n.Value == "observe", n.Tag == "!!str" && (n.Value == "heal" || n.Value == "observe")
	},
	write: func(observe bool) string {
		if observe {
			return "observe"
		}
		return "heal"
	},
}

func count[T int | int64](low, high T) form[T] {
	return form[T]{
		expected: fmt.Sprintf("a whole number from %d to %d, without quotes", low, high),
		read: func(n *yaml.Node) (T, bool) {
			v, err := strconv.ParseInt(n.Value, 10, 64)
			return T(v), n.Tag == "!!int" && err == nil && v >= int64(low) && v <= int64(high)
		},
		write: func(v T) string { return strconv.FormatInt(int64(v), 10) },
	}
}

func between(low, high time.Duration) form[time.Duration] {
	return form[time.Duration]{
		expected: fmt.Sprintf("a duration with its unit, from %s to %s", writeDuration(low), writeDuration(high)),
		read: func(n *yaml.Node) (time.Duration, bool) {
			v, err := time.ParseDuration(n.Value)
			return v, isText(n) && err == nil && v >= low && v <= high
		},
		write: writeDuration,
	}
}

// wholeSeconds narrows a form to what etcd can store of a lease.
func wholeSeconds(f form[time.Duration]) form[time.Duration] {
	read := f.read
	f.expected += ", in whole seconds"
	f.read = func(n *yaml.Node) (time.Duration, bool) {
		v, ok := read(n)
		return v, ok && v%time.Second == 0
	}
	return f
}

// writeDuration is String without the units that are zero: 5m, not 5m0s.
func writeDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sharePattern = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3})?%$`)

var share = form[policy.Share]{
	expected: "a share of the quota, from 1% to 100%",
	read: func(n *yaml.Node) (policy.Share, bool) {
		if !isText(n) || !sharePattern.MatchString(n.Value) {
			return 0, false
		}
		v, err := strconv.ParseFloat(strings.TrimSuffix(n.Value, "%"), 64)
		return policy.Share(v / 100), err == nil && v >= 1 && v <= 100
	},
	write: func(s policy.Share) string { return strconv.FormatFloat(float64(s)*100, 'g', 6, 64) + "%" },
}

// sizeUnits is in falling order: a size is written in the first that divides it.
var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

func writeSize(size int64) string {
	for _, u := range sizeUnits {
		if size%u.bytes == 0 {
			return strconv.FormatInt(size/u.bytes, 10) + u.name
		}
	}
	return ""
}

// readSize takes a whole number with a unit, and one without as bytes: so it
// stands on etcd's own command line.
func readSize(s string, high int64) (int64, bool) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if digits, ok := strings.CutSuffix(s, u.name); ok {
			s, unit = digits, u.bytes
			break
		}
	}
	v, err := strconv.ParseUint(s, 10, 63)
	if err != nil || int64(v) > high/unit {
		return 0, false
	}
	return int64(v) * unit, true
}

// ParseSize reads a size as the file has it: a whole number with a unit such as
// MiB, or a plain one of bytes.
func ParseSize(s string) (int64, error) {
	size, ok := readSize(s, math.MaxInt64)
	if !ok {
		return 0, fmt.Errorf("%q is not a size: want a whole number with B, KiB, MiB, GiB or TiB, such as 32MiB", s)
	}
	return size, nil
}

func autoOrSize(low, high int64) form[int64] {
	return form[int64]{
		expected: fmt.Sprintf("auto, or a size from %s to %s, or that as a plain number of bytes", writeSize(low), writeSize(high)),
		read: func(n *yaml.Node) (int64, bool) {
			if n.Value == "auto" {
				return 0, isText(n)
			}
			v, ok := readSize(n.Value, high)
			return v, ok && (isText(n) || n.Tag == "!!int") && v >= low
		},
		write: func(v int64) string {
			if v == 0 {
				return "auto"
			}
			return writeSize(v)
		},
	}
}

var fileName = text(`the absolute name of a file, or ""`, func(s string) bool {
	return s == "" || path.IsAbs(s) && !strings.HasSuffix(s, "/") && printable(s)
})

// promFile is a file of node_exporter's textfile collector, which reads no other name.
var promFile = text(`the absolute name of a file that ends in .prom, or ""`, func(s string) bool {
	return s == "" || path.IsAbs(s) && strings.HasSuffix(s, ".prom") && printable(s)
})

var listenAddress = text(`host:port, such as 127.0.0.1:9979 (0.0.0.0:9979 for every interface), or ""`, func(s string) bool {
	return s == "" || metrics.CheckAddress(s) == nil && printable(s)
})

var userName = text("the name of a user without its password, which belongs into the file that etcd.password-file names",
	func(s string) bool { return !strings.Contains(s, ":") && printable(s) })

var hostName = text(`the name of a host as certificates hold it, without scheme and port, or ""`, func(s string) bool {
	return len(s) <= 253 && !strings.ContainsAny(s, " :/@,") && printable(s)
})

var prefix = text("a prefix of keys in etcd that begins with / and does not end with it", func(s string) bool {
	return len(s) <= 256 && s == path.Clean(s) && path.IsAbs(s) && s != "/" && printable(s)
})

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) })
}

var endpoint = explainSocket(text("one URL of a member with its port, such as http://127.0.0.1:2379", func(s string) bool {
	u, ok := readURL(s)
	return ok && u.Path == ""
}))

// explainSocket says of a Unix socket what else would do.
func explainSocket(f form[string]) form[string] {
	f.explain = func(n *yaml.Node) string {
		if isText(n) && (strings.HasPrefix(n.Value, "unix:") || strings.HasPrefix(n.Value, "unixs:")) {
			return f.expected + ": Unix sockets are not supported, so have etcd listen on loopback as well"
		}
		return f.expected
	}
	return f
}

var metricsURL = text(`a URL with its port, such as http://127.0.0.1:2381, or ""`, func(s string) bool {
	_, ok := readURL(s)
	return s == "" || ok
})

// readURL refuses what no URL of ours has: a user, a password, a query, a
// fragment, and the comma of a list.
func readURL(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || strings.ContainsAny(s, ",?#@ ") || !printable(s) {
		return nil, false
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	return u, err == nil && port > 0 && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https")
}
