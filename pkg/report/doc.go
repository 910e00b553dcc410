// Package report says what status and plan say: it puts one look at the cluster,
// the decisions about it and what the daemon of this host has kept into one typed
// value, which has a severity, a JSON form and a table.
//
// It asks nobody, decides nothing about the cluster and reads no clock: what is
// reported is what the packages policy and state make of the facts. The JSON forms
// are described in docs/schemas; fields may be added to them, and none changes its
// meaning.
//
// What holds:
//
//  1. Names have their unit; sizes are bytes, times RFC 3339, lengths of time
//     seconds, ids hexadecimal as etcdctl prints them.
//  2. What is not known is absent, and not 0.
//  3. Text that comes from servers is escaped in the table; nothing in it acts on a
//     terminal but colour, where that was asked for.
package report
