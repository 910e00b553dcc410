// Package metrics shows the state of a watchdog as Prometheus series: on a
// listener of its own, and in a file for node_exporter.
//
// What holds:
//
//  1. Every series is declared once, in series.go, and docs/metrics.md is
//     written from the declarations.
//  2. A scrape reads the last observation and waits for nothing: not for etcd,
//     not for the loop, not for a disk.
//  3. The loop waits for nothing either: Observe and Record return at once,
//     whatever clients, disks or ports do.
//  4. The number of series is bounded by the present member list. What left the
//     list leaves the metrics, and no label holds a free text but the names of
//     members, which are cut and escaped.
//  5. Only counters remember anything from poll to poll.
package metrics
