package claim

import "errors"

// The errors that callers tell apart.
var (
	// ErrRefused: the server refused the request (NOSPACE), nothing happened.
	ErrRefused = errors.New("etcd refuses writes")
	// ErrLeaseGone: the lease has expired or was revoked, with all its tickets.
	ErrLeaseGone = errors.New("the lease is gone")
	// ErrNotEnrolled: this process has no whole ticket to take.
	ErrNotEnrolled = errors.New("no ticket to take")
	// ErrLost is the cause with which a held claim's context ends when its
	// deadline has passed.
	ErrLost = errors.New("the claim was lost: its lease could not be renewed in time")
)

// BusyError says that somebody else holds the claim.
type BusyError struct {
	Holder string // in words, as the ticket says
}

func (e *BusyError) Error() string { return "the claim is held by " + e.Holder }
