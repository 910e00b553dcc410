package systemd

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

func connected(t *testing.T, path string) zapcore.Core {
	t.Helper()
	core, err := NewJournalCore(path)
	if err != nil {
		t.Fatal(err)
	}
	return core
}

func closed(t *testing.T, l *event.Logger) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Errorf("closing the logger: %v", err)
	}
}

func TestEventAsDatagram(t *testing.T) {
	r := listen(t)
	l := event.NewLogger(connected(t, r.path), event.Info)
	l.Record(event.Event{
		Kind: event.DefragmentationCompleted, Job: "7f3a-1", Member: 0x8e9e05c52164694d, MemberName: "infra1\nPRIORITY=0",
		SizeBytes: 210 << 20, InUseBytes: 208 << 20, QuotaBytes: 512 << 20, QuotaFrom: "learnt",
		BeforeBytes: 537 << 20, Took: 4100 * time.Millisecond, Expected: 3 * time.Second,
	})
	closed(t, l)
	want := strings.Join([]string{
		`MESSAGE=Defragmented member infra1\nPRIORITY=0 (8e9e05c52164694d) in 4.1 s: 537 MiB before; now file 210 MiB, in use 208 MiB, quota 512 MiB, 41 % full`,
		`PRIORITY=5`,
		`SYSLOG_IDENTIFIER=etcd-watchdog`,
		`WATCHDOG_EVENT=defragmentation_completed`,
		`DOCUMENTATION=https://github.com/etcd-watchdog/etcd-watchdog/blob/main/docs/events.md#defragmentation_completed`,
		`MESSAGE_ID=` + event.DefragmentationCompleted.Row().ID,
		`WATCHDOG_JOB=7f3a-1`,
		`ETCD_MEMBER_ID=8e9e05c52164694d`,
		`ETCD_MEMBER_NAME=infra1\nPRIORITY=0`,
		`ETCD_DB_SIZE_BYTES=220200960`,
		`ETCD_DB_SIZE_IN_USE_BYTES=218103808`,
		`ETCD_QUOTA_BYTES=536870912`,
		`ETCD_QUOTA_SOURCE=learnt`,
		`ETCD_DB_SIZE_BEFORE_BYTES=563085312`,
		`WATCHDOG_TOOK_SECONDS=4.1`,
		`WATCHDOG_EXPECTED_SECONDS=3`,
		`WATCHDOG_DETAIL=`,
	}, "\n") + "\n"
	if got := r.next(t); got != want {
		t.Errorf("sent\n%s\nwant\n%s", got, want)
	}
}

func TestPriorities(t *testing.T) {
	r := listen(t)
	l := event.NewLogger(connected(t, r.path), event.Debug)
	kinds := []event.Kind{event.Polled, event.Started, event.Healed, event.PollFailed, event.CorruptArmed}
	for _, k := range kinds {
		l.Record(event.Event{Kind: k})
	}
	closed(t, l)
	for i, want := range []string{"7", "6", "5", "4", "3"} {
		if got := r.next(t); !strings.Contains(got, "\nPRIORITY="+want+"\n") {
			t.Errorf("%s is sent without PRIORITY=%s:\n%s", kinds[i], want, got)
		}
	}
}

// Other packages' entries come without the names of the Table.
func TestForeignEntryAsDatagram(t *testing.T) {
	r := listen(t)
	logger := zap.New(connected(t, r.path)).With(zap.String("_transport", "forged"))
	logger.Warn("retrying\nsoon", zap.Error(errors.New("a\nb")), zap.Int("attempt-no", 3), zap.String(strings.Repeat("k", 100), "v"))
	want := "MESSAGE\n\x0d\x00\x00\x00\x00\x00\x00\x00retrying\nsoon\n" +
		"PRIORITY=4\nSYSLOG_IDENTIFIER=etcd-watchdog\n" +
		"WATCHDOG__TRANSPORT=forged\n" +
		"WATCHDOG_ERROR\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\n" +
		"WATCHDOG_ATTEMPT_NO=3\n" +
		"WATCHDOG_" + strings.Repeat("K", 55) + "=v\n"
	if got := r.next(t); got != want {
		t.Errorf("sent\n%q\nwant\n%q", got, want)
	}
}

func TestLongestEntryFitsIntoADatagram(t *testing.T) {
	r := listen(t)
	long := strings.Repeat("ä", 1<<20)
	core := connected(t, r.path)
	e := zapcore.Entry{Level: zapcore.InfoLevel, Message: long}
	if err := core.Write(e, []zapcore.Field{zap.String("detail", long), zap.String("error", long)}); err != nil {
		t.Fatal(err)
	}
	if got := r.next(t); len(got) > 4*maxField || strings.ToValidUTF8(got, "?") != got {
		t.Errorf("sent %d bytes, or half a character", len(got))
	}
}

func TestNoJournal(t *testing.T) {
	_, err := NewJournalCore(t.TempDir() + "/nobody")
	if err == nil || !strings.Contains(err.Error(), "log.format") {
		t.Errorf("no journal, and the error is %v", err)
	}
}

// journald that is started anew has a new socket at the same path.
func TestJournalStartedAnew(t *testing.T) {
	first := listen(t)
	core := connected(t, first.path)
	_ = first.Close()
	_ = os.Remove(first.path)
	entry := zapcore.Entry{Message: "who listens?"}
	if err := core.Write(entry, nil); err == nil {
		t.Error("an entry to nobody is taken as written")
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: first.path})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := core.Write(entry, nil); err != nil {
		t.Fatal(err)
	}
	if got := (receiver{conn, first.path}).next(t); !strings.HasPrefix(got, "MESSAGE=who listens?\n") {
		t.Errorf("sent %q", got)
	}
}

// A stuck journald, its queue filled by others, blocks nobody; when it reads
// again, what was recorded arrives.
func TestStuckJournalComesBack(t *testing.T) {
	r := listen(t)
	l := event.NewLogger(connected(t, r.path), event.Debug)
	fill(t, r.path)
	const recorded = 2000
	for range recorded { // returns, or the test never ends
		l.Record(event.Event{Kind: event.Polled}) // which no bound holds back
	}
	short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := l.Close(short); err == nil {
		t.Fatal("everything is written while nobody reads")
	}
	arrived, lost := 0, 0
	for arrived+lost < recorded {
		got := r.next(t)
		if strings.Contains(got, "WATCHDOG_EVENT=polled\n") {
			arrived++
		}
		if _, n, ok := strings.Cut(got, "WATCHDOG_DROPPED="); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(n, "\n"))
			if err != nil {
				t.Fatal(err)
			}
			lost += n
		}
	}
	if lost == 0 || arrived == 0 {
		t.Errorf("%d entries arrived, %d were told as lost", arrived, lost)
	}
	closed(t, l)
}
