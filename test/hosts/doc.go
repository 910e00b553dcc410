// Package hosts boots real systemd hosts with real etcd, installs the package
// on them and goes through what happens to hosts: a night on which the cluster
// gets full, power cuts, a journal that stands still, upgrades. What the hosts
// say is read as an operator reads it, with systemctl and journalctl.
//
// It is not a test of what the watchdogs decide; package scenario and the fault
// suite are.
//
// What it keeps to:
//
//  1. It runs as root, in namespaces, control groups and directories of its
//     own making, and takes them away again.
//  2. Nothing of a host can be reached from outside of its lab, and no host
//     reaches anything else.
//  3. What the machine cannot do is skipped with a word that says so.
package hosts
