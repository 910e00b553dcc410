package forecast

import (
	"math"
	"slices"
	"time"
)

// Sample is the size of one member's database at one look.
type Sample struct {
	At         time.Time
	SizeBytes  int64 // the file, what etcd compares with the quota
	InUseBytes int64 // of it, what is not free pages
}

const (
	// minGap: etcd works its sizes out anew with each commit, by default every
	// 100 ms; what is closer together measures the commit, not the growth.
	minGap = 100 * time.Millisecond

	// speedHalfLife is how long it takes half of a speed to be forgotten: after
	// a burst the looks stay close for some minutes, for bursts come in groups.
	speedHalfLife = time.Minute

	// minSpeed, in bytes per second, is forgotten altogether: below one page an
	// hour.
	minSpeed = 1
)

// The widths at which floors are kept, narrowest first, and how many of each.
const narrow = 0

var widths = [3]struct {
	seconds int64
	slices  int
}{
	{10 * 60, 24},  // four hours
	{60 * 60, 30},  // a day and a quarter: what happens daily is in it whole, once before
	{6 * 3600, 28}, // a week
}

// slice is what is remembered of one span of time, the narrow ones of samples,
// the wider ones of the narrow slices in them.
type slice struct {
	Start int64 `json:"start_unix_seconds"` // a multiple of the width
	Low   int64 `json:"low_in_use_bytes"`   // lowest floor
	High  int64 `json:"high_in_use_bytes"`  // highest floor; the floor itself in a narrow slice
	Peak  int64 `json:"peak_in_use_bytes"`  // highest sample
	Size  int64 `json:"size_bytes"`         // the file at the end
}

func (s slice) with(later slice) slice {
	s.Low, s.High, s.Peak = min(s.Low, later.Low), max(s.High, later.High), max(s.Peak, later.Peak)
	s.Size = later.Size
	return s
}

// History is what is remembered of the growth of one member. The zero History
// remembers nothing. It may be copied and kept; it shares memory with the ones
// that came from it by Add, which never write to it.
type History struct {
	last  moment
	speed float64    // bytes per second, as of last
	open  slice      // the narrow slice that last is in
	past  [3][]slice // those that have ended, per width, oldest first; nil if none
}

// moment is a Sample without what JSON and == would not keep.
type moment struct {
	At    int64 // Unix time in milliseconds; 0: there was no sample yet
	Size  int64
	InUse int64
}

// Add returns the history with one more sample in it and leaves h as it is.
//
// A sample without sizes, or less than 100 ms after the last, is ignored. One
// before the last says that the clock was set back: what the history holds of
// the time after it is forgotten, for that time will come again. A gap between
// two samples (a suspended machine, a watchdog that was stopped, a clock set
// forward) stays a gap.
//
// A clock set back by a little less than the time between two looks can't be
// seen; it makes one speed too high, for some minutes, and no trend.
func (h History) Add(s Sample) History {
	now := moment{At: s.At.UnixMilli(), Size: s.SizeBytes, InUse: s.InUseBytes}
	if !now.valid() {
		return h
	}
	if h.last.At != 0 {
		elapsed := now.At - h.last.At
		switch {
		case elapsed < 0:
			h = h.until(now.At)
		case elapsed < minGap.Milliseconds():
			return h
		default:
			h.speed = h.speedAt(now)
		}
	}
	h.last = now
	next := slice{align(now.At/1000, narrow), now.InUse, now.InUse, now.InUse, now.Size}
	switch {
	case h.open == (slice{}):
		h.open = next
	case h.open.Start == next.Start:
		h.open = h.open.with(next)
		h.open.High = h.open.Low
	default:
		h = h.withPast(h.open)
		h.open = next
	}
	return h
}

// maxUnixMilli is the end of the year 9999, the last that JSON's times know.
// A time beyond it, or before 1970, is no time of a look.
const maxUnixMilli = 253402300799999

func (m moment) valid() bool {
	return m.At > 0 && m.At <= maxUnixMilli && m.Size > 0 && m.InUse > 0
}

func align(unixSeconds int64, width int) int64 {
	return unixSeconds - unixSeconds%widths[width].seconds
}

// oldest returns the start of the oldest slice that is kept beside the newest.
func oldest(newest int64, width int) int64 {
	return newest - int64(widths[width].slices-1)*widths[width].seconds
}

// speedAt is the speed as of now, which is later than the last sample.
func (h History) speedAt(now moment) float64 {
	seconds := float64(now.At-h.last.At) / 1000
	faster := float64(max(now.Size-h.last.Size, now.InUse-h.last.InUse)) / seconds
	speed := max(faster, h.speed*math.Exp2(-seconds/speedHalfLife.Seconds()))
	if speed < minSpeed {
		return 0
	}
	return speed
}

// withPast returns the history with a narrow slice that has ended put away.
func (h History) withPast(ended slice) History {
	for width, kept := range h.past {
		next := ended
		next.Start = align(ended.Start, width)
		n := len(kept)
		if n > 0 && kept[n-1].Start == next.Start {
			next, kept = kept[n-1].with(next), kept[:n-1]
		}
		from := oldest(next.Start, width)
		kept = slices.DeleteFunc(slices.Clone(kept), func(s slice) bool { return s.Start < from })
		h.past[width] = append(kept, next)
	}
	return h
}

// until returns the history without the slices that begin after that moment.
// The speed stays: the member is no calmer for it.
func (h History) until(unixMilli int64) History {
	from := align(unixMilli/1000, narrow)
	for width, kept := range h.past {
		n := slices.IndexFunc(kept, func(s slice) bool { return s.Start >= from })
		switch {
		case n == 0:
			h.past[width] = nil
		case n > 0:
			h.past[width] = kept[:n]
		}
	}
	if h.open.Start > from {
		h.open = slice{}
	}
	return h
}

// Speed returns, in bytes per second, the fastest growth between two looks
// lately, of the file or of the pages in use, whichever grew faster. It halves
// with every minute up to the last sample. It is for deciding how soon to look
// again, so garbage counts. 0: no growth, or none known.
func (h History) Speed() float64 { return h.speed }
