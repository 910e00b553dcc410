package event

import "fmt"

// processRows: the life of the process, and its reports.
var processRows = []Row{{
	Kind: Started, Name: "started", Level: Info, ID: "0f6ae0e73150435299286b01a056f7e6",
	Facts: facts(version, endpoint, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("The watchdog has started (version %s, member at %s)", e.Version, e.Endpoint)
	},
	Meaning: "The daemon has started, its configuration is valid, and it begins to look at the cluster.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: Stopping, Name: "stopping", Level: Info, ID: "7181769a4c3b40b882e581bbf8c42877",
	Facts:    facts(detail),
	sentence: func(Event) string { return "The watchdog stops" },
	Meaning:  "The daemon was asked to stop. Work that etcd has begun is waited for; no new work is begun.",
	Remedy:   "Nothing is to be done. While it is stopped, a member that fills up is looked after by the watchdogs of the other hosts, if there are any.",
}, {
	Kind: Reloaded, Name: "reloaded", Level: Info, ID: "f58100c220134d7d91777c94bdbfb8a9",
	Facts:    facts(endpoint, detail),
	sentence: func(Event) string { return "The configuration was reloaded" },
	Meaning:  "The configuration file was read again and is in force, and with it the password and the certificates that it names. The detail names the keys that have changed. Tickets, claim, cooldowns and forecasts are kept.",
	Remedy:   "Nothing is to be done.",
}, {
	Kind: ReloadFailed, Name: "reload_failed", Level: Err, ID: "1a9eff8eb1bc479ab80862d18aa5d2cf",
	Facts:    facts(errorText),
	sentence: func(Event) string { return "The configuration was not reloaded, the earlier one stays in force" },
	Meaning:  "The configuration file as it stands now has faults, or names a file that cannot be read, or changes a key that only a restart can change. The watchdog goes on with what was in force before. If it is restarted with this file, it may not start.",
	Remedy:   "Correct what the error names (`etcd-watchdog check-config FILE` shows every fault of the file), and reload again; or restart the watchdog, if that is what the error asks for.",
}, {
	Kind: PollFailed, Name: "poll_failed", Level: Warning, ID: "8afe6462e6e642e4838b79cf82702bc2",
	Facts:    facts(errorText),
	sentence: func(Event) string { return "A poll failed, the next one follows" },
	Meaning:  "One round of looking, deciding and acting ended early. Nothing is left half done that the next round could not take up.",
	Remedy:   "If it happens once, nothing is to be done. If it goes on, follow the error: most often the endpoint is wrong, etcd is not running, or a certificate or the user's rights do not fit.",
}, {
	Kind: RightsMissing, Name: "rights_missing", Level: Err, ID: "f29f4803bb874511cbe5f93dcf4ae09a",
	Facts:    facts(errorText),
	sentence: func(Event) string { return "etcd will refuse the work of this watchdog" },
	Meaning:  "Authentication is on in etcd, and the user of this watchdog does not have the role root. Defragmentation needs it on every version; compaction, disarming and moving the leadership on current ones.",
	Remedy:   "Grant the role (`etcdctl user grant-role USER root`), or set etcd.user and etcd.password-file to a user that has it, and reload the watchdog (`systemctl reload etcd-watchdog`).",
}, {
	Kind: Polled, Name: "polled", Level: Debug, ID: "94c459d3567245b0b5173f9c75c3da7e",
	Facts:    facts(member, sizes, reason, took, detail),
	sentence: func(e Event) string { return "Looked at the cluster" + because(e) },
	Meaning:  "One round of looking and deciding. The reason says why nothing had to be done, or what was.",
	Remedy:   "Nothing is to be done. These entries are written only with log.level debug.",
}, {
	Kind: EventsDropped, Name: "events_dropped", Level: Warning, ID: "884b02d749ca43d9a94a4a50dcab51c6",
	Facts:    facts(dropped),
	sentence: func(e Event) string { return fmt.Sprintf("%d entries could not be written and are lost", e.Dropped) },
	Meaning:  "The journal, or whatever reads the standard error, did not take entries for a while. The watchdog does not wait for it: it went on working, and dropped what did not fit into its queue.",
	Remedy:   "Look at what the host did at that time: a full disk or a stopped systemd-journald is the usual cause. The cluster itself is not affected.",
	hint:     "see what stopped the journal",
}, {
	Kind: EventsLeftOut, Name: "events_left_out", Level: Warning, ID: "86128ff73d2044f39054b6d657dbca42",
	Facts: facts(dropped, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("%d entries were left out, so as not to flood the log", e.Dropped)
	},
	Meaning: "The same thing happened so often that not every occurrence was written. The detail names the events and how many of each were left out. The watchdog itself was not slowed down by it.",
	Remedy:  "Read the entries of those events that were written: what they ask for is what is to be done.",
	hint:    "read those that were written",
}, {
	Kind: MetricsFailed, Name: "metrics_failed", Level: Warning, ID: "fd85c408434a437a9234f5ef69e5789c",
	Facts:    facts(errorText),
	sentence: func(Event) string { return "Metrics are not available; will retry within a minute" },
	Meaning:  "The address of metrics.listen could not be opened, or the file of metrics.textfile could not be written. The watchdog itself works on as before.",
	Remedy:   "Follow the error: most often another program listens at that address, or the user of the watchdog may not write into that directory (examples/node-exporter.conf gives it the right).",
}}
