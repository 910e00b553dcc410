package forecast

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func restarted(t *testing.T, h History) History {
	t.Helper()
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	var read History
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	if !reflect.DeepEqual(h, read) {
		t.Fatalf("%+v became %+v through %s", h, read, data)
	}
	return read
}

func TestSpeed(t *testing.T) {
	type look struct {
		after       time.Duration
		size, inUse int64 // MiB
	}
	for _, test := range []struct {
		name  string
		looks []look
		want  float64 // MiB per second
	}{
		{"no look", nil, 0},
		{"one look", []look{{0, 100, 50}}, 0},
		{"calm", []look{{0, 100, 50}, {10 * time.Second, 100, 50}}, 0},
		{"pages", []look{{0, 100, 50}, {10 * time.Second, 100, 70}}, 2},
		{"file", []look{{0, 100, 50}, {10 * time.Second, 150, 70}}, 5},
		{"falling", []look{{0, 100, 50}, {10 * time.Second, 60, 40}}, 0},
		{"burst a minute ago", []look{{0, 100, 50}, {10 * time.Second, 150, 70}, {70 * time.Second, 150, 70}}, 2.5},
		{"faster again", []look{{0, 100, 50}, {10 * time.Second, 150, 70}, {70 * time.Second, 150, 310}}, 4},
		{"slower than before", []look{{0, 100, 50}, {10 * time.Second, 150, 70}, {70 * time.Second, 150, 130}}, 2.5},
		{"burst of yesterday", []look{{0, 100, 50}, {10 * time.Second, 150, 70}, {day, 150, 70}}, 0},
		{"over a gap", []look{{0, 100, 50}, {100 * time.Hour, 100, 50}, {200 * time.Hour, 360100, 50}}, 1},
		{"two looks on one commit", []look{{0, 100, 50}, {time.Millisecond, 110, 50}, {10 * time.Second, 110, 50}}, 1},
		{"clock set back", []look{{0, 100, 50}, {-time.Hour, 900, 900}, {10*time.Second - time.Hour, 910, 900}}, 1},
		{"clock set back in a burst", []look{{0, 100, 50}, {10 * time.Second, 150, 50}, {9 * time.Second, 150, 50}}, 5},
		{"no sizes", []look{{0, 100, 50}, {5 * time.Second, 0, 0}, {10 * time.Second, 110, 50}}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			var h History
			for _, l := range test.looks {
				h = h.Add(Sample{begin.Add(l.after), l.size * mib, l.inUse * mib})
			}
			if got := h.Speed() / mib; math.Abs(got-test.want) > 0.001 {
				t.Errorf("%v MiB per second, want %v", got, test.want)
			}
		})
	}
}

func TestAddIgnores(t *testing.T) {
	h := History{}.Add(Sample{begin, 100, 50})
	for name, s := range map[string]Sample{
		"the same again": {begin, 200, 90},
		"too soon":       {begin.Add(99 * time.Millisecond), 200, 90},
		"no file":        {begin.Add(time.Second), 0, 50},
		"nothing in use": {begin.Add(time.Second), 100, 0},
		"no time":        {time.Time{}, 100, 50},
		"before 1970":    {time.Unix(-1, 0), 100, 50},
		"year 10000":     {time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), 100, 50},
	} {
		if got := h.Add(s); !reflect.DeepEqual(got, h) {
			t.Errorf("%s: %+v became %+v", name, h, got)
		}
	}
	if got := h.Add(Sample{begin.Add(100 * time.Millisecond), 200, 90}); reflect.DeepEqual(got, h) {
		t.Error("a sample that is new was ignored")
	}
}

func TestFileTrendBeginsAnewWhenTheFileFalls(t *testing.T) {
	var h History
	add := func(from, to time.Duration, size func(hours float64) float64) {
		for since := from; since < to; since += time.Minute {
			h = h.Add(Sample{begin.Add(since), int64(size(since.Hours()) * mib), 50 * mib})
		}
	}
	slope := func() float64 { return h.Trend().FileBytesPerSecond * 3600 / mib }
	add(0, 20*time.Hour, func(hours float64) float64 { return 100 + 30*hours })
	if got := slope(); math.Abs(got-30) > 1 {
		t.Errorf("%.2f MiB an hour, want 30", got)
	}
	add(20*time.Hour, 20*time.Hour+50*time.Minute, func(hours float64) float64 { return 60 + 3*(hours-20) })
	if got := slope(); got != 0 {
		t.Errorf("%.2f MiB an hour right after a defragmentation, want 0", got)
	}
	add(20*time.Hour+50*time.Minute, 22*time.Hour, func(hours float64) float64 { return 60 + 3*(hours-20) })
	if got := slope(); math.Abs(got-3) > 0.2 {
		t.Errorf("%.2f MiB an hour since the defragmentation, want 3", got)
	}
	add(22*time.Hour, 40*time.Hour, func(hours float64) float64 { return 60 + 3*(hours-20) })
	if got := slope(); math.Abs(got-3) > 0.2 {
		t.Errorf("%.2f MiB an hour since the defragmentation, want 3", got)
	}
}

