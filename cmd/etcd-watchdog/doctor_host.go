package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/disk"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

// lookWithin bounds every question to this host.
const lookWithin = 5 * time.Second

// gatherHost looks at this host.
func gatherHost(ctx context.Context, f *doctor.Facts, c config.Config, unit, stateDir string) {
	switch {
	case len(f.Configuration.Faults) > 0:
		f.Etcd.Problem = "the configuration has faults, so that its port is not known"
	case !f.Endpoint.OnHost:
		f.Etcd.Problem = "the endpoint is not on this host"
	default:
		f.Etcd = lookAtEtcd(c.Etcd.Endpoint, c.Disk.DataDir)
	}
	f.Unit = askUnit(ctx, unit, c)
	f.Lock = lookAtLock(unit)
	f.State = readKept(stateDir)
	f.Jobs = lookAtJobs(ctx, f.At)
}

// kept is where the daemon of the unit keeps its state: StateDirectory= of the
// unit and of its template, unless somebody says otherwise.
func (d *doctorCommand) kept() string {
	if d.path != "" || os.Getenv("STATE_DIRECTORY") != "" {
		return d.directory()
	}
	return filepath.Join(filepath.Dir(defaultStateDirectory), strings.TrimSuffix(d.unit, ".service"))
}

func readKept(directory string) doctor.State {
	kept := doctor.State{Directory: directory, FreeBytes: -1}
	if free, err := disk.FreeBytes(directory); err == nil {
		kept.FreeBytes = free
	}
	record, err := state.Read(kept.Directory)
	if err != nil {
		kept.Problem = err.Error()
	}
	kept.PolledAt, kept.LocalMember, kept.ClusterID = record.PolledAt, cluster.MemberID(record.LocalMember), uint64(record.ClusterID)
	pause, err := state.ReadPause(kept.Directory)
	if err != nil {
		kept.Problem = err.Error()
	}
	kept.Pause = pause
	return kept
}

// lookAtLock finds out who holds the lock of the runtime directory, without
// taking it: that could keep a daemon from it that starts just now.
func lookAtLock(unit string) doctor.Lock {
	dir := os.Getenv("RUNTIME_DIRECTORY")
	if dir == "" { // RuntimeDirectory= of the unit and of its template
		dir = filepath.Join("/run", strings.TrimSuffix(unit, ".service"))
	}
	l := doctor.Lock{Path: filepath.Join(dir, claim.SessionLock)}
	var stat unix.Stat_t
	if err := unix.Stat(l.Path, &stat); errors.Is(err, fs.ErrNotExist) {
		return l
	} else if err != nil {
		l.Problem = err.Error()
		return l
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	l.Holder = lockHolder(string(locks), fmt.Sprintf("%02x:%02x:%d", unix.Major(uint64(stat.Dev)), unix.Minor(uint64(stat.Dev)), stat.Ino))
	return l
}

// lockHolder finds the process that has locked a file, in the kernel's list:
//
//	1: FLOCK  ADVISORY  WRITE 1234 00:1f:131 0 EOF
func lockHolder(locks, file string) int {
	for line := range strings.Lines(locks) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[1] != "FLOCK" || fields[5] != file {
			continue
		}
		if process, err := strconv.Atoi(fields[4]); err == nil {
			return process
		}
	}
	return 0
}

// systemctl asks systemd for properties, and returns a block of them for each
// unit.
func systemctl(ctx context.Context, args ...string) ([]map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	show := exec.CommandContext(ctx, "systemctl", append([]string{"show", "--no-pager"}, args...)...)
	show.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	var stderr bytes.Buffer
	show.Stderr = &stderr
	answer, err := show.Output()
	if err != nil {
		said, _, _ := strings.Cut(stderr.String(), "\n")
		return nil, fmt.Errorf("%w: %s", err, said)
	}
	return propertyBlocks(string(answer)), nil
}

// propertyBlocks reads NAME=VALUE lines, with an empty line between two units.
func propertyBlocks(text string) []map[string]string {
	var blocks []map[string]string
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		properties := map[string]string{}
		for line := range strings.Lines(block) {
			if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "="); ok {
				properties[name] = value
			}
		}
		blocks = append(blocks, properties)
	}
	return blocks
}

// askUnit asks systemd for the watchdog's unit.
func askUnit(ctx context.Context, name string, c config.Config) doctor.Unit {
	u := doctor.Unit{Name: name}
	blocks, err := systemctl(ctx, "--property=LoadState,ActiveState,UnitFileState,Type,MainPID,NRestarts,WatchdogUSec,TimeoutStopUSec", "--", name)
	if err != nil {
		u.Problem = err.Error()
		return u
	}
	p := blocks[0]
	u.LoadState, u.ActiveState, u.FileState, u.Type = p["LoadState"], p["ActiveState"], p["UnitFileState"], p["Type"]
	u.MainProcess, _ = strconv.Atoi(p["MainPID"]) // 0 where there is none
	u.Restarts, _ = strconv.Atoi(p["NRestarts"])
	u.Watchdog, u.TimeoutStop = timeSpan(p["WatchdogUSec"]), timeSpan(p["TimeoutStopUSec"])
	if err := c.CheckWatchdog(u.Watchdog); err != nil {
		u.WatchdogFits = err.Error()
	}
	return u
}

// timeSpan reads a span as systemd prints it, such as "1min 30s"; 0 for none,
// and for infinity.
func timeSpan(s string) time.Duration {
	units := map[string]time.Duration{
		"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour,
		"d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "month": 2629800 * time.Second, "y": 31557600 * time.Second,
	}
	var span time.Duration
	for _, part := range strings.Fields(s) {
		digits := strings.TrimRight(part, "abcdefghijklmnopqrstuvwxyz")
		n, err := strconv.ParseFloat(digits, 64)
		if err != nil {
			return 0
		}
		span += time.Duration(n * float64(units[part[len(digits):]]))
	}
	return span
}
