// Package scenario lets real watchdogs heal real clusters: the main job and
// the bad days around it. It holds tests only.
//
// `go test` runs a selection: each server line once, and the bad days that are
// met most often. All of them run where ETCD_WATCHDOG_E2E is 1.
package scenario
