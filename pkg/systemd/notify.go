package systemd

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyTimeout bounds one notification. go-systemd's own sets no bound, and
// the work must not wait for a service manager that is stuck.
const notifyTimeout = time.Second

// Notifier tells the service manager how the service is. All but Ready lose
// what cannot be told: the next one tells it again, and the service manager
// acts on what it misses. Safe for concurrent use.
type Notifier struct {
	socket string
}

// NewNotifier takes the value of $NOTIFY_SOCKET. With an empty one, which
// means that nobody wants to know, every method does nothing.
func NewNotifier(socket string) *Notifier { return &Notifier{socket: socket} }

// Ready says that the start, or a reload, is complete.
func (n *Notifier) Ready() error {
	if err := n.send(daemon.SdNotifyReady); err != nil {
		return fmt.Errorf("tell systemd that the service is ready, check NotifyAccess= in the unit: %w", err)
	}
	return nil
}

// Reloading says that the configuration is being read anew; Ready says that this
// is over, well or not. It carries the time, by which newer service managers know
// that the Ready which follows belongs to it.
func (n *Notifier) Reloading() {
	_ = n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// Status sets the line that systemctl status shows.
func (n *Notifier) Status(line string) {
	line = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, line)
	_ = n.send("STATUS=" + line)
}

// Stopping says that the service is about to end.
func (n *Notifier) Stopping() { _ = n.send(daemon.SdNotifyStopping) }

// stopEvery is how often the service manager is asked for more time to stop in.
const stopEvery = 10 * time.Second

// AwaitStop says that the service is about to end, and asks for more time again
// and again until ctx is done: what has been begun is finished first.
func (n *Notifier) AwaitStop(ctx context.Context) {
	n.Stopping()
	ticker := time.NewTicker(stopEvery)
	defer ticker.Stop()
	for {
		n.ExtendTimeout(3 * stopEvery)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Alive resets the watchdog timer of the service.
func (n *Notifier) Alive() { _ = n.send(daemon.SdNotifyWatchdog) }

// ExtendTimeout asks for that much time from now on, to start or to stop in.
// Before it is over, it has to be asked for again.
func (n *Notifier) ExtendTimeout(by time.Duration) {
	_ = n.send(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", by.Microseconds()))
}

func (n *Notifier) send(state string) error {
	if n.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: n.socket})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(notifyTimeout)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}
