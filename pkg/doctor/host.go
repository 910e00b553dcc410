package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// hidden is the finding of a check that needs the settings of the etcd on this
// host, which can't be seen.
func hidden(p Process, what string) (Finding, bool) {
	why := p.Problem
	if why == "" {
		why = p.Unseen
	}
	return unknown(what+" can't be seen: "+why, "etcd tells its settings nobody; they can be seen of a process on this host alone, and mostly by root only",
		"run doctor as root on the member's host, or look into etcd's unit and configuration"), why != ""
}

func checkAutoCompaction(f Facts) []Finding {
	retention, mode := f.Etcd.Settings["auto-compaction-retention"], f.Etcd.Settings["auto-compaction-mode"]
	if mode == "" {
		mode = "periodic"
	}
	if retention == "" || retention == "0" {
		if finding, is := hidden(f.Etcd, "whether etcd compacts by itself"); is && retention == "" {
			return []Finding{finding}
		}
		return []Finding{better("etcd's own compaction is off", "unless a client compacts, as Kubernetes' apiserver does, the history grows up to thresholds.compact-at, where the watchdogs compact it",
			"nothing has to be done; to keep less history all the time, set etcd's auto-compaction-retention")}
	}
	return []Finding{fine(fmt.Sprintf("etcd compacts by itself: mode %s, retention %s", mode, retention))}
}

func checkStopOnDefragmentation(f Facts) []Finding {
	on, known := stopOnDefragmentation(f.Etcd.Settings)
	switch {
	case known && on:
		return []Finding{fine("a member that is defragmented sends its clients elsewhere")}
	case !known:
		if finding, is := hidden(f.Etcd, "whether a member sends its clients elsewhere while it is defragmented"); is {
			return []Finding{finding}
		}
	}
	if voters := len(f.View.Voters()); voters == 1 {
		return []Finding{fine("off, and of no use with a single voter")}
	}
	return []Finding{better("off: a member that is defragmented keeps its clients waiting until that is over",
		"a client that spreads its requests over all members stalls for that time, mostly a few seconds at most",
		"where that matters: --experimental-stop-grpc-service-on-defrag (3.5.14 and later), --feature-gates=StopGRPCServiceOnDefrag=true (3.6 and later)")}
}

func stopOnDefragmentation(settings map[string]string) (on, known bool) {
	for gate := range strings.SplitSeq(settings["feature-gates"], ",") {
		if value, is := strings.CutPrefix(gate, "StopGRPCServiceOnDefrag="); is {
			return value == "true", true
		}
	}
	value, known := settings["experimental-stop-grpc-service-on-defrag"]
	return value == "true", known
}

// leastStop is below what a service needs to ask for more time to stop in.
const leastStop = 10 * time.Second

func checkUnit(f Facts) []Finding {
	u := f.Unit
	switch {
	case u.Problem != "":
		return []Finding{unknown("systemd was not asked: "+u.Problem, "whether the daemon starts with this host, and is restarted, can't be said", "run doctor on the host itself, where systemd runs")}
	case u.LoadState == "not-found":
		return []Finding{critical("there is no unit "+u.Name, "no watchdog is started on this host by systemd", "install the program with its unit: README, Install")}
	case u.LoadState != "loaded":
		return []Finding{critical(fmt.Sprintf("%s is %s", u.Name, u.LoadState), "systemd can't start it", "systemctl status "+u.Name+" says why")}
	}
	var all []Finding
	if u.ActiveState != "active" && u.ActiveState != "reloading" {
		all = append(all, critical(fmt.Sprintf("%s is %s", u.Name, u.ActiveState), "no watchdog runs on this host", "systemctl start "+u.Name+"; if it fails: journalctl -u "+u.Name))
	}
	if !strings.HasPrefix(u.FileState, "enabled") {
		all = append(all, warning(fmt.Sprintf("%s is not enabled (%s)", u.Name, wordOr(u.FileState, "unknown")), "it does not start with this host", "systemctl enable "+u.Name))
	}
	if u.Restarts > 0 {
		all = append(all, warning(fmt.Sprintf("systemd has restarted it %d times", u.Restarts), "it ended when nobody had asked it to", "journalctl -u "+u.Name+" -p warning says why"))
	}
	all = append(all, timing(u)...)
	if all == nil {
		all = append(all, fine(fmt.Sprintf("%s is active and enabled, WatchdogSec %s, TimeoutStopSec %s", u.Name, spanWords(u.Watchdog, "off"), spanWords(u.TimeoutStop, "infinity"))))
	}
	return all
}

