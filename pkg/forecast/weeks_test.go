package forecast

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const (
	mib   = 1 << 20
	gib   = 1 << 30
	quota = 8 * gib
	day   = 24 * time.Hour
)

// begin is no round time: slices and teeth must not happen to fit.
var begin = time.Date(2026, time.March, 27, 9, 41, 17, 0, time.UTC)

// world is a member in simulated time: what is in use after so long, and a
// file that takes free pages before it grows.
type world struct {
	inUse   func(since time.Duration) float64 // in MiB
	history History
	since   time.Duration
	size    int64
	last    int64         // in use
	offset  time.Duration // of the clock
}

const poll = 30 * time.Second

// live lets so much time pass, and calls each after every ten minutes of it.
func (w *world) live(d time.Duration, each func()) {
	for end := w.since + d; w.since < end; {
		w.since += poll
		w.last = int64(w.inUse(w.since)*mib) &^ 4095
		w.size = max(w.size, w.last)
		w.history = w.history.Add(Sample{begin.Add(w.since + w.offset), w.size, w.last})
		if each != nil && w.since%(10*time.Minute) == 0 {
			each()
		}
	}
}

func (w *world) timeToQuota() (time.Duration, bool) {
	return w.history.Trend().TimeToQuota(w.size, w.last, quota)
}

// never fails the test at the first of the ticks of live that sees an end.
func (w *world) never(t *testing.T) func() {
	t.Helper()
	return func() {
		if left, ok := w.timeToQuota(); ok && !t.Failed() {
			t.Errorf("after %v: at its quota in %v, want no such time; %+v", w.since, left, w.history.Trend())
		}
	}
}

// wantSlope wants a trend of about so many MiB per hour.
func (w *world) wantSlope(t *testing.T, mibPerHour float64, want Confidence) {
	t.Helper()
	trend := w.history.Trend()
	got := trend.InUseBytesPerSecond * 3600 / mib
	if math.Abs(got-mibPerHour) > mibPerHour*0.2 || trend.Confidence != want {
		t.Errorf("after %v: %.3f MiB an hour with confidence %v over %v, want about %.3f, %v",
			w.since, got, trend.Confidence, trend.Span, mibPerHour, want)
	}
}

func constant(mib float64) func(time.Duration) float64 {
	return func(time.Duration) float64 { return mib }
}

func leak(mibPerHour float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 { return mibPerHour * since.Hours() }
}

// teeth of that height, each up to a fifth lower, alike in every run.
func teeth(period time.Duration, height float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		lots := rand.New(rand.NewPCG(7, uint64(since/period)))
		return height * (1 - lots.Float64()/5) * float64(since%period) / float64(period)
	}
}

// jitter is what is noise, alike in every run.
func jitter(height float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		return height * rand.New(rand.NewPCG(8, uint64(since))).Float64()
	}
}

func sum(parts ...func(time.Duration) float64) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		total := 0.0
		for _, part := range parts {
			total += part(since)
		}
		return total
	}
}

func TestWeekOfSawtooth(t *testing.T) {
	for _, period := range []time.Duration{
		7 * time.Second, 5 * time.Minute, 10 * time.Minute, 11 * time.Minute, 25 * time.Minute, 40 * time.Minute,
		time.Hour, 70 * time.Minute, 100 * time.Minute, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 5 * time.Hour,
		6 * time.Hour, 7 * time.Hour, 8 * time.Hour, 12 * time.Hour, 17 * time.Hour, 20 * time.Hour, 23 * time.Hour,
	} {
		t.Run(period.String(), func(t *testing.T) {
			w := world{inUse: sum(constant(500), teeth(period, 1000))}
			w.live(2*period, nil) // the first tooth can't be told from growth
			w.live(7*day-2*period, w.never(t))
		})
	}
}

func TestTeethLongerThanADay(t *testing.T) {
	for _, period := range []time.Duration{30 * time.Hour, 2 * day, 3 * day} {
		w := world{inUse: sum(constant(500), teeth(period, 1000))}
		w.live(2*period+15*time.Hour, nil) // a second one may still be a deletion
		w.live(2*period, w.never(t))
	}
}

func TestTeethOnTeeth(t *testing.T) {
	for _, period := range []time.Duration{10 * time.Hour, 15 * time.Hour, 23 * time.Hour} {
		w := world{inUse: sum(constant(500), teeth(period, 1000), teeth(40*time.Minute, 200))}
		w.live(2*period, nil)
		w.live(7*day-2*period, w.never(t))
	}
}

func TestTeethThatEnd(t *testing.T) {
	for _, period := range []time.Duration{time.Minute, 2 * time.Hour, 8 * time.Hour, 2 * day} {
		ends := 4 * period
		if ends < 3*day {
			ends = 3 * day
		}
		tooth := teeth(period, 800)
		w := world{inUse: func(since time.Duration) float64 {
			if since > ends {
				return 500 + 100*(since-ends).Hours() // nobody compacts any more
			}
			return 500 + tooth(since)
		}}
		w.live(ends, nil)
		w.live(13*time.Hour, nil)
		if left, ok := w.timeToQuota(); !ok || left > 100*time.Hour {
			t.Errorf("teeth of %v: %v, %v; %+v, want a time: no tooth was ever so high", period, left, ok, w.history.Trend())
		}
	}
}

