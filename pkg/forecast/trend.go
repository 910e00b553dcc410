package forecast

import (
	"slices"
	"time"
)

// Confidence says how much a Trend has to go by.
type Confidence int

// The confidences.
const (
	None Confidence = iota // less than an hour was seen: nothing is known
	Low                    // less than a day, the last hours alone, or too few teeth
	High                   // most of a day or more
)

// String returns the word that the reports use.
func (c Confidence) String() string {
	switch c {
	case Low:
		return "low"
	case High:
		return "high"
	default:
		return "none"
	}
}

// Trend is how one member grows when bursts and garbage are left out.
type Trend struct {
	FileBytesPerSecond  float64       // mean since the file last fell, within about a day; 0: not growing, or not known
	InUseBytesPerSecond float64       // of the live data; 0: not growing, or Confidence is None
	Confidence          Confidence    // in InUseBytesPerSecond
	Span                time.Duration // how much time that was measured over

	peak int64 // highest size in use in about a day
}

const (
	// minSlices: fewer slices, fewer than 15 pairs, are no trend. So the first
	// one is known after an hour.
	minSlices = 6

	// sureAfter makes Confidence High. Less than a day, so that a day with a gap
	// or with a burst at its end will do.
	sureAfter = 18 * time.Hour

	// knownTeeth is how many long teeth must have been seen for their floors to
	// show that nothing grows. Fewer can show growth only.
	knownTeeth = 4

	// hurry: against a longer trend the last hours count where they are faster
	// by more than this factor, for at least hurryFor. Less is the difference
	// between day and night; shorter is chance.
	hurry    = 2
	hurryFor = 110 * time.Minute // from the first to the last slice of two hours

	// horizon: what is further away depends on what nobody knows yet.
	horizon = 365 * 24 * time.Hour
)

// Trend returns how the member grows. It changes when a slice of ten minutes
// ends, not with every sample.
func (h History) Trend() Trend {
	if h.past[narrow] == nil {
		return Trend{}
	}
	hours, day, week := h.past[0], h.past[1], h.past[2]
	floor := hours[len(hours)-1].Low

	// A single fall in a week may have been a deletion; only two make teeth.
	inWeek := judge(week, floor, 2, false)
	inDay := judge(day, floor, 1, inWeek.flank)
	inHours := judge(hours, floor, 1, inWeek.flank || inDay.flank)

	best := inDay
	if !inDay.sure() && inWeek.enough {
		best = inWeek
	}
	hurried := inHours.slope > hurry*best.slope && inHours.span >= hurryFor
	if inHours.enough && (hurried || !best.enough) {
		best = inHours
	}
	t := Trend{FileBytesPerSecond: fileSlope(day), peak: max(h.open.Peak, highest(day))}
	if len(sinceFall(day)) < minSlices {
		t.FileBytesPerSecond = fileSlope(hours)
	}
	if !best.enough {
		return t
	}
	t.InUseBytesPerSecond, t.Span, t.Confidence = best.slope, best.span, Low
	if best.sure() {
		t.Confidence = High
	}
	return t
}

// TimeToQuota returns how long it takes until the file is at the quota if the
// member goes on like this: 0 if it is there already. size and inUse are those
// of the last look; a quota of zero or less is none.
//
// The file grows when no free page is left, so it reaches the quota when the
// pages in use do at the top of a tooth, not at the point of the tooth where
// the last look happened to be. A top that is higher than the present file was
// before a defragmentation and a deletion, and is over.
//
// false: the member is not growing, or it is not known, or the quota is more
// than a year away.
func (t Trend) TimeToQuota(size, inUse, quota int64) (time.Duration, bool) {
	switch {
	case quota <= 0:
		return 0, false
	case size >= quota:
		return 0, true
	case t.InUseBytesPerSecond <= 0:
		return 0, false
	}
	top := max(0, inUse, min(t.peak, size))
	seconds := max(0, float64(quota-top)) / t.InUseBytesPerSecond
	if seconds > horizon.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}

// verdict is what the slices of one width say.
type verdict struct {
	enough bool          // there are enough slices to say anything
	slope  float64       // growth of the live data in bytes per second
	span   time.Duration // what slope was measured over
	still  bool          // slope is 0 because nothing grows, not because it can't be seen
	flank  bool          // the present rise is that of a long tooth, as others were before
}

// sure reports that the slope, or that there is none, was seen for long enough.
func (v verdict) sure() bool { return v.span >= sureAfter && (v.slope > 0 || v.still) }

