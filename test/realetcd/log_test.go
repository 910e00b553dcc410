package realetcd

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The lines are as 3.4.23 and 3.6.16 write them, cut to the fields that count.
const logOfBoth = `[WARNING] Deprecated '--logger=capnslog' flag is set; use '--logger=zap' flag instead
{"level":"info","ts":"2026-01-02T03:04:05.100Z","msg":"starting defragment"}
{"level":"info","ts":"2026-01-02T03:04:05.200Z","msg":"defragmenting","current-db-size-bytes":900,"current-db-size-in-use-bytes":500}
{"level":"info","ts":"2026-01-02T03:04:06.200Z","msg":"defragmented","current-db-size-bytes":510,"current-db-size-in-use-bytes":505,"took":"1.05s"}
{"level":"info","ts":"2026-01-02T04:04:07.100000+0100","msg":"defragmenting","current-db-size-bytes":800}
{"level":"warn","ts":"2026-01-02T04:04:07.300000+0100","msg":"failed to defragment","error":"no space left on device"}
{"level":"info","ts":"2026-01-02T03:04:08.000001Z","msg":"defragmenting","current-db-size-bytes":700}
{"level":"info","ts":"2026-01-02T03:04:20.0Z","msg":"defragmenting","current-db-size-bytes":600}
{"level":"info","ts":"2026-01-02T03:04:21.0Z","msg":"finished defragmenting directory","current-db-size-bytes":100,"took":"1s"}
{"level":"info","ts":"2026-01-02T03:04:22.0Z","msg":"defragmenting","current-db-size-bytes":600}
{"level":"info","ts":"2026-01-02T03:04`

func TestDefragmentationsFromLog(t *testing.T) {
	at := func(ms int) time.Time {
		return time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC).Add(time.Duration(ms) * time.Millisecond)
	}
	gone := make(chan struct{})
	close(gone)
	m := &Member{Name: "m0", LogPath: filepath.Join(t.TempDir(), "log"), processes: []*process{
		{exited: gone, ended: at(1_000)},
		{exited: gone, ended: at(9_000)}, // in the midst of the third defragmentation
		{exited: make(chan struct{})},
	}}
	if err := os.WriteFile(m.LogPath, []byte(logOfBoth), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := m.Defragmentations()
	if err != nil {
		t.Fatal(err)
	}
	want := []Defragmentation{
		{Period: Period{at(5_200), at(6_200)}, Completed: true, Took: 1050 * time.Millisecond, BeforeBytes: 900, AfterBytes: 510, BeforeInUse: 500, AfterInUse: 505},
		{Period: Period{at(7_100), at(7_300)}, BeforeBytes: 800},
		{Period: Period{at(8_000).Add(time.Microsecond), at(9_000)}, BeforeBytes: 700},
		{Period: Period{at(20_000), at(21_000)}, Completed: true, Took: time.Second, BeforeBytes: 600, AfterBytes: 100},
		{Period: Period{Begin: at(22_000)}, BeforeBytes: 600},
	}
	if len(got) != len(want) {
		t.Fatalf("%d defragmentations, want %d: %v", len(got), len(want), got)
	}
	for i, w := range want {
		g := got[i]
		if !g.Begin.Equal(w.Begin) || !g.End.Equal(w.End) {
			t.Errorf("defragmentation %d: %v to %v, want %v to %v", i, g.Begin, g.End, w.Begin, w.End)
		}
		g.Period, w.Member = w.Period, "m0"
		if g != w {
			t.Errorf("defragmentation %d:\n got %+v\nwant %+v", i, g, w)
		}
	}
}

func TestOverlaps(t *testing.T) {
	span := func(member string, begin, end int) Defragmentation {
		d := Defragmentation{Member: member, Period: Period{Begin: time.Unix(int64(begin), 0)}}
		if end > 0 {
			d.End = time.Unix(int64(end), 0)
		}
		return d
	}
	for name, test := range map[string]struct {
		a, b Defragmentation
		want int
	}{
		"one after the other":      {span("m0", 1, 2), span("m1", 3, 4), 0},
		"the second at the end":    {span("m0", 1, 2), span("m1", 2, 4), 0},
		"the second begins within": {span("m0", 1, 3), span("m1", 2, 4), 1},
		"one within the other":     {span("m0", 2, 3), span("m1", 1, 4), 1},
		"the first lasts still":    {span("m0", 1, 0), span("m1", 5, 6), 1},
		"the second lasts still":   {span("m0", 1, 3), span("m1", 2, 0), 1},
		"begun after, lasts still": {span("m0", 1, 3), span("m1", 4, 0), 0},
		"the same member":          {span("m0", 1, 3), span("m0", 2, 4), 0},
	} {
		for _, all := range [][]Defragmentation{{test.a, test.b}, {test.b, test.a}} {
			if got := Overlaps(all); len(got) != test.want {
				t.Errorf("%s: %v, want %d pairs", name, got, test.want)
			}
		}
	}
}
