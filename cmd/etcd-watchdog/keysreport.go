package main

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/keyspace"
)

// keysTable is the answer for people.
func keysTable(r keyspace.Report, reading etcd.KeyReading) string {
	var b strings.Builder
	role := "a follower"
	if reading.Leads {
		role = "the leader"
	}
	fmt.Fprintf(&b, "%s in %s: keys %s, values %s\n", cluster.FormatBytes(r.Bytes()), plural(r.Totals.Keys, "key"), cluster.FormatBytes(r.KeyBytes), cluster.FormatBytes(r.ValueBytes))
	fmt.Fprintf(&b, "%s since these keys were created\n", plural(r.Versions, "version"))
	fmt.Fprintf(&b, "read at revision %d from %s (%s), %s\n", reading.Revision, event.Escape(reading.Member.Name), reading.Member.ID, role)
	if reading.Revisions > 1 {
		fmt.Fprintf(&b, "%d revisions were compacted away meanwhile, and the reading went on at newer ones: the sums are of no single moment\n", reading.Revisions-1)
	}
	if len(r.Prefixes) > 0 {
		fmt.Fprintf(&b, "\n%10s  %6s  %13s  %13s  PREFIX\n", "SIZE", "SHARE", "KEYS", "VERSIONS")
		for _, p := range r.Prefixes {
			fmt.Fprintf(&b, "%10s  %6s  %13s  %13s  %s\n", cluster.FormatBytes(p.Bytes()), share(p.Bytes(), r.Bytes()), grouped(p.Keys), grouped(p.Versions), event.Escape(p.Name))
		}
	}
	if len(r.Largest) > 0 {
		fmt.Fprintf(&b, "\n%10s  %6s  %13s  KEY\n", "SIZE", "SHARE", "VERSIONS")
		for _, k := range r.Largest {
			fmt.Fprintf(&b, "%10s  %6s  %13s  %s\n", cluster.FormatBytes(k.Bytes()), share(k.Bytes(), r.Bytes()), grouped(k.Versions), event.Escape(k.Name))
		}
	}
	return b.String()
}

func share(part, whole int64) string {
	return fmt.Sprintf("%.1f%%", 100*float64(part)/float64(max(1, whole)))
}

func plural(n int64, word string) string {
	if n != 1 {
		word += "s"
	}
	return grouped(n) + " " + word
}

// grouped writes a number of many digits so that it can be read.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0 && digits[i-1] != '-'; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// keysJSON is the answer for programs; docs/schemas/keys.json describes it.
type keysJSON struct {
	Prefix       string          `json:"prefix"`
	PrefixBase64 string          `json:"prefix_base64,omitempty"`
	Separator    string          `json:"separator"`
	Member       keysMemberJSON  `json:"member"`
	Revision     int64           `json:"revision"`
	Revisions    int             `json:"revisions"`
	Keys         int64           `json:"keys"`
	Bytes        int64           `json:"bytes"`
	KeyBytes     int64           `json:"key_bytes"`
	ValueBytes   int64           `json:"value_bytes"`
	Versions     int64           `json:"versions"`
	Prefixes     []keyPrefixJSON `json:"prefixes"`
	LargestKeys  []largeKeyJSON  `json:"largest_keys"`
}

type keysMemberJSON struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Leader bool   `json:"leader"`
}

type keyPrefixJSON struct {
	Prefix       string `json:"prefix"`
	PrefixBase64 string `json:"prefix_base64,omitempty"`
	Keys         int64  `json:"keys"`
	Bytes        int64  `json:"bytes"`
	KeyBytes     int64  `json:"key_bytes"`
	ValueBytes   int64  `json:"value_bytes"`
	Versions     int64  `json:"versions"`
}

type largeKeyJSON struct {
	Key        string `json:"key"`
	KeyBase64  string `json:"key_base64,omitempty"`
	Bytes      int64  `json:"bytes"`
	KeyBytes   int64  `json:"key_bytes"`
	ValueBytes int64  `json:"value_bytes"`
	Versions   int64  `json:"versions"`
}

func newKeysJSON(opts keyspace.Options, r keyspace.Report, reading etcd.KeyReading) keysJSON {
	j := keysJSON{
		Separator: r.Separator,
		Member:    keysMemberJSON{reading.Member.ID.String(), reading.Member.Name, reading.Leads},
		Revision:  reading.Revision, Revisions: reading.Revisions,
		Keys: r.Totals.Keys, Bytes: r.Bytes(), KeyBytes: r.KeyBytes, ValueBytes: r.ValueBytes, Versions: r.Versions,
		Prefixes: []keyPrefixJSON{}, LargestKeys: []largeKeyJSON{},
	}
	j.Prefix, j.PrefixBase64 = inJSON(opts.Prefix)
	for _, p := range r.Prefixes {
		name, encoded := inJSON(p.Name)
		j.Prefixes = append(j.Prefixes, keyPrefixJSON{name, encoded, p.Keys, p.Bytes(), p.KeyBytes, p.ValueBytes, p.Versions})
	}
	for _, k := range r.Largest {
		name, encoded := inJSON(k.Name)
		j.LargestKeys = append(j.LargestKeys, largeKeyJSON{name, encoded, k.Bytes(), k.KeyBytes, k.ValueBytes, k.Versions})
	}
	return j
}

// inJSON is how a key stands in JSON, which holds text only: as it is, or, where
// it is no text, in a form to be read and in one to be decoded.
func inJSON(key string) (readable, encoded string) {
	if utf8.ValidString(key) {
		return key, ""
	}
	return event.Escape(key), base64.StdEncoding.EncodeToString([]byte(key))
}
