package doctor

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func checkTickets(f Facts) []Finding {
	t := f.Tickets
	switch {
	case len(f.View.Members) == 0:
		return unasked()
	case t.Problem != "":
		return []Finding{unknown("not read: "+t.Problem, "who holds the claim is told by the tickets in etcd", "see to it that the cluster has a quorum and the user the role root, and run doctor again")}
	}
	var all []Finding
	for _, b := range t.Books {
		all = append(all, ofBook(f, b)...)
	}
	all = append(all, ofBooks(f)...)
	if n := len(t.Ignored); n > 0 {
		are := "is no ticket any more"
		if n > 1 {
			are = "are no tickets any more"
		}
		all = append(all, warning(fmt.Sprintf("%s that %s: %s", counted(n, "key"), are, t.Ignored[0]), "they are copies, as mirroring or a restore leaves them, without the lease that their name says; no watchdog counts them, and they never end by themselves", "etcdctl del "+t.Ignored[0]+", and the others like it"))
	}
	if n := len(t.Foreign); n > 0 {
		all = append(all, warning(fmt.Sprintf("%s below %s that no watchdog writes: %s", counted(n, "key"), t.Prefix, t.Foreign[0]), "the watchdogs never touch them, and read them each time", "find out who writes there; claim.prefix has to be the watchdogs' alone"))
	}
	if worst(all) == OK {
		all = append(all, fine(fmt.Sprintf("%s below %s", counted(len(t.Books), "book"), t.Prefix)))
	}
	return all
}

// ofBook judges one book.
func ofBook(f Facts, b Book) []Finding {
	var all []Finding
	if b.Busy > 0 {
		renewed := ""
		if b.GrantedTTL > 0 {
			renewed = fmt.Sprintf("; its lease was renewed %s ago", counted(int(b.RenewedSeconds), "second"))
		}
		all = append(all, better(holder(b)+" holds the claim, or left it in doubt"+renewed, "it works on a member, or settles what an earlier process began; nobody else works meanwhile. Since when, etcd does not tell",
			"journalctl -t etcd-watchdog on that host tells what it does, and since when").of(b.Member))
	}
	if b.Future > 0 {
		all = append(all, warning(fmt.Sprintf("%s of member %s are of a form that this version does not know", counted(b.Future, "ticket"), b.Member), "they count all the same; their host runs another version of etcd-watchdog", "run the same version on every host").of(b.Member))
	}
	if b.GrantedTTL > 0 && b.GrantedTTL != f.Configuration.TTL {
		all = append(all, warning(fmt.Sprintf("the lease of %s lasts %s, claim.ttl is %s here", holder(b), b.GrantedTTL, f.Configuration.TTL), "each host keeps to its own; a dead holder of a long one is waited for as long", "set claim.ttl to the same on every host, and restart the watchdogs").of(b.Member))
	}
	return all
}

// ofBooks judges all of them together.
func ofBooks(f Facts) []Finding {
	var all []Finding
	var versions []string
	books := map[string]int{}
	for _, b := range f.Tickets.Books {
		if b.Whole+b.Busy == 0 {
			continue
		}
		if b.Version != "" {
			versions = append(versions, b.Version)
		}
		books[b.Member.String()]++
	}
	slices.Sort(versions)
	if versions = slices.Compact(versions); len(versions) > 1 {
		all = append(all, better("the hosts run different versions of etcd-watchdog: "+strings.Join(versions, ", "), "they work together as well as the oldest of them can", "run the same version on every host"))
	}
	for _, m := range f.View.Members {
		if n := books[m.ID.String()]; n > 1 {
			all = append(all, better(fmt.Sprintf("%s has %d books", nameOf(m), n), "two watchdogs watch it, or one was restarted and its old tickets have not ended yet", "if this lasts, see that only one runs for each member").of(m.ID))
		}
	}
	return all
}

func holder(b Book) string {
	if b.Host == "" {
		return "the watchdog of member " + b.Member.String()
	}
	return fmt.Sprintf("%s (process %d, version %s), the watchdog of member %s", b.Host, b.ProcessID, b.Version, b.Member)
}

func worst(findings []Finding) Severity {
	w := OK
	for _, f := range findings {
		w = max(w, f.Severity)
	}
	return w
}

// backups are words that the names and commands of jobs have that may take a
// snapshot of etcd. It is a guess, and meant to be: a person knows better, once
// asked.
var backups = []string{"backup", "snapshot", "wal-g", "etcd", "velero", "restic", "borg"}

func looksLikeBackup(job Job) bool {
	text := strings.ToLower(job.Text)
	return !strings.Contains(text, "etcd-watchdog") && slices.ContainsFunc(backups, func(word string) bool { return strings.Contains(text, word) })
}

// beforehand is how long before a window a backup may begin and still run in it.
const beforehand = time.Hour

func checkWindows(f Facts) []Finding {
	const meaning = "a snapshot that is taken holds up a defragmentation of the same member for its whole length, and the member answers nothing meanwhile"
	j, windows := f.Jobs, f.Configuration.Windows
	var all []Finding
	for _, job := range j.Seen {
		if !looksLikeBackup(job) {
			continue
		}
		at, meets := firstMeeting(job.Starts, windows)
		switch {
		case len(windows) == 0:
			all = append(all, better(fmt.Sprintf("no windows are configured, and %s may be a backup of etcd", job.Name), meaning, "if it is: configure maintenance.windows that keep clear of it"))
		case meets:
			all = append(all, warning(fmt.Sprintf("%s may be a backup of etcd, and starts in a window, or within an hour before: next %s", job.Name, at.Format("Mon 15:04 MST")), meaning, "if it is: move the backup or the window"))
		}
	}
	switch {
	case j.Problem != "":
		all = append(all, unknown("not all timers and cron entries were read: "+j.Problem, meaning, "run doctor as root on the host itself; backups that other hosts start can't be seen from here"))
	case all == nil && len(windows) == 0:
		all = append(all, fine("no windows are configured, and nothing on this host looks like a backup of etcd; what other hosts start can't be seen"))
	case all == nil:
		all = append(all, fine("nothing on this host looks like a backup of etcd in a window; what other hosts start can't be seen"))
	}
	return all
}

// firstMeeting returns the first start after which the job may run in a window.
func firstMeeting(starts []time.Time, windows []policy.Window) (time.Time, bool) {
	for _, at := range starts {
		for _, w := range windows {
			if w.Open(at) || w.Open(at.Add(beforehand)) {
				return at, true
			}
		}
	}
	return time.Time{}, false
}
