// Package claim is the cluster-wide right to work on a member: at most one
// watchdog holds it at a time, also while etcd refuses writes.
//
// An ordinary etcd lock needs a Put and a LeaseGrant, and under a NOSPACE alarm
// both are refused. So whatever needs a Put is done in peacetime: each watchdog
// puts a book of tickets on a lease of its own. Taking the claim and giving it
// back are deletions, which etcd accepts as long as it has a quorum.
//
// A ticket is two keys,
//
//	<prefix>/claim/<member id>/<lease id>/<number>/begin
//	<prefix>/claim/<member id>/<lease id>/<number>/end
//
// With both it is whole; with the end alone it is busy; with the begin alone it
// is junk, which is never taken and is deleted by its owner. The claim is free
// when no ticket of anybody is busy.
//
// The rules, cited by number in the code and in its tests:
//
//  1. One process per lease. The lease's id is kept in the runtime directory
//     under a lock held for the process's life (Session). No second process
//     uses that lease.
//  2. Enrolling and replenishing are one operation: one Txn per ticket, or for
//     several whole tickets, which demands that neither key exists.
//  3. Take: read everything in one response. If anything is busy, report who.
//     Else delete the begin of one's lowest whole ticket, if nothing has been put
//     since, the lowest whole begin of each book is the one that was seen, and
//     so is one's own end.
//  4. If the outcome of a take is unknown: read again. Busy and mine: I hold it.
//     Whole: it may still land; try the same ticket again. Never give back
//     unread.
//  5. A busy ticket of mine that I do not remember taking is in doubt. Nothing is
//     done under it. When whatever may have been begun under it is settled, it
//     is given back (ReleaseDoubtful).
//  6. Give back: delete both keys if the end is the one that was seen; repeat
//     until it is gone. Once that has been sent, nothing is begun under the
//     ticket.
//  7. One ticket per episode of work. Replenish whenever writes are accepted.
//  8. The lease lives by the work loop's progress: keepalives are sent while the
//     loop's last word about its progress is not out of date (Allow).
//     A loop whose own member is gone for long can do nothing under a ticket, and
//     its book would only keep others from the leader's term: it leaves (Leave).
//  9. Die and resume: expiry removes a dead holder's tickets. A restart resumes
//     the lease and its tickets, then rule 5.
//
// What the claim does not do: it does not fence the work. Compact, Defragment
// and Disarm are not part of a Txn, so the holder asks Held.Check right before
// each step, and does its steps under Held.Context. A holder that is suspended
// between that check and the moment its request leaves, for longer than the
// margin, can overlap with its successor. Nor does the claim know what the work
// is, or how a doubt about it is settled.
//
// Two clocks measure a claim's validity, Go's and CLOCK_BOOTTIME, and the one
// that shows more time gone by rules: the former stops while the machine is
// suspended.
//
// What can go wrong between reading and writing is explored exhaustively in
// small worlds by this package's tests, with the very functions that make the
// transactions here. Books that are disturbed at every turn are then seen to make
// no move that the exploration does not know.
package claim
