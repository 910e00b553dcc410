// Package forecast says, from the sizes that one member has told so far, how
// fast it grows and when its file will be at its quota if it goes on like
// this. It does no input or output, knows no policy and reads no clock: every
// time is an argument. Histories are values; Add returns a new one.
//
// What is measured. The file takes free pages before it grows, so a file far
// from its quota and full of free pages is in no danger. What fills it is what
// is left in use once history has been compacted, the live data: garbage goes
// with the next compaction, live data only when a person deletes something. In
// between, the pages in use go up with every write and down with every
// compaction, a sawtooth whose teeth last from seconds to days. So the trend
// is made of floors, the lowest size in use of each ten minutes: teeth up to
// that length leave no trace in them. Longer teeth are told from growth in two
// ways: at a point of time only the part counts that was never fallen below
// since; and a rise that has been given back before is taken for the next
// tooth until it has gone a quarter higher than the highest before.
//
// How it is measured. Floors are kept at three widths: ten minutes for the
// last four hours, one hour for a day and a quarter, six hours for a week.
// Each gives the median of the slopes between all pairs of its slices
// (Theil-Sen), which one burst, one load of data and one outlier leave as it
// was; and it counts as growth only if three quarters of those slopes point
// upwards. The day is believed before the week, because it has seen a quiet
// and a busy part and forgets sooner; the week serves where the teeth are too
// long for a day; the last hours count, with low confidence, where they are
// more than twice as fast. So new growth is seen after one hour of a fresh
// history, and after about two of a calm one; what is faster is for Speed.
//
// What it can't tell. The first tooth of all looks like growth, and while
// nobody compacts it is. So may the second one if teeth last longer than a
// day. After a deletion, growth is not believed for about a day, or until it
// has passed the earlier peak.
//
// Invariants, the first of them I9 of docs/ARCHITECTURE.md:
//
//  1. Equal inputs give equal results, and no input is modified.
//  2. Every result is finite, and no speed or slope is below zero.
//  3. A history is of bounded size, below 16 KiB as JSON, and comes back from
//     JSON as it was.
//  4. Clock steps and gaps make no trend that the sizes did not have.
package forecast
