package policy

import (
	"fmt"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// fault is a known fault of server versions that bears on maintenance.
type fault struct {
	affects func(version string) bool
	refuses bool // voluntary defragmentation waits for an upgrade; else it is only said
	what    string
}

// faults are the known ones, gravest first. The sources are etcd's changelogs
// of 3.4, 3.5 and 3.6.
var faults = []fault{{
	affects: func(v string) bool { return !before(v, 3, 5, 0) && before(v, 3, 5, 6) },
	refuses: true,
	what:    "a crash during a defragmentation can make its revisions differ from the other members' (fixed in 3.5.6)",
}, {
	affects: func(v string) bool { return before(v, 3, 4, 35) || !before(v, 3, 5, 0) && before(v, 3, 5, 17) },
	what:    "a disk that fills up during a defragmentation can end in a crash (fixed in 3.4.35 and 3.5.17)",
}, {
	affects: func(v string) bool {
		return before(v, 3, 4, 38) || !before(v, 3, 5, 0) && before(v, 3, 5, 23) || !before(v, 3, 6, 0) && before(v, 3, 6, 5)
	},
	what: "a defragmentation while it receives a snapshot can damage its data (fixed in 3.4.38, 3.5.23 and 3.6.5); so it is never done to a member that has not caught up",
}}

// Fault is a known fault of a server version, for people.
type Fault struct {
	What    string
	Refuses bool // no voluntary defragmentation is done to a member with it
}

// KnownFaults returns the faults of a version that bear on maintenance, gravest
// first.
func KnownFaults(version string) []Fault {
	var known []Fault
	for _, f := range faults {
		if version != "" && f.affects(version) {
			known = append(known, Fault{f.what, f.refuses})
		}
	}
	return known
}

// faultOf returns the gravest known fault of a member's version.
func faultOf(m cluster.Member) (fault, bool) {
	for _, f := range faults {
		if m.Contact == cluster.Answered && m.Version != "" && f.affects(m.Version) {
			return f, true
		}
	}
	return fault{}, false
}

// guarded returns why voluntary work on a member waits for other versions.
// Under NOSPACE it is done all the same, with the risk named: a cluster that
// refuses every write is the greater harm.
func (w world) guarded(m cluster.Member) *obstacle {
	if f, known := faultOf(m); known && f.refuses {
		return &obstacle{reason: VersionGuard, member: m.ID, detail: fmt.Sprintf("member %s runs etcd %s: %s; upgrade it", name(m), m.Version, f.what)}
	}
	if why := w.changing(); why != "" {
		return &obstacle{reason: VersionGuard, detail: why + "; voluntary work waits until that is done"}
	}
	return nil
}

// changing says that the cluster is on its way from one version to another.
func (w world) changing() string {
	var minors []string
	for _, m := range w.view.Voters() {
		if m.Contact != cluster.Answered {
			continue
		}
		if m.DowngradeTo != "" {
			return "a downgrade to " + m.DowngradeTo + " is in progress"
		}
		if minor := MinorOf(m.Version); len(minors) == 0 || minors[0] != minor {
			minors = append(minors, minor)
		}
	}
	if len(minors) > 1 {
		return "the members run different versions, " + strings.Join(minors[:2], " and ") + ", as during an upgrade"
	}
	return ""
}

// MinorOf returns the server line of a version: 3.6 of 3.6.16.
func MinorOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	return strings.Join(parts[:min(2, len(parts))], ".")
}

// noRoom returns why the local member's disk does not allow a defragmentation:
// the server writes the pages in use into a new file beside the old one.
func (w world) noRoom(m cluster.Member) *obstacle {
	disk := w.view.Disk
	if m.ID != w.view.Local || !disk.Known {
		return nil
	}
	need := RoomBytes(m)
	if disk.FreeBytes >= need {
		return nil
	}
	return &obstacle{reason: DiskTooSmall, member: m.ID, detail: fmt.Sprintf("a defragmentation of member %s needs %s on its disk, and %s are free; free some, or move the data directory to a larger disk",
		name(m), cluster.FormatBytes(need), cluster.FormatBytes(disk.FreeBytes))}
}

// RoomBytes is what has to be free on a member's disk before it is defragmented.
func RoomBytes(m cluster.Member) int64 {
	return m.InUseBytes + max(m.InUseBytes/diskReserveDivide, diskReserveBytes)
}

// What has to stay free on the disk besides the new file: etcd's log grows while
// the member is blocked.
const (
	diskReserveDivide = 10
	diskReserveBytes  = 64 << 20
)
