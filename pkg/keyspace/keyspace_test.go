package keyspace_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/keyspace"
)

type stored struct {
	key      string
	value    int64
	versions int64
}

// survey feeds keys in etcd's order.
func survey(opts keyspace.Options, keys []stored) keyspace.Report {
	s := keyspace.NewSurvey(opts)
	for _, k := range slices.SortedFunc(slices.Values(keys), func(a, b stored) int { return strings.Compare(a.key, b.key) }) {
		s.Add([]byte(k.key), k.value, k.versions)
	}
	return s.Report()
}

// sized makes keys of one version whose value fills them up to that many bytes.
func sized(bytes int64, names ...string) []stored {
	var keys []stored
	for _, n := range names {
		keys = append(keys, stored{n, bytes - int64(len(n)), 1})
	}
	return keys
}

func many(n int, format string) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(format, i))
	}
	return names
}

// lines writes rows as "bytes keys name".
func lines(rows []keyspace.Row) string {
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%d %d %s\n", r.Bytes(), r.Keys, r.Name)
	}
	return b.String()
}

func TestPrefixes(t *testing.T) {
	kubernetes := slices.Concat(
		sized(100, many(60, "/registry/events/default/e%02d")...),
		sized(100, many(10, "/registry/pods/default/p%02d")...),
		sized(100, many(10, "/registry/pods/kube-system/p%02d")...),
		sized(100, many(5, "/registry/leases/kube-node-lease/n%d")...),
	)
	for _, c := range []struct {
		name      string
		opts      keyspace.Options
		keys      []stored
		separator string
		want      string
	}{
		{"a prefix is passed through where one below it holds nearly everything", keyspace.Options{}, kubernetes, "/",
			"8500 85 /registry/\n6000 60 /registry/events/default/\n2000 20 /registry/pods/\n1000 10 /registry/pods/default/\n1000 10 /registry/pods/kube-system/\n500 5 /registry/leases/kube-node-lease/\n"},
		{"no more rows than asked for", keyspace.Options{Top: 2}, kubernetes, "/",
			"8500 85 /registry/\n6000 60 /registry/events/default/\n"},
		{"no deeper than asked for", keyspace.Options{Depth: 2}, kubernetes, "/",
			"8500 85 /registry/\n6000 60 /registry/events/\n2000 20 /registry/pods/\n500 5 /registry/leases/\n"},
		{"levels count from the prefix on", keyspace.Options{Prefix: "/registry/pods/", Depth: 1}, kubernetes[60:80], "/",
			"1000 10 /registry/pods/default/\n1000 10 /registry/pods/kube-system/\n"},
		{"a prefix without its separator", keyspace.Options{Prefix: "/registry/pods", Depth: 1}, kubernetes[60:80], "/",
			"1000 10 /registry/pods/default/\n1000 10 /registry/pods/kube-system/\n"},
		{"keys of several programs", keyspace.Options{}, slices.Concat(
			sized(50, "stolon/cluster/main/clusterdata", "stolon/cluster/main/proxies/info/a", "stolon/cluster/main/keepers/info/b"),
			sized(70, "/service/batman/config", "/service/batman/leader", "/service/robin/leader")), "/",
			"210 3 /service/\n150 3 stolon/cluster/main/\n140 2 /service/batman/\n70 1 /service/robin/\n50 1 stolon/cluster/main/keepers/info/\n50 1 stolon/cluster/main/proxies/info/\n"},
		{"another separator is found", keyspace.Options{}, sized(40, "user:1:name", "user:2:name", "group:1:name"), ":",
			"80 2 user:\n40 1 group:1:\n40 1 user:1:\n40 1 user:2:\n"},
		{"a separator that is named", keyspace.Options{Separator: "::"}, sized(40, "a::b/c", "a::d/e"), "::", "80 2 a::\n"},
		{"keys without any", keyspace.Options{}, sized(40, "a", "b"), "/", ""},
		{"no keys", keyspace.Options{}, nil, "/", ""},
		{"separators one after the other", keyspace.Options{}, sized(40, "//a", "//b", "/c//d"), "/", "80 2 //\n40 1 /c//\n"},
		{"of equal ones the first", keyspace.Options{Top: 1}, sized(40, "a/1", "b/1"), "/", "40 1 a/\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.opts.Top == 0 {
				c.opts.Top = 20
			}
			got := survey(c.opts, c.keys)
			if lines(got.Prefixes) != c.want || got.Separator != c.separator {
				t.Errorf("separator %q, prefixes\n%swant %q,\n%s", got.Separator, lines(got.Prefixes), c.separator, c.want)
			}
		})
	}
}

