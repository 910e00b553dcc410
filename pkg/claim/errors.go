package claim

import (
	"errors"
	"fmt"
)

// The errors that callers tell apart.
var (
	// ErrRefused: the server refused the request (NOSPACE), nothing happened.
	ErrRefused = errors.New("etcd refuses writes")
	// ErrLeaseGone: the lease has expired or was revoked, with all its tickets.
	ErrLeaseGone = errors.New("the lease is gone")
	// ErrNotEnrolled: this process has no whole ticket to take.
	ErrNotEnrolled = errors.New("no ticket to take")
	// ErrTooNew: the tickets have not been there for Settle.
	ErrTooNew = errors.New("the tickets were put a moment ago, and work without a claim may still be on its way")
	// ErrInDoubt: a ticket of this process is busy that it does not remember
	// taking. Settle what was begun under it, then ReleaseDoubtful.
	ErrInDoubt = errors.New("an earlier claim of this watchdog is in doubt: its work has to be settled and the claim given back first")
	// ErrLost is the cause with which a held claim's context ends when its
	// deadline has passed.
	ErrLost = errors.New("the claim was lost: its lease could not be renewed in time")
	// ErrGivenBack is the cause with which a held claim's context ends when
	// giving it back begins.
	ErrGivenBack = errors.New("the claim was given back")
	// ErrSessionInUse: another process has the session of that directory.
	ErrSessionInUse = errors.New("another process keeps its lease there: stop it, or give this one a directory of its own")
)

// maxBooks is how many books a take can compare: etcd's default limit is 128
// operations in a Txn, of which a few are needed for the rest.
const maxBooks = 120

// TooManyBooksError says that the claim cannot be taken safely, because one
// Txn cannot compare that many books. Nothing was sent.
type TooManyBooksError struct {
	Books  int
	Prefix string
}

func (e *TooManyBooksError) Error() string {
	return fmt.Sprintf("%d books of tickets below %s, and one transaction can compare %d: look for watchdogs that start over and over, each start leaving a book until its lease expires",
		e.Books, e.Prefix, maxBooks)
}

// BusyError says that somebody else holds the claim.
type BusyError struct {
	Holder string // in words, as the ticket says
}

func (e *BusyError) Error() string { return "the claim is held by " + e.Holder }
