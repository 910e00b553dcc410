package watchdog_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

const weekHeader = `# %s
#
# A week of three watchdogs beside members with a quota of 512 MiB, polls one
# minute apart while all is calm: what they did, and what all their journals
# show, at info and above.
#
# Made by: go test ./pkg/watchdog -run TestWeeks -update
# Commit a difference only if the new figures are no worse, or you can say what
# they buy.

`

const (
	day  = 24 * time.Hour
	week = 7 * day
	kib  = 1 << 10
)

// write is what the clients do at one moment of a week.
type write struct {
	overwriteBytes, addBytes int64
	then                     time.Duration // until the next one
}

// weekStory is what the clients of a cluster do for a week.
type weekStory struct {
	name, tells string
	liveBytes   int64
	load        func(since time.Duration) write
	judge       func(*weekTally)
}

var weekStories = []weekStory{
	{"week-nothing", "Nothing is written.", 64 * mib, nothing, (*weekTally).calm},
	{"week-sawtooth", "450 MiB a day of overwrites, evenly.", 64 * mib, overwrites, (*weekTally).compactedAlone},
	{"week-bursts", "Overwrites at 1 MiB/s for ten minutes of every night, and a few by day.", 64 * mib, bursts(mib), (*weekTally).compactedAlone},
	{"week-leak", "72 MiB a day of new keys that nobody deletes, and some overwrites. A person comes an hour after writes were refused, deletes most of them and mends the leak.", 64 * mib, leak, (*weekTally).leaked},
	{"week-74-percent", "74 % of the quota are live data, 450 MiB a day are overwritten, and as much in ten minutes of every night.", 379 * mib, nearlyFull, (*weekTally).nearlyFull},
}

func nothing(time.Duration) write { return write{then: week} }

func overwrites(time.Duration) write { return write{overwriteBytes: 64 * kib, then: 12 * time.Second} }

// bursts are overwrites of so many bytes a second, from two to ten past two.
func bursts(bytesPerSecond int64) func(time.Duration) write {
	return func(since time.Duration) write {
		if hour := since % day; hour >= 2*time.Hour && hour < 2*time.Hour+10*time.Minute {
			return write{overwriteBytes: bytesPerSecond / 2, then: time.Second / 2}
		}
		return write{overwriteBytes: 64 * kib, then: time.Minute}
	}
}

func leak(since time.Duration) write {
	w := write{overwriteBytes: 64 * kib, then: time.Minute}
	if since.Truncate(time.Minute)%(5*time.Minute) == 0 {
		w.addBytes = 256 * kib
	}
	return w
}

func nearlyFull(since time.Duration) write {
	if w := bursts(768 * kib)(since); w.then < time.Minute {
		return w
	}
	return overwrites(since)
}

func TestWeeks(t *testing.T) {
	for _, st := range weekStories {
		t.Run(st.name, func(t *testing.T) {
			t.Parallel()
			config := etcdtest.DefaultConfig(3)
			for i := range config.Members {
				config.Members[i].LiveBytes = st.liveBytes
			}
			var got string
			play(t, config, func(s *stage) {
				s.limits.PollInterval, s.claim.TTL = time.Minute, 10*time.Minute
				s.watch(1, 2, 3)
				s.enrolled(1, 2, 3)
				tally := &weekTally{stage: s, story: st, began: time.Now()}
				tally.live()
				tally.unflapping()
				st.judge(tally)
				got = tally.String()
			})
			compare(t, st.name, fmt.Sprintf(weekHeader, st.tells)+got)
		})
	}
}

// weekTally is what came of a week.
type weekTally struct {
	*stage
	story                weekStory
	began                time.Time
	writes, refused      int
	firstRefused, mended time.Time // zero: never
	largest, most        int64     // the largest file, the most in use
	written              []progress
}

// progress is how many bytes the clients have written up to a moment.
type progress struct {
	at    time.Time
	bytes int64
}

