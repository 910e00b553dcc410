package etcd

import (
	"bytes"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// window is the part of a range that the next page is asked from. For each page
// etcd walks through its index up to the end that the request names, to count
// the keys, and writers wait meanwhile: if every page named the end of the whole
// range, the cost would grow with the square of the keys. So the end is that of
// a prefix of the next key, chosen so long that not too many keys are below it.
type window struct {
	from   []byte // the next key is this one or comes after it
	limit  []byte // the end of the whole range
	base   int    // the length of the whole range's prefix
	length int    // of the prefix of from that the window ends with; base: it ends with the whole range
	step   int    // by how much the prefix is shortened the next time
	wide   []byte // a prefix that too many keys are below
	opened bool   // from is where the window begins
	done   bool
}

const (
	countedAtMost  = 16 << 10 // keys in a window; to count them takes etcd about a millisecond
	countedAtLeast = 1 << 10  // or the next window is made larger
)

func newWindow(prefix string) *window {
	w := &window{from: []byte(prefix), base: len(prefix), length: len(prefix), step: 1, opened: true}
	w.limit = prefixEnd(w.from)
	if prefix == "" {
		w.from = []byte{0} // no key is empty, so this is before the first
	}
	return w
}

// end is the end of the window, which no page goes beyond.
func (w *window) end() []byte {
	if w.length <= w.base {
		return w.limit
	}
	return prefixEnd(w.from[:w.length])
}

// advance moves on behind a page. count is how many keys the window held from
// its first key on; more, whether some of them are not on the page.
func (w *window) advance(page []*mvccpb.KeyValue, count int64, more bool) {
	if more && len(page) > 0 {
		last := page[len(page)-1].Key
		if count > countedAtMost {
			w.wide = bytes.Clone(last[:w.length])
			w.length = min(max(w.length+1, common(page[0].Key, last)), len(last))
		}
		w.from = append(bytes.Clone(last), 0)
		w.opened = false
		return
	}
	end := w.end()
	if w.done = bytes.Equal(end, w.limit); w.done {
		return
	}
	w.from = end
	w.length = min(w.length, len(end))
	if w.opened && count < countedAtLeast {
		w.length = max(w.shortest(count), w.length-w.step)
		w.step *= 2
	} else {
		w.step = 1
	}
	w.opened = true
}

// shortest is the least length that the next window may have after one with so
// few keys. A prefix that was too wide is not tried again as long as smaller
// windows find keys; after an empty one it is, since hundreds may be empty.
func (w *window) shortest(count int64) int {
	if count > 0 && bytes.HasPrefix(w.from, w.wide) {
		return min(len(w.from), max(w.base, len(w.wide)+1))
	}
	return w.base
}

// prefixEnd is the end of the range of all keys with a prefix: the first key
// beyond them, or the zero byte, which is etcd's word for the end of all keys.
func prefixEnd(prefix []byte) []byte {
	if len(prefix) == 0 {
		return []byte{0}
	}
	return []byte(clientv3.GetPrefixRangeEnd(string(prefix)))
}

// common is how many bytes two keys begin with alike.
func common(a, b []byte) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
