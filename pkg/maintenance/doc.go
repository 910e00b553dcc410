// Package maintenance carries one decision out, a step at a time, under a
// permit. It decides nothing: a decision is made from an observation of a cluster
// that is fit for it, and its first step is sent right away. Before each further
// step that blocks a member it observes again and asks package policy whether the
// cluster still is fit (I3).
//
// Before each step, in this order: the process was not asked to stop; the permit
// still holds; then the call. The operator checks the member's ids on the step's
// own connection (I13) and asks the permit once more, right before the request
// leaves (I1).
//
// A stop, or a lost permit, between two steps leaves a state from which the
// next tick of any watchdog continues (I10). A defragmentation whose outcome is
// unknown comes back as a policy.Doubt (I11). A member that is slow to catch up
// after its defragmentation has been defragmented all the same.
package maintenance
