package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

func checkConfiguration(f Facts) []Finding {
	c := f.Configuration
	var all []Finding
	for _, fault := range c.Faults {
		if c.Unreadable {
			all = append(all, unknown(fault, "what holds for the daemon can't be known", "run doctor as root (sudo)"))
			continue
		}
		all = append(all, critical(fault, "the daemon does not start with this configuration, and a running one keeps the old",
			"correct it; etcd-watchdog check-config "+c.File+" tells whether faults are left"))
	}
	switch {
	case all != nil:
	case !c.Exists:
		all = append(all, fine(fmt.Sprintf("there is no %s: the defaults hold", c.File)))
	case c.Observe:
		all = append(all, warning(c.File+" has no faults; maintenance.mode is observe",
			"the watchdog of this host reports what it would do, and does nothing", "set maintenance.mode to heal, unless that is what you want"))
	default:
		all = append(all, fine(c.File+" has no faults"))
	}
	return all
}

func checkEndpoint(f Facts) []Finding {
	e, v := f.Endpoint, f.View
	if len(f.Configuration.Faults) > 0 {
		return []Finding{unknown("not asked, since the configuration has faults", "where etcd is can't be known", "correct the configuration")}
	}
	if v.Problem != "" {
		return []Finding{unknown(v.Problem, "nothing can be said about the cluster, and the watchdog of this host can do nothing for it",
			"see to it that "+e.URL+" is the client URL of the member on this host, that etcd runs there, and that the TLS settings and the user are right")}
	}
	local, _ := v.Member(v.Local)
	switch {
	case local.Contact != cluster.Answered:
		return []Finding{critical(fmt.Sprintf("%s, at %s: %s", nameOf(local), e.URL, local.Problem),
			"the watchdog of this host does nothing while its own member does not answer", "start etcd on this host, or correct etcd.endpoint").of(local.ID)}
	case e.Problem != "":
		return []Finding{unknown(fmt.Sprintf("%s answers at %s; whether that is this host can't be said: %s", nameOf(local), e.URL, e.Problem),
			"each watchdog has to look after the member on its own host", "see to it that the name in etcd.endpoint can be resolved here").of(local.ID)}
	case !e.OnHost:
		return []Finding{warning(fmt.Sprintf("%s answers at %s, which leads to %s and not to this host", nameOf(local), e.URL, e.LeadsTo),
			"each watchdog looks after the member at its endpoint: this host's own member may be watched by nobody, and the disk that is looked at is another one's",
			"set etcd.endpoint to the client URL of the member on this host").of(local.ID)}
	default:
		return []Finding{fine(fmt.Sprintf("%s answers at %s, on this host", nameOf(local), e.URL)).of(local.ID)}
	}
}

func checkMembers(f Facts) []Finding {
	v := f.View
	if len(v.Members) == 0 {
		return unasked()
	}
	var all []Finding
	if v.Leader() == 0 {
		all = append(all, critical("no leader on which more than half of the voters agree", "without a quorum etcd accepts no writes, and nothing can be compacted, defragmented or disarmed",
			"start the members that are down; etcdctl endpoint status --cluster shows them"))
	}
	for _, m := range v.Members {
		switch m.Contact {
		case cluster.Silent:
			all = append(all, warning(fmt.Sprintf("%s does not answer: %s", nameOf(m), m.Problem),
				"no other member is defragmented while one does not answer, unless the cluster refuses writes",
				"start it, or make its client URL reachable from this host; if it is gone for good: etcdctl member remove "+m.ID.String()).of(m.ID))
		case cluster.Mismatched:
			all = append(all, critical(fmt.Sprintf("%s is not who answers for it: %s", nameOf(m), m.Problem),
				"a member is touched only where its answers carry its own id, so this one never is, and no other one is defragmented",
				"have every member advertise a client URL that leads to it from every host (etcd's advertise-client-urls)").of(m.ID))
		}
	}
	if all == nil {
		learners := len(v.Members) - len(v.Voters())
		said := fmt.Sprintf("all answer, as themselves: %s", counted(len(v.Voters()), "voter"))
		if learners > 0 {
			said += " and " + counted(learners, "learner")
		}
		all = append(all, fine(said))
	}
	return all
}

func checkAlarms(f Facts) []Finding {
	if len(f.View.Members) == 0 {
		return unasked()
	}
	var all []Finding
	for _, a := range f.View.Alarms {
		said := fmt.Sprintf("%s is listed for member %s", a.Kind, a.Member)
		switch a.Kind {
		case cluster.AlarmNoSpace:
			all = append(all, critical(said, "the cluster refuses writes; the watchdogs compact, defragment and disarm",
				"etcd-watchdog plan says what is done and what it waits for; docs/runbook.md, nospace_armed").of(a.Member))
		case cluster.AlarmCorrupt:
			all = append(all, critical(said, "the members' data differ; no watchdog touches the cluster while this is listed",
				"find the member that is wrong and replace it; docs/runbook.md, corrupt_armed").of(a.Member))
		default:
			all = append(all, warning(said, "an alarm that this version does not know, and never touches", "see etcdctl alarm list, and the documentation of your etcd").of(a.Member))
		}
	}
	if all == nil {
		all = append(all, fine("none is listed"))
	}
	return all
}

func checkRights(f Facts) []Finding {
	r := f.Rights
	const why = "with authentication on, etcd lets only users with the role root defragment, and on current versions also compact, disarm and move the leadership"
	switch {
	case len(f.Configuration.Faults) > 0:
		return []Finding{unknown("not asked, since the configuration has faults", why, "correct the configuration")}
	case r.Missing != "":
		return []Finding{critical(r.Missing, why, "give the watchdog a user with the role root: etcdctl user grant-role USER root, then etcd.user and etcd.password-file, or a client certificate of that name")}
	case r.Problem != "":
		return []Finding{unknown("not found out: "+r.Problem, why, "see to it that the cluster has a quorum, and run doctor again")}
	case f.Configuration.User != "":
		return []Finding{fine(fmt.Sprintf("user %q may do all that is needed (or authentication is off)", f.Configuration.User))}
	default:
		return []Finding{fine("all that is needed may be done: authentication is off, or the client certificate names a user with the role root")}
	}
}