// judge measures the growth of the live data. floor is the latest floor, falls
// how many falls make teeth, onFlank whether a longer view takes the present
// rise for that of a tooth: then a rise in this one shows nothing.
func judge(all []slice, floor int64, falls int, onFlank bool) verdict {
	var v verdict
	part := all
	trough, seen := lastTrough(all)
	if seen > 0 {
		part = all[trough:]
		if seen >= falls && !newGround(all, trough, floor) {
			part = all[:trough+1]
			v.flank = trough+2 < len(all) // shorter teeth fall in every slice or two
		}
	}
	if v.enough = len(part) >= minSlices; !v.enough {
		return v
	}
	v.span = time.Duration(part[len(part)-1].Start-part[0].Start) * time.Second
	median, quarter := slope(neverBelow(part))
	if quarter > 0 && !onFlank {
		v.slope = median
	}
	v.still = median == 0 && (seen == 0 || seen >= knownTeeth)
	return v
}

// newGround reports that the floor has come a quarter higher above the trough
// than it ever was up to then.
func newGround(all []slice, trough int, floor int64) bool {
	rise, known := floor-all[trough].Low, int64(0)
	for _, s := range all[:trough+1] {
		known = max(known, s.High)
	}
	return floor-known > rise/4
}

// lastTrough returns the bottom of the last fall of the floors and how many
// falls there were. A fall, and the rise that ends it, is at least a quarter
// of the whole range: teeth that are small beside the growth don't hide it.
//
// A slice does not tell whether its lowest or its highest floor came first.
// They are taken in this order, so that a rise within one slice is no fall; a
// fall within one is seen twice then, there and in the next, and counts once.
func lastTrough(all []slice) (at, falls int) {
	lowest, top := extent(all)
	step := max(1, (top-lowest)/4)
	var peak, trough int64
	falling, counted := false, -2
	for n := range 2 * len(all) {
		i, floor := n/2, all[n/2].Low
		if n%2 == 1 {
			floor = all[i].High
		}
		switch {
		case falling && floor <= trough:
			at, trough = i, floor
		case falling && floor-trough >= step:
			falling, peak = false, floor
		case falling:
		case peak-floor >= step:
			falling, at, trough = true, i, floor
			if i > counted+1 {
				falls, counted = falls+1, i
			}
		default:
			peak = max(peak, floor)
		}
	}
	return at, falls
}

// extent returns the lowest and the highest floor.
func extent(all []slice) (lowest, top int64) {
	for i, s := range all {
		if i == 0 {
			lowest = s.Low
		}
		lowest, top = min(lowest, s.Low), max(top, s.High)
	}
	return lowest, top
}

// highest returns the highest size in use of any sample.
func highest(all []slice) int64 {
	var top int64
	for _, s := range all {
		top = max(top, s.Peak)
	}
	return top
}

// point is a size at a time.
type point struct{ second, bytes int64 }

// neverBelow returns what the floors have not fallen below from each slice on:
// of a sawtooth, the bottoms.
func neverBelow(all []slice) []point {
	points := make([]point, len(all))
	for i := len(all) - 1; i >= 0; i-- {
		points[i] = point{all[i].Start, all[i].Low}
		if i+1 < len(all) {
			points[i].bytes = min(points[i].bytes, points[i+1].bytes)
		}
	}
	return points
}

// sinceFall returns the slices since the file last fell.
func sinceFall(all []slice) []slice {
	from := len(all) - 1
	for from > 0 && all[from-1].Size <= all[from].Size {
		from--
	}
	return all[max(0, from):]
}

// fileSlope returns the growth of the file since it last fell, in bytes per
// second: the mean, for what never falls has no teeth to be misled by.
func fileSlope(all []slice) float64 {
	all = sinceFall(all)
	if len(all) < minSlices {
		return 0
	}
	first, last := all[0], all[len(all)-1]
	return float64(last.Size-first.Size) / float64(last.Start-first.Start)
}

// slope returns the median and the lower quartile of the slopes between all
// pairs of points, in bytes per second. The points are in order of time, and
// at least two. Up to 29 % of them may be anything without moving the median
// far.
func slope(points []point) (median, quarter float64) {
	slopes := make([]float64, 0, len(points)*(len(points)-1)/2)
	for i, a := range points {
		for _, b := range points[i+1:] {
			slopes = append(slopes, float64(b.bytes-a.bytes)/float64(b.second-a.second))
		}
	}
	slices.Sort(slopes)
	return slopes[len(slopes)/2], slopes[len(slopes)/4]
}
