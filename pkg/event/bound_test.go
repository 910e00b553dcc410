package event

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// storm records one kind at a rate for a while, and returns the lines that a
// person reads of it.
func storm(t *testing.T, least Level, every, during time.Duration, then ...Event) []string {
	t.Helper()
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		l := NewLogger(textSink(&out), least)
		for begin := time.Now(); time.Since(begin) < during; time.Sleep(every) {
			l.Record(Event{Kind: PollFailed, Error: "x"})
			l.Record(Event{Kind: Polled})
		}
		for _, e := range then {
			l.Record(e)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

func linesWith(lines []string, part string) (n int) {
	for _, l := range lines {
		if strings.Contains(l, part) {
			n++
		}
	}
	return n
}

func TestStormOfEventsIsBounded(t *testing.T) {
	const seconds = 600
	lines := storm(t, Info, 10*time.Millisecond, seconds*time.Second)
	if n := linesWith(lines, "event=poll_failed"); n < seconds || n > burst+seconds+1 {
		t.Errorf("%d entries in %d s, want one a second and %d besides", n, seconds, burst)
	}
	reports := linesWith(lines, "event=events_left_out")
	if reports < seconds/60-1 || reports > seconds/60+1 {
		t.Errorf("%d reports of what was left out, want one a minute", reports)
	}
}

func TestWhatWasLeftOutIsTold(t *testing.T) {
	lines := storm(t, Info, 10*time.Millisecond, time.Second, Event{Kind: Healed})
	if n := linesWith(lines, "event=poll_failed"); n != burst {
		t.Errorf("%d entries, want %d", n, burst)
	}
	if linesWith(lines, "event=healed") != 1 {
		t.Error("a storm of one kind has swallowed another")
	}
	if linesWith(lines, "40 entries were left out, so as not to flood the log: 40 poll_failed") != 1 {
		t.Errorf("nothing tells that 40 were left out:\n%s", strings.Join(lines, "\n"))
	}
}

// The poll that follows a storm tells of it, also where polls are not written.
func TestStormIsToldOfWhenItIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		close(g.open)
		l := NewLogger(g, Info)
		for range burst + 1 {
			l.Record(Event{Kind: PollFailed})
		}
		l.Record(Event{Kind: Polled})
		synctest.Wait()
		if got := g.got[len(g.got)-1]; got != "poll_failed" {
			t.Errorf("told at once: %s", got)
		}
		time.Sleep(sumUpAfter)
		l.Record(Event{Kind: Polled})
		synctest.Wait()
		if got := g.got[len(g.got)-1]; got != "events_left_out" {
			t.Errorf("the last entry is %s, want the report", got)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(g.got) != burst+1 {
			t.Errorf("%d entries, want %d and one report", len(g.got), burst)
		}
	})
}

func TestPollsAreAllWrittenAtDebug(t *testing.T) {
	lines := storm(t, Debug, 50*time.Millisecond, 30*time.Second)
	if n := linesWith(lines, "event=polled"); n != 600 {
		t.Errorf("%d of 600 polls are written", n)
	}
}