func TestTotalsAndLargestKeys(t *testing.T) {
	got := survey(keyspace.Options{Top: 2}, []stored{{"a/x", 10, 3}, {"b", 500, 1}, {"a/y", 20, 40}})
	want := keyspace.Totals{Keys: 3, KeyBytes: 7, ValueBytes: 530, Versions: 44}
	if got.Totals != want || lines(got.Largest) != "501 1 b\n23 1 a/y\n" {
		t.Errorf("totals %+v, want %+v; keys\n%s", got.Totals, want, lines(got.Largest))
	}
	if v := got.Largest[1].Versions; v != 40 {
		t.Errorf("%d versions of a/y, want 40", v)
	}
	if lines(got.Prefixes) != "36 2 a/\n" || got.Prefixes[0].Versions != 43 {
		t.Errorf("prefixes %+v, want a/ with 43 versions", got.Prefixes)
	}
}

// TestEqualToCountingEverything compares with sums over a map of all prefixes.
func TestEqualToCountingEverything(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		keys := randomKeys(random)
		sums := map[string]keyspace.Totals{}
		for _, k := range keys {
			for i := 1; i < len(k.key); i++ {
				if k.key[i] == '/' {
					t := sums[k.key[:i+1]]
					sums[k.key[:i+1]] = keyspace.Totals{Keys: t.Keys + 1, KeyBytes: t.KeyBytes + int64(len(k.key)), ValueBytes: t.ValueBytes + k.value, Versions: t.Versions + k.versions}
				}
			}
		}
		listed := map[string]bool{}
		for _, row := range survey(keyspace.Options{Separator: "/", Top: keyspace.MaxTop}, keys).Prefixes {
			listed[row.Name] = true
			if row.Totals != sums[row.Name] {
				t.Errorf("seed %d: %q has %+v, want %+v", seed, row.Name, row.Totals, sums[row.Name])
			}
		}
		for name, sum := range sums {
			if !listed[name] && !passedThrough(sums, name, sum) {
				t.Errorf("seed %d: %q with %+v is missing", seed, name, sum)
			}
		}
	}
}

func randomKeys(random *rand.Rand) []stored {
	byKey := map[string]stored{}
	for range 1 + random.IntN(60) {
		var key strings.Builder
		for range 1 + random.IntN(6) {
			key.WriteByte("ab/\xff"[random.IntN(4)])
		}
		byKey[key.String()] = stored{key.String(), int64(random.IntN(50)), 1 + int64(random.IntN(5))}
	}
	var keys []stored
	for _, k := range byKey {
		keys = append(keys, k)
	}
	return keys
}

func passedThrough(sums map[string]keyspace.Totals, name string, sum keyspace.Totals) bool {
	for below, t := range sums {
		if below != name && strings.HasPrefix(below, name) && t.Bytes()*100 >= sum.Bytes()*95 {
			return true
		}
	}
	return false
}

// TestMemoryDoesNotGrow adds keys that each have a prefix of their own.
func TestMemoryDoesNotGrow(t *testing.T) {
	s := keyspace.NewSurvey(keyspace.Options{Top: keyspace.DefaultTop})
	key, n := []byte("/registry/pods/00000000/containers/00000000/key"), 0
	next := func() {
		n++
		for at, v := 22, n/10; at >= 15; at, v = at-1, v/10 {
			key[at] = byte('0' + v%10)
		}
		for at, v := 42, n; at >= 35; at, v = at-1, v/10 {
			key[at] = byte('0' + v%10)
		}
		s.Add(key, 100, 1)
	}
	for range 20_000 {
		next()
	}
	if allocated := testing.AllocsPerRun(50_000, next); allocated > 0 {
		t.Errorf("%v allocations for each further key, want none", allocated)
	}
	if got := s.Report(); len(got.Prefixes) != keyspace.DefaultTop || len(got.Largest) != keyspace.DefaultTop {
		t.Errorf("%d prefixes and %d keys, want %d of each", len(got.Prefixes), len(got.Largest), keyspace.DefaultTop)
	}
}

// TestStrangeKeys takes keys whose prefixes would be out of bounds.
func TestStrangeKeys(t *testing.T) {
	for name, key := range map[string]string{
		"many levels":  strings.Repeat("a/", 1<<16),
		"a long level": strings.Repeat("a", 1<<16) + "/b",
		"no text":      "\x00\xff/\xfe/",
		"only a slash": "/",
	} {
		got := survey(keyspace.Options{Top: 100}, []stored{{key, 1, 1}, {key + "b", 1, 1}})
		if got.Totals.Keys != 2 {
			t.Errorf("%s: %+v", name, got.Totals)
		}
		for _, row := range got.Prefixes {
			if !strings.HasPrefix(key, row.Name) || len(row.Name) > 1<<10 || row.Keys != 2 {
				t.Errorf("%s: prefix of %d bytes, %+v", name, len(row.Name), row.Totals)
			}
		}
	}
}
