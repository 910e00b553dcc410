// Package etcd speaks to an etcd cluster: it observes every member and carries
// out the four steps (compact, move the leader, defragment, disarm), one at a
// time. Besides it reads keys for those who add up what they take.
//
// It decides nothing, remembers no history beyond the last look, holds no
// claim and retries nothing that changes a cluster. Whether a step should be
// done, and when, is its callers' business; that it is done to the right
// member, at most once, and that its outcome is told truthfully is this
// package's.
//
// What it keeps to:
//
//   - I2: a step is refused when the member that it is sent to lists a CORRUPT
//     alarm.
//   - I6: only NOSPACE is disarmed, and only by the id of one member.
//   - I11: a step that was sent and not answered ends in
//     cluster.ErrOutcomeUnknown, never in success or plain failure.
//   - I13: an answer counts for a member only if it carries that member's own
//     id and the cluster's; each step re-checks both on the very connection
//     that it is then sent on, and that connection is never replaced by another
//     during the step.
//   - An observation of a calm cluster makes no raft proposal. (With a user
//     configured, signing in makes one: at the first contact, and again when a
//     member no longer knows the token.)
//   - The local member is whoever answers at the configured endpoint; it is
//     asked there, the others at the client URLs that they advertise.
package etcd
