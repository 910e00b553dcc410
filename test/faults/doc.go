// Command faults disturbs watchdogs that heal real clusters, over and over, and
// holds what came of it against the rules of package history.
//
//	go run ./test/faults -runs 200
//	go run ./test/faults -seed 4711 -runs 1
//
// It is not part of the program. A run fills a cluster while its watchdogs stand
// still, lets them go, waits for a moment of the heal, does something to a
// process, a member, a disk or the cluster, undoes it, waits until the cluster
// is healed, and judges.
//
// What it keeps to:
//
//  1. All that is chosen about a run follows from its seed, and the fault and
//     the server line from the seed's number, so that seeds in a row meet each
//     as often as any other.
//  2. A fault counts only if it was injected while a heal was under way.
//  3. A world (a cluster and its watchdogs) serves many runs, one after the
//     other; after a violation, or a run that cannot be undone, it is thrown
//     away. Everything is on loopback or on networks of its own, in directories
//     of its own, and ends with the command.
package main
