package claim

import "time"

// Options says where the tickets are kept, how many there are, and how long
// they outlive a dead holder.
type Options struct {
	Prefix  string        // in etcd; the tickets are below Prefix + "/claim/"
	TTL     time.Duration // of the lease that the tickets are on
	Tickets int           // in a full book
	Settle  time.Duration // how long this process has seen its tickets before it takes one; 0: not at all
}

// DefaultOptions returns the options that hold where nothing is configured.
func DefaultOptions() Options {
	return Options{Prefix: "/etcd-watchdog", TTL: 60 * time.Second, Tickets: 16}
}

// minMargin is the least that is kept of a lease's life, however short the
// lease. It is about two of etcd's default election timeouts: so long a leader
// that was deposed without knowing it may go on acknowledging keepalives.
const minMargin = 2 * time.Second

// margin is the last part of a granted time to live in which the holder
// already counts as having lost its claim: a sixth, at least minMargin, and at
// least Settle. It pays for what lies between the last check and the arrival of a
// request, for two clocks that do not run alike, and for a deposed leader. Settle,
// because a watchdog that works under the leader's term asks the members for their
// status first and reads the tickets then: a ticket may end in between, and what
// was sent under it must have arrived before the status was asked for.
func (o Options) margin(ttl time.Duration) time.Duration { return max(ttl/6, minMargin, o.Settle) }
