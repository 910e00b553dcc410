// Package policy decides what, if anything, is to be done next: from values to
// values. It does no input or output, reads no clock, and cannot: every input
// of a decision is an argument (limits, now, view, memory).
//
// Decide looks at one View and returns one Decision, first match wins:
//
//  1. CORRUPT is listed: nothing is touched.
//  2. An answer came from another member or cluster than asked: that member is
//     never touched.
//  3. An earlier defragmentation is in doubt: no step on any member.
//  4. Nothing is refused yet and pages in use are at or above compact-at: compact
//     alone, and give up history as far as it must be.
//  5. NOSPACE is listed and every voter's file is small again: disarm.
//  6. NOSPACE is listed: compact, defragment the fullest voters one by one.
//  7. A file is at or above urgent-at: as 8, without waiting for a better time.
//  8. A file is at or above defragment-at, and it is worth it, and it is a good
//     time: compact, defragment.
//  9. Something would be done but can't, or shouldn't: the reason is the
//     decision.
//
// The numbers are those of docs/ARCHITECTURE.md. With Limits.Observe nothing is
// done; the decision says what would be.
//
// Invariants kept here: I2, I3, I4, I5, I6, I7, I8, I9. What one decision
// learns is folded into a Memory by WithLook and WithOutcome; the memory is an
// optimisation, and an empty one is always safe.
package policy
