// Package host finds out what only this host can say: so far, whether this
// process runs next to a member of the cluster, and is the only one there that
// works without tickets.
//
// It asks the system, sends nothing over the network but questions to the name
// service, and keeps no file: the lock is an abstract unix socket, which needs no
// directory and no rights and ends with the process.
package host
