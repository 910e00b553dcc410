package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Fault is one thing wrong with the file.
type Fault struct {
	File         string
	Line, Column int    // of the value, or of the key if that is at fault; from 1, in characters
	Key          string // its path, such as "etcd.endpoint"; empty: the file as a whole
	Found        string
	Expected     string
}

// String returns the fault in one line, beginning with its place in the form
// that editors jump to.
func (f Fault) String() string {
	place := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Key != "" {
		place += f.Key + ": "
	}
	return place + "found " + f.Found + ", expected " + f.Expected
}

// Faults is everything wrong with the file, by position. As an error it is one
// line for each.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}

// userInfo is what stands before the host of a URL, with or without a scheme,
// and query what stands behind it. Both may hold a password, and faults end up in
// logs.
var (
	userInfo = regexp.MustCompile(`(?s)^([a-zA-Z]*://|).*@`)
	query    = regexp.MustCompile(`(?s)[?#].*$`)
)

// describe says what stands in the file, in words. Where a password may have
// got into a value of this key, a text is not repeated.
func describe(n *yaml.Node, secret bool) string {
	switch {
	case n.Kind == yaml.AliasNode:
		return "an alias"
	case n.Anchor != "":
		return "a value with an anchor"
	case n.Style&yaml.TaggedStyle != 0:
		return "a value with a tag"
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	case secret:
		return "a text that is not repeated here, as it may hold a password"
	case n.Tag == "!!str":
		return quote(query.ReplaceAllString(userInfo.ReplaceAllString(n.Value, "${1}...@"), "?..."))
	default:
		return shorten(n.Value)
	}
}

func quote(s string) string { return strconv.Quote(shorten(s)) }

// shorten keeps a fault in a line that can be read.
func shorten(s string) string {
	const limit = 60
	if runes := []rune(s); len(runes) > limit {
		return string(runes[:limit]) + "..."
	}
	return s
}