// live lets the week pass. An hour after a write was refused a person comes,
// and what is written after that is the overwrites alone.
func (w *weekTally) live() {
	for time.Since(w.began) < week {
		now := w.story.load(time.Since(w.began))
		if !w.mended.IsZero() {
			now.addBytes = 0
		}
		through := cluster.MemberID(1 + w.writes%3)
		w.write(w.etcd.Overwrite, through, now.overwriteBytes)
		w.write(w.etcd.Put, through, now.addBytes)
		for _, m := range w.etcd.View().Members {
			w.largest, w.most = max(w.largest, m.SizeBytes), max(w.most, m.InUseBytes)
		}
		time.Sleep(min(now.then, week-time.Since(w.began)))
		if w.refused > 0 && w.mended.IsZero() && time.Since(w.firstRefused) >= time.Hour {
			w.mended = time.Now()
			w.write(w.etcd.Delete, 1, 300*mib)
			w.until("healed", time.Minute, func() bool { return len(w.etcd.View().Alarms) == 0 })
		}
	}
}

func (w *weekTally) write(do func(context.Context, cluster.MemberID, int64) error, through cluster.MemberID, bytes int64) {
	if bytes == 0 {
		return
	}
	w.writes++
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Second)
	defer cancel()
	err := do(ctx, through, bytes)
	switch {
	case err == nil:
		w.written = append(w.written, progress{time.Now(), w.writtenBy(time.Now()) + bytes})
	case !errors.Is(err, claim.ErrRefused):
		w.Error(err)
	default:
		if w.refused++; w.firstRefused.IsZero() {
			w.firstRefused = time.Now()
		}
	}
}

// noteworthy is what the journals show at info and above.
func (w *weekTally) noteworthy() []entry {
	return w.journal.without(func(e entry) bool { return e.Kind.Row().Level > event.Info })
}

// compactions are those that etcd did, by whom they were asked for. One at a
// revision that is compacted already, to see what it has left of another member,
// does nothing.
func (w *weekTally) compactions() etcdtest.History { return w.etcd.History().Of(etcdtest.CompactBegin) }

func (w *weekTally) String() string {
	var b strings.Builder
	line := func(what, format string, values ...any) {
		fmt.Fprintf(&b, "%-26s %s\n", what, fmt.Sprintf(format, values...))
	}
	list := func(of map[cluster.MemberID]int) string {
		var parts []string
		for _, id := range slices.Sorted(maps.Keys(of)) {
			parts = append(parts, fmt.Sprintf("%s: %d", id, of[id]))
		}
		return cmp.Or(strings.Join(parts, ", "), "none")
	}
	polls := map[cluster.MemberID]int{}
	for id, p := range w.running {
		polls[id] = p.polls
	}
	by := map[cluster.MemberID]int{}
	for _, e := range w.compactions() {
		by[e.By]++
	}
	quota := float64(512 * mib)
	line("writes", "%d", w.writes)
	line("writes refused", "%d", w.refused)
	line("largest file", "%.0f %% of the quota", 100*float64(w.largest)/quota)
	line("most in use", "%.0f %%", 100*float64(w.most)/quota)
	line("looks, by watchdog", "%s", list(polls))
	line("compactions, by watchdog", "%s", list(by))
	line("defragmentations", "%s", list(w.etcd.History().Defragmentations()))
	b.WriteString("\njournal entries\n")
	kinds, days := map[string]int{}, make([]int, 7)
	for _, e := range w.noteworthy() {
		name := e.Kind.String()
		if e.Kind == event.ConditionEnded {
			name += " " + e.Condition
		}
		kinds[name]++
		days[max(0, min(6, int(e.at.Sub(w.began)/day)))]++
	}
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		line("  "+name, "%d", kinds[name])
	}
	line("a day", "%s", strings.Trim(fmt.Sprint(days), "[]"))
	return b.String()
}

// compactedAlone judges a week in which compaction alone was enough.
func (w *weekTally) compactedAlone() {
	if w.refused > 0 {
		w.Errorf("%d writes were refused", w.refused)
	}
	if n := w.etcd.History().Defragmentations(); len(n) > 0 {
		w.Errorf("defragmentations %v, want none", n)
	}
	w.hysteresis()
	if len(w.compactions()) == 0 {
		w.Error("nothing was compacted: the week shows nothing")
	}
	if told := w.journal.of(event.QuotaInSight, event.LiveDataTooLarge); len(told) > 0 {
		w.Errorf("live data do not grow, and yet: %s", words(told[0].Event))
	}
}

