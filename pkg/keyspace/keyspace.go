// Package keyspace tells where the bytes of a key space are: which prefixes
// hold the most, and which single keys are the largest. It is fed one key after
// the other and never sees a value.
//
// It is not a picture of the database file: what counts is each key's live
// revision, the key and its value; older revisions, the fields that etcd stores
// with each key and the pages they lie on come besides. It does no input or
// output.
//
// What it keeps to:
//
//  1. Figures are exact, not estimated. Keys come in rising order, so a prefix
//     is complete as soon as a key beyond it is seen; only the prefixes of the
//     last key are open, and of the closed ones those that have a place in the
//     list are kept.
//  2. Its memory depends on Options.Top, the depth, and the length of keys,
//     never on how many keys there are.
//  3. A prefix's figures include those of all prefixes below it.
package keyspace

import "slices"

const (
	// DefaultTop is how long each of the two lists is.
	DefaultTop = 10
	// MaxTop bounds Options.Top, and so the memory.
	MaxTop = 1000

	// maxDepth and maxPrefixBytes bound what is kept of a key that consists of
	// nothing but separators, or of a megabyte; no layout that people have made
	// comes near.
	maxDepth       = 32
	maxPrefixBytes = 1 << 10

	// dominated is the share, in percent, from which on one prefix holds nearly
	// everything of the one above it, which then tells nothing more.
	dominated = 95
)

// separators are tried at once where none is named, the most usual first.
var separators = []string{"/", ":", "."}

// Options says what to look for. The zero value looks at all keys, chooses the
// separator itself and goes as deep as it matters, but lists nothing: set Top.
type Options struct {
	Prefix    string // which all keys begin with; levels are counted from there
	Separator string // what ends a level; empty: the most usual one that more than half of the bytes are below
	Depth     int    // how many levels are looked into; 0: all
	Top       int    // how many prefixes, and how many keys, are listed; up to MaxTop
}

// Totals are the sums over some keys.
type Totals struct {
	Keys       int64
	KeyBytes   int64
	ValueBytes int64
	Versions   int64 // writes of these keys since each was created
}

// Bytes is what the keys and their values take together.
func (t Totals) Bytes() int64 { return t.KeyBytes + t.ValueBytes }

func (t *Totals) add(o Totals) {
	t.Keys += o.Keys
	t.KeyBytes += o.KeyBytes
	t.ValueBytes += o.ValueBytes
	t.Versions += o.Versions
}

// Row is a prefix, or a single key, with what it holds.
type Row struct {
	Name string // as it is stored, which need not be text
	Totals
}

// Report is what a survey has found.
type Report struct {
	Totals
	Separator string // the one that was named or chosen
	Prefixes  []Row  // most bytes first; none of which one prefix below holds nearly everything
	Largest   []Row  // single keys, most bytes first
}

// Survey takes the keys in and sums them up.
type Survey struct {
	totals  Totals
	largest ranking
	trees   []*tree // one for each separator that may be chosen
}

// NewSurvey begins a survey.
func NewSurvey(opts Options) *Survey {
	s := &Survey{largest: ranking{places: min(opts.Top, MaxTop)}}
	named := separators
	if opts.Separator != "" {
		named = []string{opts.Separator}
	}
	for _, separator := range named {
		s.trees = append(s.trees, newTree(separator, opts))
	}
	return s
}

// Add takes one key in. Keys have to come in rising order, as etcd returns
// them, each begin with Options.Prefix, and come once. The key's bytes are not
// kept beyond the call.
func (s *Survey) Add(key []byte, valueBytes, versions int64) {
	one := Totals{Keys: 1, KeyBytes: int64(len(key)), ValueBytes: valueBytes, Versions: versions}
	s.totals.add(one)
	s.largest.offer(key, one)
	for _, t := range s.trees {
		t.add(key, one)
	}
}

// Keys is how many keys were taken in so far.
func (s *Survey) Keys() int64 { return s.totals.Keys }

// Report ends the survey: nothing can be added after it.
func (s *Survey) Report() Report {
	chosen := s.trees[0]
	for _, t := range s.trees {
		t.closeTo(0)
	}
	for _, t := range s.trees {
		if t.below > s.totals.Bytes()/2 { // the first, so the most usual
			chosen = t
			break
		}
	}
	return Report{
		Totals:    s.totals,
		Separator: chosen.separator,
		Prefixes:  slices.Clip(chosen.closed.rows),
		Largest:   slices.Clip(s.largest.rows),
	}
}