func TestTimeToQuota(t *testing.T) {
	growing := Trend{InUseBytesPerSecond: 1}
	toothed := Trend{InUseBytesPerSecond: 1, peak: 700}
	for _, test := range []struct {
		name               string
		trend              Trend
		size, inUse, quota int64
		want               time.Duration
		ok                 bool
	}{
		{"nothing known", Trend{}, 500, 400, 1000, 0, false},
		{"file grows, live data does not", Trend{FileBytesPerSecond: 1}, 500, 400, 1000, 0, false},
		{"growing", growing, 500, 400, 1000, 600 * time.Second, true},
		{"free pages do not count", growing, 900, 400, 1000, 600 * time.Second, true},
		{"top of the teeth", toothed, 800, 400, 1000, 300 * time.Second, true},
		{"above earlier teeth", toothed, 800, 750, 1000, 250 * time.Second, true},
		{"teeth of before a defragmentation", toothed, 450, 400, 1000, 550 * time.Second, true},
		{"there already", Trend{}, 1000, 400, 1000, 0, true},
		{"no quota", growing, 500, 400, -1, 0, false},
		{"quota not known", growing, 500, 400, 0, 0, false},
		{"within a year", growing, 500, 400, 400 + 31536000, 365 * day, true},
		{"beyond a year", growing, 500, 400, 401 + 31536000, 0, false},
	} {
		if got, ok := test.trend.TimeToQuota(test.size, test.inUse, test.quota); got != test.want || ok != test.ok {
			t.Errorf("%s: %v, %v, want %v, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

func TestConfidenceHasAWord(t *testing.T) {
	for c, want := range map[Confidence]string{None: "none", Low: "low", High: "high"} {
		if c.String() != want {
			t.Errorf("%d: %q, want %q", c, c, want)
		}
	}
}

func TestBounded(t *testing.T) {
	var h History
	const big = math.MaxInt64 / 2
	for since := time.Duration(0); since < 40*day; since += 7 * time.Minute {
		h = h.Add(Sample{begin.Add(since), big, big - int64(since)})
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) >= 16<<10 {
		t.Errorf("%d bytes of JSON, want less than 16 KiB", len(data))
	}
	restarted(t, h)
}

func TestForgetsWhatNoAddMade(t *testing.T) {
	var h History
	for since := time.Duration(0); since < day; since += time.Minute {
		h = h.Add(Sample{begin.Add(since), 200, 100})
	}
	data, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]*strings.Replacer{
		"a slice at no multiple of its width": strings.NewReplacer(`"one_hour_slices":[{"start_unix_seconds":1`, `"one_hour_slices":[{"start_unix_seconds":2`),
		"widths of another version":           strings.NewReplacer(`"one_hour_slices"`, `"ten_minute_slices"`, `"ten_minute_slices"`, `"one_hour_slices"`),
		"sizes below zero":                    strings.NewReplacer(`"low_in_use_bytes":100`, `"low_in_use_bytes":-100`),
		"floors upside down":                  strings.NewReplacer(`"low_in_use_bytes":100`, `"low_in_use_bytes":101`),
		"a speed below zero":                  strings.NewReplacer(`"speed_bytes_per_second":0`, `"speed_bytes_per_second":-1`),
		"no open slice":                       strings.NewReplacer(`"open_slice"`, `"shut_slice"`),
		"nothing":                             strings.NewReplacer(string(data), `{}`),
		"null":                                strings.NewReplacer(string(data), `null`),
	} {
		read, changed := h, change.Replace(string(data))
		if changed == string(data) {
			t.Fatalf("%s: nothing was changed in %s", name, data)
		}
		if err := json.Unmarshal([]byte(changed), &read); err != nil || !reflect.DeepEqual(read, History{}) {
			t.Errorf("%s: %+v, %v, want the zero history", name, read, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"last_size_bytes":"x"}`), &h); err == nil {
		t.Error("a size that is no number: no error")
	}
}