// timing judges how the unit waits for the daemon.
func timing(u Unit) []Finding {
	var all []Finding
	if !strings.HasPrefix(u.Type, "notify") {
		all = append(all, warning(fmt.Sprintf("%s has Type=%s", u.Name, u.Type), "systemd waits for no word of the daemon: it sees neither readiness nor a hang, and does not give it the time to stop in order", "set Type=notify and NotifyAccess=main, as the unit that comes with the program does"))
	}
	switch {
	case u.WatchdogFits != "":
		all = append(all, critical(u.WatchdogFits, "the daemon does not start with it", "change one of the two, then systemctl daemon-reload and restart it"))
	case u.Watchdog == 0:
		all = append(all, warning("WatchdogSec is not set", "a daemon that hangs ends itself, but one that can't even do that is never restarted", "set WatchdogSec=60s, as the unit that comes with the program does"))
	}
	if u.TimeoutStop > 0 && u.TimeoutStop < leastStop {
		all = append(all, warning("TimeoutStopSec is "+u.TimeoutStop.String(), "a daemon with a defragmentation in flight asks for more time, and may be killed before it has", "set TimeoutStopSec=90s, as the unit that comes with the program does"))
	}
	return all
}

func inBrackets(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}

func wordOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func spanWords(d time.Duration, none string) string {
	if d == 0 {
		return none
	}
	return d.String()
}

func checkProcess(f Facts) []Finding {
	l, u := f.Lock, f.Unit
	running := u.Problem == "" && u.ActiveState == "active"
	switch {
	case l.Problem != "":
		return []Finding{unknown("who holds the lock "+l.Path+" can't be seen: "+l.Problem, "one process on this host holds it, and with it the tickets", "run doctor as root on the host itself")}
	case l.Holder == 0 && f.Configuration.Observe:
		return []Finding{fine("nobody holds " + l.Path + ", which an observing daemon does not need")}
	case l.Holder == 0 && running:
		return []Finding{warning(fmt.Sprintf("the daemon runs, and nobody holds %s", l.Path), "it can't keep its lease there: after a restart it has to wait for its old tickets to end", "see RuntimeDirectory= of the unit, and journalctl -u "+u.Name)}
	case l.Holder == 0:
		return []Finding{warning("no daemon holds "+l.Path, "no watchdog works for the member of this host", "systemctl enable --now "+serviceOf(u))}
	case running && u.MainProcess != 0 && l.Holder != u.MainProcess:
		return []Finding{warning(fmt.Sprintf("process %d holds %s, and the unit's is process %d", l.Holder, l.Path, u.MainProcess), "a second daemon on this host keeps the first from its tickets", fmt.Sprintf("see what it is: ps -fp %d", l.Holder))}
	default:
		return []Finding{fine(fmt.Sprintf("process %d holds %s", l.Holder, l.Path))}
	}
}

// serviceOf is the unit as people name it.
func serviceOf(u Unit) string { return strings.TrimSuffix(u.Name, ".service") }

// Of a calm cluster the daemon writes its state once a minute.
const stateEvery = time.Minute

// leastStateBytes is what the state takes at most, written beside the old one.
const leastStateBytes = 2 << 20

func checkState(f Facts) []Finding {
	s := f.State
	age := f.At.Sub(s.PolledAt)
	patience := 3 * max(stateEvery, f.Configuration.Poll)
	elsewhere := s.LocalMember != 0 && f.View.Local != 0 && (s.LocalMember != f.View.Local || s.ClusterID != f.View.ClusterID)
	switch {
	case s.Problem != "":
		return []Finding{warning(s.Problem, "what was learnt is lost with a restart, and status can't tell what the daemon does", "see StateDirectory= of the unit; the directory has to be the daemon's, and readable for all")}
	case s.FreeBytes >= 0 && s.FreeBytes < leastStateBytes:
		return []Finding{critical(fmt.Sprintf("%s free for %s", cluster.FormatBytes(s.FreeBytes), s.Directory), "the daemon can't keep what it learns, and no pause can be written", "free some space on that disk")}
	case s.PolledAt.IsZero():
		return []Finding{warning("nothing is kept in "+s.Directory, "no daemon has run here, or it can't write there", "systemctl enable --now "+serviceOf(f.Unit)+"; its first entry says if nothing can be kept")}
	case age > patience:
		return []Finding{critical(fmt.Sprintf("the last poll that is kept in %s was %s ago", s.Directory, roughly(age)), "the daemon does not run, hangs, or can't write any more", "systemctl status etcd-watchdog; is the disk full?")}
	case elsewhere:
		return []Finding{warning(fmt.Sprintf("the daemon watches member %s, and doctor looked at member %s", s.LocalMember, f.View.Local), "the findings about the cluster are about another one than the daemon's", "give doctor the daemon's configuration and endpoint")}
	case s.Pause.Holds(f.At):
		return []Finding{warning(fmt.Sprintf("the watchdog of this host is paused until %s%s", s.Pause.Until.Format("2006-01-02 15:04:05 MST"), inBrackets(s.Pause.Reason)),
			"it works on nothing until then", "etcd-watchdog resume ends the pause")}
	default:
		return []Finding{fine(fmt.Sprintf("the last poll that is kept in %s was %s ago", s.Directory, roughly(max(0, age))))}
	}
}
