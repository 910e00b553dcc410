// Package watchdog is the loop: observe, decide, claim, act, remember, report.
// It owns the program's only ticker and the one now of each tick, puts the
// other rooms together and holds no knowledge of its own about etcd.
//
// The loop is level-based: what it keeps between ticks (a policy.Memory, the
// claim of a doubtful defragmentation) is an optimisation or can be rebuilt by
// the next look. A failed tick is an event and not an exit. A tick never waits
// for the world to change: waiting is a decision with a reason, and the next
// tick looks again.
//
// Invariants kept here: I1 (nothing is begun without the permit that the
// decision asks for), I10, I11.
package watchdog
