// Package claim is the cluster-wide right to work on a member: at most one
// watchdog holds it at a time, also while etcd refuses writes.
package claim
