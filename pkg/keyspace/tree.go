package keyspace

import (
	"bytes"
	"slices"
)

// tree sums up by prefixes that end with one separator. It holds only the
// prefixes of the last key, from the shortest to the longest.
type tree struct {
	separator string
	depth     int
	last      []byte // the longest open prefix
	open      []node // open[0] is all keys
	closed    ranking
	below     int64 // bytes of the keys that have a prefix of their own, and so the separator
}

// node is an open prefix.
type node struct {
	end     int // its length in bytes
	totals  Totals
	largest int64 // bytes of the largest prefix closed directly below it
}

func newTree(separator string, opts Options) *tree {
	t := &tree{separator: separator, depth: maxDepth, closed: ranking{places: min(opts.Top, MaxTop)}}
	if opts.Depth > 0 {
		t.depth = min(opts.Depth, maxDepth)
	}
	t.last = []byte(opts.Prefix)
	t.open = []node{{end: len(opts.Prefix)}}
	return t
}

// add counts the key in the longest prefix that it has; the shorter ones get it
// when that is closed.
func (t *tree) add(key []byte, one Totals) {
	t.closeTo(commonLength(t.last, key))
	t.openFor(key)
	t.open[len(t.open)-1].totals.add(one)
	if len(t.open) > 1 {
		t.below += one.Bytes()
	}
}

// closeTo closes every prefix that is longer than that many bytes, but never
// the one of all keys.
func (t *tree) closeTo(length int) {
	for len(t.open) > 1 {
		n := t.open[len(t.open)-1]
		if n.end <= length {
			return
		}
		t.open = t.open[:len(t.open)-1]
		parent := &t.open[len(t.open)-1]
		parent.totals.add(n.totals)
		parent.largest = max(parent.largest, n.totals.Bytes())
		if n.largest*100 < n.totals.Bytes()*dominated {
			t.closed.offer(t.last[:n.end], n.totals)
		}
	}
}

// openFor opens the prefixes of the key that are not open yet. A separator that
// the keys begin with ends no level: nothing is before it.
func (t *tree) openFor(key []byte) {
	visible := key[:min(len(key), maxPrefixBytes)]
	end := min(t.open[len(t.open)-1].end, len(visible))
	if len(t.open) == 1 && bytes.HasPrefix(visible[end:], []byte(t.separator)) {
		end += len(t.separator)
	}
	for len(t.open) <= t.depth {
		i := bytes.Index(visible[end:], []byte(t.separator))
		if i < 0 {
			break
		}
		end += i + len(t.separator)
		t.open = append(t.open, node{end: end})
	}
	t.last = append(t.last[:0], key[:t.open[len(t.open)-1].end]...)
}

func commonLength(a, b []byte) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// ranking keeps the rows with the most bytes; of equal ones those that came
// first.
type ranking struct {
	places int
	rows   []Row // most bytes first
}

// offer gives the row a place if it deserves one, and copies the name only then.
func (r *ranking) offer(name []byte, t Totals) {
	if len(r.rows) == r.places {
		if r.places == 0 || r.rows[r.places-1].Bytes() >= t.Bytes() {
			return
		}
		r.rows = r.rows[:r.places-1]
	}
	at := len(r.rows)
	for at > 0 && r.rows[at-1].Bytes() < t.Bytes() {
		at--
	}
	r.rows = slices.Insert(r.rows, at, Row{Name: string(name), Totals: t})
}
