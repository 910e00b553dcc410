package event

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap/zapcore"
)

var update = flag.Bool("update", false, "rewrite the golden files; commit the difference when operators shall see it")

// golden compares got with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; after a deliberate change run `go test ./pkg/event -update` and read the difference. Got:\n%s", file, got)
	}
}

// recorded returns what a Logger over that sink writes. The bubble's clock
// begins at midnight of 2000-01-01, UTC.
func recorded(t *testing.T, sink func(*strings.Builder) zapcore.Core, least Level, events ...Event) string {
	t.Helper()
	var out strings.Builder
	synctest.Test(t, func(t *testing.T) {
		l := NewLogger(sink(&out), least)
		for _, e := range events {
			l.Record(e)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	return out.String()
}

func textSink(b *strings.Builder) zapcore.Core { return NewTextCore(b) }
func jsonSink(b *strings.Builder) zapcore.Core { return NewJSONCore(b) }

func TestFormats(t *testing.T) {
	local := time.Local
	time.Local = time.FixedZone("", 2*60*60)
	defer func() { time.Local = local }()
	hostile := Event{
		Kind: PollFailed, Took: 1500 * time.Microsecond,
		Error: "refused\n2000-01-01T02:00:00.000+02:00 err     \x1b[2Jforged event=\"x\" \u202eend",
	}
	events := []Event{full(Started), full(NearQuota), full(DefragmentationCompleted), {Kind: Healed}, full(NotQuorate), full(Polled), hostile}
	golden(t, filepath.Join("testdata", "entries.txt"), recorded(t, textSink, Debug, events...))
	golden(t, filepath.Join("testdata", "entries.json"), recorded(t, jsonSink, Debug, events...))
}

func TestEachEntryIsOneLine(t *testing.T) {
	for _, sink := range []func(*strings.Builder) zapcore.Core{textSink, jsonSink} {
		for _, r := range Table() {
			e := full(r.Kind)
			e.Detail, e.Error, e.MemberName, e.Holder, e.Step = "a\nb", "c\r\nd", "e\u2028f", "g\vh", "i\x00j"
			if out := recorded(t, sink, Debug, e); strings.Count(out, "\n") != 1 || strings.ContainsAny(out, "\r\v\x00\u2028") {
				t.Errorf("%s: not one clean line: %q", r.Name, out)
			}
		}
	}
}

func TestLoggerWritesWhatIsUrgentEnough(t *testing.T) {
	events := []Event{{Kind: Polled}, {Kind: Started}, {Kind: Healed}, {Kind: PollFailed}, {Kind: CorruptArmed}}
	for least, want := range map[Level]int{Debug: 5, Info: 4, Notice: 3, Warning: 2, Err: 1} {
		if got := strings.Count(recorded(t, textSink, least, events...), "\n"); got != want {
			t.Errorf("at %s %d entries are written, want %d", least, got, want)
		}
	}
}

// gate is a sink that blocks until it is opened, and fails on demand.
type gate struct {
	zapcore.LevelEnabler
	open chan struct{}
	fail atomic.Bool
	got  []string // of the goroutine that writes
}

func (g *gate) With([]zapcore.Field) zapcore.Core { return g }
func (g *gate) Sync() error                       { return nil }
func (g *gate) Check(_ zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return ce
}

func (g *gate) Write(e zapcore.Entry, fields []zapcore.Field) error {
	<-g.open
	if g.fail.Load() {
		return errors.New("the sink is broken")
	}
	s := fields[1].String
	if s == "events_dropped" {
		s += fmt.Sprintf("=%d", fields[3].Integer)
	}
	g.got = append(g.got, s)
	return nil
}

func TestStuckSinkBlocksNobodyAndLossIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		l := NewLogger(g, Debug)
		l.Record(Event{Kind: Started})
		synctest.Wait() // the sink holds this one, the queue is empty
		for range queueLength + 7 {
			l.Record(Event{Kind: Polled}) // which no bound holds back
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close with a stuck sink: %v, want it to end with the context", err)
		}
		close(g.open)
		if err := l.Close(t.Context()); err != nil {
			t.Errorf("Close after the sink has recovered: %v", err)
		}
		if got, want := len(g.got), 1+1+queueLength; got != want {
			t.Fatalf("%d entries were written, want %d", got, want)
		}
		if g.got[0] != "started" || g.got[1] != "events_dropped=7" || g.got[2] != "polled" {
			t.Errorf("written: %v …", g.got[:3])
		}
		l.Record(Event{Kind: Healed}) // after Close: nothing, and no panic
	})
}

func TestRefusedEntriesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &gate{open: make(chan struct{})}
		close(g.open)
		g.fail.Store(true)
		l := NewLogger(g, Info)
		for range 3 {
			l.Record(Event{Kind: Healed})
		}
		synctest.Wait()
		g.fail.Store(false)
		l.Record(Event{Kind: Stopping})
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(g.got, " "); got != "stopping events_dropped=3" {
			t.Errorf("written: %s", got)
		}
	})
}

// Recording has to be safe while another goroutine closes.
func TestRecordBesideClose(t *testing.T) {
	var out strings.Builder
	l := NewLogger(NewTextCore(&out), Info)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			l.Record(Event{Kind: Healed})
		}
	}()
	if err := l.Close(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
}

// What was not written is counted over the life of the program, by its cause.
func TestLossesAreCounted(t *testing.T) {
	var losses Losses
	stuck := make(chan struct{})
	for range 2 { // a reload replaces the logger, and the sums go on
		l := NewCountingLogger(stuckCore{zapcore.NewNopCore(), stuck}, Info, &losses)
		for range 70 { // 60 of one kind may be written at once
			l.Record(Event{Kind: Stopping})
		}
		for k := Started; k < MetricsFailed; k++ {
			for range 60 {
				l.Record(Event{Kind: k})
			}
		}
	}
	close(stuck)
	if rate := losses.Rate.Load(); rate < 2*10 {
		t.Errorf("%d entries count as too many of their kind, want 20 at least", rate)
	}
	if losses.Sink.Load() == 0 {
		t.Error("no entry counts as refused by a sink that took none")
	}
}

// stuckCore takes no entry until it is released.
type stuckCore struct {
	zapcore.Core
	release <-chan struct{}
}

func (c stuckCore) Write(zapcore.Entry, []zapcore.Field) error {
	<-c.release
	return nil
}
