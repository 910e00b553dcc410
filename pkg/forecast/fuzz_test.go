package forecast

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"
)

// clone shares nothing with h.
func clone(h History) History {
	for i, kept := range h.past {
		h.past[i] = append([]slice(nil), kept...)
	}
	return h
}

// check wants every result of a history finite and in order.
func check(t *testing.T, h History) {
	t.Helper()
	trend := h.Trend()
	for _, f := range []float64{h.Speed(), trend.FileBytesPerSecond, trend.InUseBytesPerSecond} {
		if !(f >= 0) || math.IsInf(f, 0) {
			t.Fatalf("speed %v of %+v, %+v", f, trend, h)
		}
	}
	if trend.Confidence == None && trend.InUseBytesPerSecond != 0 || trend.Span < 0 || trend.Span > 7*day {
		t.Fatalf("%+v of %+v", trend, h)
	}
	if again := clone(h); again.Trend() != trend || !reflect.DeepEqual(again, h) {
		t.Fatalf("%+v, then %+v, of %+v", trend, again.Trend(), h)
	}
	for _, sizes := range [][3]int64{
		{h.last.Size, h.last.InUse, 8 * gib},
		{math.MinInt64, math.MinInt64, math.MaxInt64},
		{math.MaxInt64, math.MaxInt64, math.MinInt64},
	} {
		left, ok := trend.TimeToQuota(sizes[0], sizes[1], sizes[2])
		if left < 0 || left > horizon || !ok && left != 0 {
			t.Fatalf("%v, %v of %v and %+v", left, ok, sizes, trend)
		}
	}
}

// FuzzHistory adds samples and wants the invariants of the package after each.
// A sample is 11 bytes: by how much time goes on (or back), in one of several
// units, and two sizes.
func FuzzHistory(f *testing.F) {
	sample := func(unit byte, steps int16, size, inUse uint32) []byte {
		b := binary.LittleEndian.AppendUint16([]byte{unit}, uint16(steps))
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, size), inUse)
	}
	var calm, steps []byte
	for i := range 60 {
		calm = append(calm, sample(2, 7, 1000, uint32(500+i))...)
		steps = append(steps, sample(byte(i), int16(i*i*7-i*400), uint32(i*i+1), uint32(i%7*100+1))...)
	}
	f.Add(calm)
	f.Add(steps)
	f.Fuzz(func(t *testing.T, data []byte) {
		units := []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, day}
		h, twin, now := History{}, History{}, begin
		for ; len(data) >= 11; data = data[11:] {
			now = now.Add(time.Duration(int16(binary.LittleEndian.Uint16(data[1:]))) * units[int(data[0])%len(units)])
			s := Sample{
				At:         now,
				SizeBytes:  int64(binary.LittleEndian.Uint32(data[3:])) << (data[0] % 31),
				InUseBytes: int64(binary.LittleEndian.Uint32(data[7:])) << (data[0] % 31),
			}
			before := clone(h)
			next := h.Add(s)
			h.Add(Sample{At: s.At.Add(time.Hour), SizeBytes: 1, InUseBytes: 1}) // another branch
			if !reflect.DeepEqual(h, before) {
				t.Fatalf("Add(%+v) made %+v of %+v", s, h, before)
			}
			if twin = twin.Add(s); !reflect.DeepEqual(twin, next) {
				t.Fatalf("Add(%+v) gave %+v and %+v", s, next, twin)
			}
			h = next
			check(t, h)
		}
		restarted(t, h)
	})
}

// FuzzJSON wants whatever is read from a file to be safe to go on from.
func FuzzJSON(f *testing.F) {
	var h History
	for since := time.Duration(0); since < 2*day; since += 9 * time.Minute {
		h = h.Add(Sample{begin.Add(since), 200 * mib, 100*mib + int64(since/time.Second)})
	}
	good, err := json.Marshal(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`null`))
	f.Add([]byte(`{"last_unix_milliseconds":1,"last_size_bytes":1,"last_in_use_bytes":1,"speed_bytes_per_second":1e308,` +
		`"open_slice":{"low_in_use_bytes":1,"high_in_use_bytes":1,"peak_in_use_bytes":1,"size_bytes":1}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var h History
		if json.Unmarshal(data, &h) != nil {
			return
		}
		check(t, h)
		restarted(t, h)
		h = h.Add(Sample{time.UnixMilli(h.last.At).Add(11 * time.Minute), 300, 200})
		check(t, h)
		restarted(t, h)
	})
}

func BenchmarkAdd(b *testing.B) {
	w := world{inUse: constant(500)}
	w.live(7*day, nil)
	h := w.history
	b.ReportAllocs()
	for i := range b.N {
		h = h.Add(Sample{begin.Add(7*day + time.Duration(i)*500*time.Millisecond), gib, 500 * mib})
	}
}

func BenchmarkTrend(b *testing.B) {
	w := world{inUse: sum(constant(500), leak(1), jitter(50))}
	w.live(7*day, nil)
	b.ReportAllocs()
	for b.Loop() {
		w.history.Trend()
	}
}

func BenchmarkMarshal(b *testing.B) {
	w := world{inUse: sum(constant(500), leak(1), jitter(50))}
	w.live(7*day, nil)
	for b.Loop() {
		data, err := json.Marshal(w.history)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}
