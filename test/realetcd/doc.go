// Package realetcd runs real etcd clusters on loopback, for tests and for the
// demo: it starts the members, hurts them on request, fills them to their
// quota, keeps writers going, restores them from snapshots, and reads from the
// members' own logs what they did and when. Beside members it has what stands
// before them or next to them in bad worlds: a TCP balancer, a client URL that
// never answers, processes that take the processor.
//
// It is not a model of etcd and judges nothing: what a healthy outcome is, its
// callers say. Nothing here is part of the program.
//
// What it keeps to:
//
//  1. A cluster ends with its owner: Close stops every process it started, by
//     its process id, and names any that is left; on Linux the kernel kills the
//     servers if the owner dies without closing.
//  2. Two clusters, in one process or in several, never share a port.
//  3. A write counts as acknowledged only if its answer said so; one without
//     an answer is unknown, and is never taken for refused or lost.
//  4. Every wait has a condition and a deadline, and says what it waited for.
//
// Unix only.
package realetcd
