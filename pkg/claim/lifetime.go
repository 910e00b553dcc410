package claim

import (
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// instant is a moment on two clocks: Go's, which stands still while the machine
// is suspended, and the system's boot clock, which does not.
type instant struct {
	clock time.Time
	boot  time.Duration
}

// bootClock reads CLOCK_BOOTTIME. Linux has it since 2.6.39; the read cannot
// fail there, and should it, Go's clock alone rules.
func bootClock() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// lifetime is what this process knows of its lease: the id, and until when the
// tickets on it are certain to exist.
type lifetime struct {
	boot   func() time.Duration              // bootClock
	margin func(time.Duration) time.Duration // of a granted time to live

	mu    sync.Mutex
	lease LeaseID
	sent  instant       // when the last acknowledged keepalive was sent
	good  time.Duration // after sent, for so long; 0: nothing is known
}

func (l *lifetime) now() instant { return instant{time.Now(), l.boot()} }

// id returns the lease; 0 if there is none.
func (l *lifetime) id() LeaseID {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lease
}

// adopt makes lease the one whose life this is. Nothing is known of it yet.
func (l *lifetime) adopt(lease LeaseID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lease, l.sent, l.good = lease, instant{}, 0
}

// forget ends the life of that lease, and with it of every claim held by it.
func (l *lifetime) forget(lease LeaseID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if lease == l.lease {
		l.lease, l.sent, l.good = 0, instant{}, 0
	}
}

// acknowledged notes that a keepalive sent at that moment was granted so much
// time to live. One of another lease, or an older one, changes nothing.
func (l *lifetime) acknowledged(lease LeaseID, sent instant, ttl time.Duration) {
	good := ttl - l.margin(ttl)
	l.mu.Lock()
	defer l.mu.Unlock()
	if lease != l.lease || good <= 0 {
		return
	}
	if l.good > 0 && sent.clock.Add(good).Before(l.sent.clock.Add(l.good)) {
		return
	}
	l.sent, l.good = sent, good
}

// remaining returns for how long that lease's tickets are certain to exist; 0
// or less: they are not.
func (l *lifetime) remaining(lease LeaseID) time.Duration {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if lease == 0 || lease != l.lease || l.good <= 0 {
		return 0
	}
	// The later clock rules: which one that is depends on whether the machine
	// was suspended.
	return l.good - max(now.clock.Sub(l.sent.clock), now.boot-l.sent.boot)
}
