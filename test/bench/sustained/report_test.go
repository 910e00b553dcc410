package main

import (
	"strings"
	"testing"
	"time"
)

// kept returns results that break nothing.
func kept() map[string]*result {
	results := map[string]*result{}
	for _, m := range modes {
		results[m.name] = &result{
			mode:     m,
			load:     load{valueBytes: 16 << 10, bytesPerSecond: 16e6, length: time.Minute},
			tally:    tally{acknowledged: 1000, longestGap: 100 * time.Millisecond},
			observed: observed{highestFile: m.quotaBytes * 95 / 100, samples: 1, history: history{readable: 1}},
		}
	}
	results[watched].tally.longestGap = 200 * time.Millisecond
	results[watched].compactions, results[watched].serverCompactions = 5, 5
	results[autoCompaction].serverCompactions = 60
	return results
}

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		name string
		turn func(map[string]*result)
		want string // part of the only breach; empty: none
	}{
		{"every promise is kept", func(map[string]*result) {}, ""},
		{"unwatched nothing was promised", func(r map[string]*result) {
			r[unwatched].tally = tally{refused: 1000, longestGap: time.Minute}
			r[unwatched].observed.highestFile = smallQuota * 2
		}, ""},
		{"one write is refused", func(r map[string]*result) { r[watched].tally.refused = 1 }, "1 writes were refused"},
		{"none is acknowledged", func(r map[string]*result) { r[watched].tally.acknowledged = 0 }, "no write was acknowledged"},
		{"a file is too large", func(r map[string]*result) { r[watched].observed.highestFile = smallQuota * 96 / 100 }, "a file was at 96.0 %"},
		{"a member never answers", func(r map[string]*result) { r[watched].observed.samples = 0 }, "never told"},
		{"history is lost once", func(r map[string]*result) { r[watched].observed.history.compacted = 1 }, "1 of 2 looks"},
		{"nobody looked", func(r map[string]*result) { r[watched].observed.history.readable = 0 }, "nobody could look"},
		{"large values may cost history", func(r map[string]*result) {
			r[watched].load.valueBytes = 64 << 10
			r[watched].observed.history.compacted = 1
		}, ""},
		{"the gap is too long", func(r map[string]*result) { r[watched].tally.longestGap++ }, "the longest gap is 200ms, the bound 200ms"},
		{"the watchdogs meddle", func(r map[string]*result) { r[autoCompaction].compactions = 1 }, "compacted 1 times"},
		{"the servers do not compact", func(r map[string]*result) { r[autoCompaction].serverCompactions = 0 }, "have not compacted"},
		{"they do not keep up", func(r map[string]*result) { r[autoCompaction].tally.refused = 1 }, "1 writes were refused"},
	} {
		t.Run(test.name, func(t *testing.T) {
			by := kept()
			test.turn(by)
			var results []result
			for _, m := range modes {
				results = append(results, *by[m.name])
			}
			broken := judge(results)
			switch {
			case test.want == "" && len(broken) > 0:
				t.Errorf("got %v, want none", broken)
			case test.want != "" && (len(broken) != 1 || !strings.Contains(broken[0].Error(), test.want)):
				t.Errorf("got %v, want one of %q", broken, test.want)
			}
		})
	}
}
