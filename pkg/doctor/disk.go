package doctor

import (
	"fmt"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func checkDisk(f Facts) []Finding {
	local, ok := f.View.Member(f.View.Local)
	disk := f.View.Disk
	switch {
	case len(f.Configuration.Faults) > 0:
		return []Finding{unknown("not looked at, since the configuration has faults", "where the data directory is can't be known", "correct the configuration")}
	case f.Configuration.DataDir == "":
		return []Finding{better("not looked at, since etcd.data-dir is not set", "a defragmentation needs room for a second file, and is begun without a look whether there is any", "set etcd.data-dir to "+dataDirOr(f.Etcd, "the --data-dir of the etcd on this host"))}
	case !disk.Known:
		return []Finding{unknown(wordOr(disk.Problem, "not looked at"), "a defragmentation is begun without a look whether the disk has room for a second file", "do what the finding says")}
	}
	var all []Finding
	if seen := f.Etcd.Settings["data-dir"]; seen != "" && seen != f.Configuration.DataDir {
		all = append(all, warning(fmt.Sprintf("etcd.data-dir is %s, the etcd on this host has %s", f.Configuration.DataDir, seen), "the wrong disk is looked at", "set etcd.data-dir to what that etcd has"))
	}
	if disk.Problem != "" {
		all = append(all, unknown(disk.Problem, "leftovers take room, and nobody uses them", "run doctor as root"))
	}
	if len(disk.StaleFiles) > 0 {
		all = append(all, warning(fmt.Sprintf("%s left by defragmentations that were cut short, %s: %s", counted(len(disk.StaleFiles), "file"), cluster.FormatBytes(disk.StaleBytes), disk.StaleFiles[0]),
			"they take room on etcd's disk, and nobody uses them", "when no defragmentation runs on this member, delete them, or restart it (3.5 and later delete them)"))
	}
	if !ok || local.Contact != cluster.Answered {
		return append(all, unknown(cluster.FormatBytes(disk.FreeBytes)+" are free", "how much is needed is known when the member answers", "start the member"))
	}
	return append(all, room(local, disk.FreeBytes))
}

func dataDirOr(p Process, otherwise string) string {
	if seen := p.Settings["data-dir"]; seen != "" {
		return seen
	}
	return otherwise
}

// room judges the disk of the member on this host.
func room(m cluster.Member, free int64) Finding {
	need := policy.RoomBytes(m)
	if free < need {
		return critical(fmt.Sprintf("%s free, and a defragmentation of %s needs %s", cluster.FormatBytes(free), nameOf(m), cluster.FormatBytes(need)),
			"it is not begun without that room, so that the file can't be made smaller", "free some, or move the data directory to a larger disk").of(m.ID)
	}
	if whole := m.SizeBytes; free < whole {
		return better(fmt.Sprintf("%s free, a defragmentation of %s needs %s now", cluster.FormatBytes(free), nameOf(m), cluster.FormatBytes(need)),
			fmt.Sprintf("if its whole file of %s comes to be in use, the room will not be enough", cluster.FormatBytes(whole)), "keep as much free as the file is large").of(m.ID)
	}
	return fine(fmt.Sprintf("%s free, a defragmentation of %s needs %s", cluster.FormatBytes(free), nameOf(m), cluster.FormatBytes(need))).of(m.ID)
}
