package claim

import "time"

// Options says where the tickets are kept, how many there are, and how long
// they outlive a dead holder.
type Options struct {
	Prefix  string        // in etcd; the tickets are below Prefix + "/claim/"
	TTL     time.Duration // of the lease that the tickets are on
	Tickets int           // in a full book
}

// DefaultOptions returns the options that hold where nothing is configured.
func DefaultOptions() Options {
	return Options{Prefix: "/etcd-watchdog", TTL: 60 * time.Second, Tickets: 16}
}
