// Package maintenance carries one decision out, a step at a time, under a
// permit. It decides nothing: before each step that can hurt it asks package
// policy once more whether the cluster is fit for it, and it verifies what the
// step has done.
//
// Before each step, in this order: the process was not asked to stop; every
// other voter and the member worked on answer and have caught up, in two looks
// at least policy.LooksApart apart (I3); the permit is still good (I1); then the
// call. Member ids are checked again by the operator right before a
// defragmentation (I13).
//
// A stop, or a lost permit, between two steps leaves a state from which the
// next tick of any watchdog continues (I10). A defragmentation whose outcome is
// unknown comes back as a policy.Doubt (I11).
package maintenance
