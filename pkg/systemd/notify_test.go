package systemd

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// receiver is a datagram socket in a directory of its own.
type receiver struct {
	*net.UnixConn
	path string
}

func listen(t *testing.T) receiver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "socket")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return receiver{conn, path}
}

// next returns the next datagram.
func (r receiver) next(t *testing.T) string {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<18)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func TestNotifications(t *testing.T) {
	r := listen(t)
	n := NewNotifier(r.path)
	if err := n.Ready(); err != nil {
		t.Fatal(err)
	}
	n.Status("3 of 3 members answer\nMAINPID=1")
	n.Alive()
	n.ExtendTimeout(1500 * time.Millisecond)
	n.Stopping()
	for _, want := range []string{
		"READY=1", "STATUS=3 of 3 members answer MAINPID=1", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=1500000", "STOPPING=1",
	} {
		if got := r.next(t); got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	}
}

func TestReloadingCarriesTheTime(t *testing.T) {
	r := listen(t)
	NewNotifier(r.path).Reloading()
	var first, second int64
	if _, err := fmt.Sscanf(r.next(t), "RELOADING=1\nMONOTONIC_USEC=%d", &first); err != nil || first <= 0 {
		t.Errorf("sent the time %d, %v", first, err)
	}
	NewNotifier(r.path).Reloading()
	if _, err := fmt.Sscanf(r.next(t), "RELOADING=1\nMONOTONIC_USEC=%d", &second); err != nil || second < first {
		t.Errorf("sent %d after %d, %v", second, first, err)
	}
}

func TestNotifierWithoutSystemd(t *testing.T) {
	n := NewNotifier("")
	if err := n.Ready(); err != nil {
		t.Errorf("Ready without systemd: %v", err)
	}
	n.Status("nobody reads this")
	n.Stopping()
}

func TestNotifierWhoseManagerIsGone(t *testing.T) {
	n := NewNotifier(filepath.Join(t.TempDir(), "nobody"))
	n.Alive() // lost, no panic
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "NotifyAccess=") {
		t.Errorf("Ready is not heard, and the error is %v", err)
	}
}

// A service manager that does not read must not stop the work.
func TestNotifierWhoseManagerIsStuck(t *testing.T) {
	r := listen(t)
	fill(t, r.path)
	done := make(chan struct{})
	go func() {
		defer close(done)
		NewNotifier(r.path).Alive()
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("a notification to a manager that does not read never ends")
	}
}

// fill sends datagrams from a socket of its own until the queue is full.
func fill(t *testing.T, path string) {
	t.Helper()
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = conn.Write([]byte("FILLER=1\n"))
	}
}

func TestWatchdogInterval(t *testing.T) {
	t.Setenv("WATCHDOG_PID", "")
	t.Setenv("WATCHDOG_USEC", "60000000")
	if d, err := WatchdogInterval(); d != time.Minute || err != nil {
		t.Errorf("interval = %v, %v, want 1m", d, err)
	}
	t.Setenv("WATCHDOG_PID", "1") // another process is watched
	if d, err := WatchdogInterval(); d != 0 || err != nil {
		t.Errorf("interval of another process = %v, %v, want 0", d, err)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if _, err := WatchdogInterval(); err == nil {
		t.Error("a bad WATCHDOG_USEC is taken")
	}
}

func TestStderrIsJournal(t *testing.T) {
	for _, stream := range []string{"", "1:1", "nonsense"} {
		t.Setenv("JOURNAL_STREAM", stream)
		if StderrIsJournal() {
			t.Errorf("with JOURNAL_STREAM=%q the standard error is taken for the journal", stream)
		}
	}
}