func TestTimeToQuotaDoesNotSwing(t *testing.T) {
	w := world{inUse: sum(constant(500), leak(5), teeth(45*time.Minute, 1000))}
	w.live(2*day, nil)
	var shortest, longest time.Duration
	for i := range 200 {
		w.live(poll, nil)
		left, ok := w.timeToQuota()
		if !ok {
			t.Fatalf("no time at %v; %+v", w.since, w.history.Trend())
		}
		if i == 0 {
			shortest, longest = left, left
		}
		shortest, longest = min(shortest, left), max(longest, left)
	}
	if longest-shortest > longest/50 {
		t.Errorf("between %v and %v within less than two hours", shortest, longest)
	}
	before := w.history.Trend().peak
	w.inUse = constant(4000)
	w.live(poll, nil)
	if got := w.history.Trend().peak; got != w.last || got == before {
		t.Errorf("peak %d, after a burst to %d", got, w.last)
	}
}

func TestFirstToothIsForecast(t *testing.T) {
	w := world{inUse: sum(constant(500), teeth(2*day, 1000))}
	w.live(2*time.Hour, nil)
	if left, ok := w.timeToQuota(); !ok || w.history.Trend().Confidence != Low {
		t.Errorf("in %v, %v; %+v, want a time with low confidence: nobody has compacted so far", left, ok, w.history.Trend())
	}
}

func TestWeekOfLeak(t *testing.T) {
	for _, test := range []struct {
		name  string
		noise func(time.Duration) float64
		low   time.Duration // known with low confidence after
		high  time.Duration // known with high confidence from
	}{
		{"alone", constant(500), 2 * time.Hour, day},
		{"with noise", sum(constant(500), jitter(20)), 3 * time.Hour, day},
		{"under teeth of a minute", sum(constant(500), teeth(time.Minute, 200)), 2 * time.Hour, day},
		{"under teeth of 5 minutes", sum(constant(500), teeth(5*time.Minute, 200)), 2 * time.Hour, day},
		{"under teeth of an hour", sum(constant(500), teeth(time.Hour, 200)), 7 * time.Hour, day + time.Hour},
		{"under teeth of 6 hours", sum(constant(500), teeth(6*time.Hour, 200)), 0, 2 * day},
		{"under teeth of a day", sum(constant(500), teeth(day, 200)), 0, 6 * day},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := world{inUse: sum(leak(1), test.noise)}
			if test.low > 0 {
				w.live(test.low, nil)
				w.wantSlope(t, 1, Low)
			}
			w.live(test.high-w.since, nil)
			w.live(7*day-w.since, func() {
				if w.since%time.Hour == 0 {
					w.wantSlope(t, 1, High)
				}
			})
		})
	}
}

func TestCalmWeek(t *testing.T) {
	for _, test := range []struct {
		name  string
		inUse func(time.Duration) float64
		want  Confidence
	}{
		{"nothing", constant(500), High},
		{"noise", sum(constant(500), jitter(5)), High},
		{"hourly teeth", sum(constant(500), teeth(time.Hour, 100)), High},
		{"falling", func(since time.Duration) float64 { return 2000 - since.Hours() }, Low},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := world{inUse: test.inUse}
			w.live(2*time.Hour, nil)
			w.live(7*day, w.never(t))
			if got := w.history.Trend(); got.Confidence != test.want || got.InUseBytesPerSecond*3600 > mib/10 || got.FileBytesPerSecond > 1 {
				t.Errorf("%+v, want no growth with confidence %v", got, test.want)
			}
		})
	}
}

// nightly is a burst of garbage from 01:00 on that is compacted away.
func nightly(height float64, length time.Duration) func(time.Duration) float64 {
	return func(since time.Duration) float64 {
		night := (since - 15*time.Hour) % day
		if night < 0 || night > length {
			return 0
		}
		return height * float64(night) / float64(length)
	}
}

func TestWeekOfBursts(t *testing.T) {
	for _, length := range []time.Duration{time.Minute, 20 * time.Minute, 50 * time.Minute} {
		w := world{inUse: sum(constant(500), nightly(2000, length))}
		w.live(7*day, w.never(t))
	}
	// A longer one looks like growth the first time, and never again.
	w := world{inUse: sum(constant(500), nightly(2000, 5*time.Hour))}
	w.live(day, nil)
	w.live(6*day, w.never(t))

	w = world{inUse: sum(constant(500), nightly(2000, 2*time.Hour), leak(1))}
	w.live(3*day, nil)
	w.live(4*day, func() { w.wantSlope(t, 1, High) })
}

func TestLoadOfDataIsNoTrend(t *testing.T) {
	w := world{inUse: func(since time.Duration) float64 {
		return 500 + 1000*min(1, max(0, (since-3*day).Hours()/0.5))
	}}
	w.live(7*day, w.never(t))
}

