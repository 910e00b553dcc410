// Package watchdogs runs the program itself, as processes beside a real etcd
// cluster, and reads what they report. It is not part of the program, and it
// judges nothing: what should have been reported, its callers say.
//
// What it keeps to:
//
//  1. A watchdog ends with its owner: by its process id, and on Linux by the
//     kernel if the owner dies.
//  2. What is read of a watchdog is what an operator can read: its entries in
//     JSON, its exit status, the files of its directories.
package watchdogs
