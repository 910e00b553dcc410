// Package etcdtest is an etcd cluster for tests: a model in memory of what the
// members of a cluster do when they are filled, compacted, defragmented and
// disarmed, and the contract suite that binds the model to real servers.
//
// The model is made for testing/synctest: everything that takes time takes it
// on the bubble's clock, so a test of hours ends in milliseconds. A Cluster
// has to be made inside the bubble that uses it. Nothing in it is random; what
// a test wants to vary, it varies by the configuration and by faults.
//
// It is not an implementation of raft: a request that has a quorum is applied
// by every member that is able to, at once. It keeps no keys, only how many
// bytes they take (KV keeps the keys of the claim). And it is no model of
// snapshots, authentication, disks or networks between members.
//
// What it holds to, as real servers of 3.4 to 3.7 do:
//
//  1. A member is full when its file has reached its quota; the size in use
//     does not matter. The write that crosses the quota still passes, so
//     files overshoot.
//  2. A full member raises its own alarm when a client writes through it; a
//     member that only applies a write raises it if no NOSPACE is listed. The
//     alarm list is therefore not the list of full members.
//  3. While any NOSPACE is listed, also that of a removed member, every write
//     that adds data is refused, on every member. Deletions, compaction,
//     defragmentation, moving the leader and disarming are not.
//  4. Under CORRUPT every write and compaction is refused, and the operator
//     refuses every step by itself.
//  5. Disarming says nothing about space: with a full member left, a write or
//     two pass, then the alarm is back. A full learner raises it again one
//     second after every disarm.
//  6. A compaction waits for the deletion on the member that serves it; the
//     others delete later. One at a revision that is compacted already waits
//     for what is pending on the serving member, and is a success.
//  7. A compaction changes the size in use, and not the file. The status of
//     the member that served it shows that at once, but on 3.4; that of any
//     other member with the next write, however long that takes. A
//     defragmentation makes the file what was in use, shown or not.
//  8. A defragmentation blocks every answer of its member but its metrics. It
//     outlives the context of who asked for it. Further ones queue behind it,
//     and between two of them the member answers for a moment.
//  9. A leader that is blocked renews no lease.
//  10. Learners refuse to be defragmented and to lead.
package etcdtest