func TestGrowthBeginsAndEnds(t *testing.T) {
	w := world{inUse: func(since time.Duration) float64 {
		return 500 + 100*min(20, max(0, (since-5*day).Hours()))
	}}
	w.live(5*day, w.never(t))
	w.live(150*time.Minute, nil)
	if left, ok := w.timeToQuota(); !ok {
		t.Errorf("in %v, %v; %+v, want a time two hours after growth has begun", left, ok, w.history.Trend())
	}
	w.live(90*time.Minute, nil)
	w.wantSlope(t, 100, Low)
	w.live(16*time.Hour, nil)
	w.wantSlope(t, 100, High)
	w.live(day, nil)
	w.never(t)()
	if got := w.history.Trend().Confidence; got != High {
		t.Errorf("confidence %v a day after growth has ended, want high", got)
	}
}

func TestPauseInGrowthIsNoCertainty(t *testing.T) {
	w := world{inUse: func(since time.Duration) float64 {
		return 500 + 100*min(10, max(0, since.Hours()-20))
	}}
	w.live(33*time.Hour, nil)
	if got := w.history.Trend(); got.Confidence != Low {
		t.Errorf("%+v, want low confidence: a third of the time it grew", got)
	}
}

func TestDeletionHidesGrowthForADay(t *testing.T) {
	w := world{inUse: sum(leak(10), func(since time.Duration) float64 {
		if since < 3*day {
			return 2000
		}
		return 500
	})}
	w.live(3*day, nil)
	w.wantSlope(t, 10, High)
	w.live(day+7*time.Hour, nil)
	w.live(2*day, func() { w.wantSlope(t, 10, High) })
}

func TestOutlier(t *testing.T) {
	for factor, passes := range map[float64]time.Duration{
		3:     time.Minute,
		0.5:   31 * time.Hour, // as after a deletion
		0.001: 31 * time.Hour,
	} {
		w := world{}
		w.inUse = func(since time.Duration) float64 {
			if since == 2*day {
				return 500 * factor
			}
			return 500 + since.Hours()
		}
		w.live(2*day+passes, nil)
		w.live(5*day, func() { w.wantSlope(t, 1, High) })
	}
}

// TestRestart lives the same week twice, in one piece and through JSON.
func TestRestart(t *testing.T) {
	inUse := sum(constant(500), teeth(3*time.Hour, 300), leak(1))
	whole, pieces := world{inUse: inUse}, world{inUse: inUse}
	for range 7 * 24 {
		whole.live(time.Hour, nil)
		pieces.live(time.Hour, nil)
		pieces.history = restarted(t, pieces.history)
		if a, b := whole.history.Trend(), pieces.history.Trend(); a != b || whole.history.Speed() != pieces.history.Speed() {
			t.Fatalf("after %v: %+v through JSON, %+v without", whole.since, b, a)
		}
	}
}

func TestDowntime(t *testing.T) {
	for _, gap := range []time.Duration{time.Hour, 10 * time.Hour, 3 * day} {
		w := world{inUse: sum(constant(500), teeth(time.Minute, 100), leak(2))}
		w.live(5*day, nil)
		w.since += gap
		w.live(6*time.Hour, nil)
		for range 30 {
			w.live(time.Hour, nil)
			if got := w.history.Trend().InUseBytesPerSecond * 3600 / mib; got < 1.6 || got > 2.4 {
				t.Errorf("%v after a gap of %v: %.2f MiB an hour, want 2", w.since, gap, got)
			}
		}
	}
}

func TestClockSteps(t *testing.T) {
	for _, step := range []time.Duration{
		-20 * time.Second, -time.Minute, -7 * time.Minute, -time.Hour, -5 * time.Hour, -3 * day, -400 * day,
		20 * time.Second, time.Minute, 7 * time.Minute, time.Hour, 5 * time.Hour, 3 * day, 400 * day,
	} {
		for name, inUse := range map[string]func(time.Duration) float64{
			"calm": sum(constant(500), teeth(time.Minute, 100)),
			"leak": sum(constant(500), teeth(time.Minute, 100), leak(1)),
		} {
			w := world{inUse: inUse}
			w.live(3*day, nil)
			for range 2 { // there and back
				w.offset = step - w.offset
				w.live(2*day, func() {
					got := w.history.Trend()
					if got.InUseBytesPerSecond*3600 > 1.3*mib || name == "calm" && got.InUseBytesPerSecond > 0 {
						t.Errorf("%s, %v after a step of %v: %+v", name, w.since, step, got)
					}
				})
				if name == "leak" {
					w.wantSlope(t, 1, High)
				}
			}
		}
	}
}

func TestPollsMayBeRare(t *testing.T) {
	var h History
	for since := time.Duration(0); since < 3*day; since += 25 * time.Minute {
		h = h.Add(Sample{begin.Add(since), gib, int64(500*mib + since.Hours()*mib)})
	}
	if got := h.Trend(); math.Abs(got.InUseBytesPerSecond*3600/mib-1) > 0.1 || got.Confidence != High {
		t.Errorf("%+v, want 1 MiB an hour with high confidence", got)
	}
}