// largeQuota is from where on etcd warns of a quota.
const largeQuota = 8 << 30

func checkQuota(f Facts) []Finding {
	answered := answering(f.View)
	if len(answered) == 0 {
		return unasked()
	}
	var all []Finding
	sizes := map[int64]bool{}
	for _, m := range answered {
		sizes[m.Quota.Bytes] = true
		if q := quotaOf(m); q.Finding != "" {
			all = append(all, q)
		}
	}
	if len(sizes) > 1 {
		var each []string
		for _, m := range answered {
			each = append(each, fmt.Sprintf("%s %s", nameOf(m), quotaWords(m.Quota)))
		}
		return append(all, warning("the members have different quotas: "+strings.Join(each, ", "),
			"the member with the smallest one stops the whole cluster", "give every member the same quota-backend-bytes and restart them one after the other"))
	}
	return append(all, fine(fmt.Sprintf("%s on every member", quotaWords(answered[0].Quota))))
}

func quotaOf(m cluster.Member) Finding {
	q := m.Quota
	switch {
	case q.Conflict():
		return warning(fmt.Sprintf("%s says that its quota is %s, etcd.quota-backend-bytes says %s", nameOf(m), sizeWords(q.Bytes), sizeWords(q.ConfiguredBytes)),
			"the member is right, and its word counts", "correct etcd.quota-backend-bytes, or set it to auto").of(m.ID)
	case !q.Trusted():
		return warning(fmt.Sprintf("the quota of %s is not known; etcd's default of %s is assumed", nameOf(m), sizeWords(q.Bytes)),
			"a file is never urgent by a quota that is only assumed, and thresholds may be far off",
			"let this host read the member's /metrics, or set etcd.quota-backend-bytes").of(m.ID)
	case q.Unlimited():
		return better(nameOf(m)+" has no quota", "the file grows until the disk is full, which is worse than NOSPACE", "set a quota-backend-bytes that fits on the disk").of(m.ID)
	case q.Bytes > largeQuota:
		return better(fmt.Sprintf("the quota of %s is %s", nameOf(m), sizeWords(q.Bytes)), "etcd advises 8 GiB at most: restarts, snapshots and defragmentations of larger files take long", "see with etcd-watchdog keys what fills it, if that much is not needed").of(m.ID)
	}
	return fine("")
}

func quotaWords(q cluster.Quota) string { return sizeWords(q.Bytes) + " (" + q.Source.String() + ")" }

func sizeWords(n int64) string {
	if n < 0 {
		return "no limit"
	}
	return cluster.FormatBytes(n)
}

func answering(v cluster.View) []cluster.Member {
	return slices.DeleteFunc(slices.Clone(v.Members), func(m cluster.Member) bool { return m.Contact != cluster.Answered })
}

func checkVersions(f Facts) []Finding {
	answered := answering(f.View)
	if len(answered) == 0 {
		return unasked()
	}
	var all []Finding
	var versions, lines []string
	for _, m := range answered {
		versions, lines = append(versions, m.Version), append(lines, policy.MinorOf(m.Version))
		for _, fault := range policy.KnownFaults(m.Version) {
			meaning := "the watchdog works around it, as far as that can be done"
			if fault.Refuses {
				meaning = "no voluntary defragmentation is done to this member; under NOSPACE it is, with that risk"
			}
			all = append(all, warning(fmt.Sprintf("%s runs etcd %s: %s", nameOf(m), m.Version, fault.What), meaning, "upgrade it to the newest release of its line").of(m.ID))
		}
	}
	slices.Sort(versions)
	slices.Sort(lines)
	versions, lines = slices.Compact(versions), slices.Compact(lines)
	if len(lines) > 1 {
		all = append(all, warning("the members run different versions: "+strings.Join(versions, ", "),
			"as during an upgrade; voluntary work waits until that is done", "bring every member to the same minor version"))
	}
	if lines[0] == "3.4" {
		all = append(all, warning("etcd 3.4 is past its end of life", "faults that are found now are not mended in it any more", "upgrade to 3.5, then to 3.6"))
	}
	if all == nil {
		all = append(all, fine("etcd "+strings.Join(versions, ", ")+": no fault is known that bears on maintenance"))
	}
	return all
}

func checkWatched(f Facts) []Finding {
	switch {
	case len(f.View.Members) == 0:
		return unasked()
	case f.Tickets.Problem != "":
		return []Finding{unknown("not found out: "+f.Tickets.Problem, "who watches is told by the tickets in etcd", "see to it that the cluster has a quorum, and run doctor again")}
	}
	var all []Finding
	for _, m := range f.View.Voters() {
		if !slices.ContainsFunc(f.Tickets.Books, func(b Book) bool { return b.Member == m.ID && b.Whole+b.Busy > 0 }) {
			all = append(all, warning(nameOf(m)+" is watched by nobody: there is no ticket for it",
				"another host's watchdog adopts it when it needs work, later than its own would, and sees nothing of its disk",
				"on its host: systemctl enable --now etcd-watchdog, and journalctl -t etcd-watchdog if it runs already (one that only observes puts no tickets)").of(m.ID))
		}
	}
	if all == nil {
		all = append(all, fine(fmt.Sprintf("somebody watches each of the %s", counted(len(f.View.Voters()), "voter"))))
	}
	return all
}