// calm judges a week in which nothing happened.
func (w *weekTally) calm() {
	if n := len(w.journal.of(event.Enrolled)); n != 3 {
		w.Errorf("%d times enrolled", n)
	}
	if told := w.journal.but(event.Polled, event.Enrolled); len(told) > 0 {
		w.Errorf("told %d things, the first: %s", len(told), words(told[0].Event))
	}
}

// leaked judges a week in which live data grow beyond what the quota holds.
func (w *weekTally) leaked() {
	inSight := w.journal.of(event.QuotaInSight)
	switch {
	case w.mended.IsZero():
		w.Fatal("the quota was never reached: the week shows nothing")
	case len(inSight) == 0 || w.firstRefused.Sub(inSight[0].at) < 12*time.Hour:
		w.Errorf("writes were refused at %v; that the quota is in sight was told at %v", w.firstRefused, inSight)
	}
	if n := len(w.journal.of(event.LiveDataTooLarge)); n == 0 {
		w.Error("the verdict was never told")
	}
	for id, n := range w.etcd.History().Defragmentations() {
		if n > 2 {
			w.Errorf("member %s was defragmented %d times", id, n)
		}
	}
	w.hysteresis()
}

// nearlyFull judges a week in which live data leave little room.
func (w *weekTally) nearlyFull() {
	if w.refused > 0 {
		w.Errorf("%d writes were refused", w.refused)
	}
	for id, n := range w.etcd.History().Defragmentations() {
		if n > 2 {
			w.Errorf("member %s was defragmented %d times", id, n)
		}
	}
	w.hysteresis()
}

// hysteresis checks that no watchdog compacts again through the same member
// before ten minutes have passed or 5 % of the quota were written, but to halve
// the history that is kept, down to none; and, while the live data are too large,
// before a minute has.
func (w *weekTally) hysteresis() {
	const (
		again    = 10 * time.Minute
		regrown  = 512 * mib / 20
		halvings = 10 // of 1,000 revisions
	)
	type row struct {
		last time.Time
		run  int
	}
	told := w.journal.of(event.LiveDataTooLarge, event.ConditionEnded)
	rows := map[[2]cluster.MemberID]*row{}
	for _, e := range w.compactions() {
		key := [2]cluster.MemberID{e.By, e.Member}
		r := rows[key]
		switch {
		case r == nil:
			rows[key] = &row{last: e.At}
			continue
		case e.At.Sub(r.last) >= again || e.At.Sub(r.last) >= time.Minute && verdict(told, e.By, e.At) || w.writtenBy(e.At)-w.writtenBy(r.last) >= regrown:
			r.run = 0
		default:
			if r.run++; r.run == halvings+1 {
				w.Errorf("dog%s compacted %d times in a row by t+%s through member %s, and nothing to compact", e.By, r.run, e.At.Sub(w.began), e.Member)
			}
		}
		r.last = e.At
	}
}

// verdict reports that a watchdog has said by then that live data are too large,
// and not that it is over.
func verdict(told []entry, by cluster.MemberID, at time.Time) bool {
	stands := false
	for _, e := range told {
		if e.by == by && !e.at.After(at) && (e.Kind == event.LiveDataTooLarge || e.Condition == event.LiveDataTooLarge.String()) {
			stands = e.Kind == event.LiveDataTooLarge
		}
	}
	return stands
}

// unflapping checks that what lasts is not told to begin and to end over and
// over.
func (w *weekTally) unflapping() {
	type condition struct {
		by, about cluster.MemberID
		name      string
	}
	ended := map[condition]int{}
	for _, e := range w.journal.of(event.ConditionEnded) {
		c := condition{e.by, e.Member, e.Condition}
		if ended[c]++; ended[c] == 2*7+1 {
			w.Errorf("dog%s told %d times by t+%s that %s of member %s has ended", c.by, ended[c], e.at.Sub(w.began), c.name, c.about)
		}
	}
}

// writtenBy is how many bytes the clients had written by then.
func (w *weekTally) writtenBy(at time.Time) int64 {
	i, _ := slices.BinarySearchFunc(w.written, at, func(p progress, at time.Time) int { return p.at.Compare(at) })
	if i == 0 {
		return 0
	}
	return w.written[i-1].bytes
}
