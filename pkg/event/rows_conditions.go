package event

import (
	"strings"
	"time"
)

// turnPatience is how long a watchdog waits for another without saying so: the
// length of a usual piece of work.
const turnPatience = 30 * time.Second

// What most conditions carry. Conditions of the whole cluster leave the member
// out.
var (
	ofCluster = facts(reason, detail, lasted)
	ofMember  = facts(member, ofCluster)
	ofFile    = facts(member, sizes, ofCluster)
)

// ofWhom names the member, if it is about one.
func ofWhom(e Event) string {
	if e.Member == 0 {
		return ""
	}
	return " of " + who(e)
}

// conditionRows: standing states. Their names are the reasons of the decisions
// that they explain.
var conditionRows = []Row{{
	Kind: NospaceArmed, Name: "nospace_armed", Level: Warning, ID: "dd316d6810f24e238b0e6d0653ad50db",
	Facts:    facts(alarm, ofCluster),
	sentence: func(Event) string { return "etcd refuses writes (NOSPACE alarm)" },
	Meaning:  "While the NOSPACE alarm of any member is listed, the whole cluster refuses everything that adds data. The watchdogs compact, defragment one member after the other, and disarm the alarm once every file is below its quota.",
	Remedy:   "Nothing is to be done as long as work on the members is reported. If it lasts and none is, look for the condition that says why. If it comes back soon after it was healed, something writes more than the quota holds.",
	hint:     "the watchdogs reclaim the space and then disarm it",
}, {
	Kind: CorruptArmed, Name: "corrupt_armed", Level: Err, ID: "d6067b0fbfa7495c890d4364f3375296",
	Facts:    facts(alarm, ofCluster),
	sentence: func(Event) string { return "etcd says that data are corrupt (CORRUPT alarm), so nothing is touched" },
	Meaning:  "A member holds other data than its peers. The watchdog does nothing at all to the cluster while this alarm is listed, and never disarms it.",
	Remedy:   "Find out which member differs (`etcdctl endpoint hashkv --cluster`), take a snapshot of a good one, remove the bad member with its data directory and add it anew, then disarm the alarm by hand. etcd's guide on data corruption has the details.",
	hint:     "find and replace the member that differs, then disarm by hand",
}, {
	Caused: true,
	Kind:   IdentityMismatch, Name: "identity_mismatch", Level: Err, ID: "5ce49dbd6ec34df3a1fb72682fc0821c",
	Facts: ofMember,
	sentence: func(e Event) string {
		return "Under the client URLs of " + who(e) + " somebody else answers, so this member is not touched"
	},
	Meaning: "The answer carried the id of another member or of another cluster. Work meant for one member would hit another, so none is done there.",
	Remedy:  "Compare the client URLs in `etcdctl member list` with the addresses of the hosts. URLs with localhost are right on one host only: set --advertise-client-urls to an address that every host can reach, and update the member.",
	hint:    "give every member a client URL that all hosts can reach",
}, {
	Kind: NotQuorate, Name: "not_quorate", Level: Err, ID: "22e9b05af7ad42fbbf2e2fa425a330fc",
	Facts: ofCluster,
	sentence: func(Event) string {
		return "The cluster has no quorum, nothing can be done to it"
	},
	Meaning: "Without a quorum etcd can neither write nor compact, and a defragmentation would take one more member away. The watchdog only observes.",
	Remedy:  "Start the members that are down, or mend the network between them. If more than half are lost for good, restore from a snapshot as etcd's guide on disaster recovery says.",
	hint:    "bring the missing members back",
}, {
	Caused: true,
	Kind:   MemberUnreachable, Name: "member_unreachable", Level: Warning, ID: "371ede9bfc804344a10f9225e3d6dfc7",
	Facts: ofMember,
	sentence: func(e Event) string {
		if e.Member == 0 {
			return "No member can be asked"
		}
		return capital(who(e)) + " does not answer"
	},
	Meaning: "The member did not answer its status in time. It may be down, cut off, or blocked by a defragmentation. While it is absent no voluntary work is done on the others.",
	Remedy:  "Look at etcd's own log on that host. If the member is gone for good, remove it (`etcdctl member remove`), so that the others can be looked after again.",
	hint:    "if it lasts, see the log of etcd on its host",
}, {
	Patience: turnPatience,
	Kind:     MemberCatchingUp, Name: "member_catching_up", Level: Info, ID: "1b0e539743da49c18dea325f60b42207",
	Facts:    ofMember,
	sentence: func(e Event) string { return capital(who(e)) + " is behind the others and is catching up" },
	Meaning:  "The member has not applied what the others have. Nothing is begun on any member until it has, for the cluster could lose its quorum.",
	Remedy:   "Nothing is to be done if it ends by itself. If it lasts, its disk or network is too slow for the writes.",
}, {
	Graded: true,
	Kind:   NearQuota, Name: "near_quota", Level: Warning, ID: "1c6e6316d13c42a4a390b9c7ad813c84",
	Facts:    ofFile,
	sentence: func(e Event) string { return "The database of " + who(e) + " comes near its quota" + file(e) },
	Meaning:  "The file has passed thresholds.warn-at. At the quota, etcd stops taking writes from everybody.",
	Remedy:   "If the size in use is far below the file, a defragmentation will give the rest back, and the watchdog does it when its rules allow. If it is not, find what fills the database, or raise --quota-backend-bytes on every member.",
	hint:     "if it does not shrink, find what fills it or raise the quota",
}, {
	Kind: LearnerFull, Name: "learner_full", Level: Err, ID: "498cb7a85e09466e9353b0c5a105768c",
	Facts: ofFile,
	sentence: func(e Event) string {
		return capital(who(e)) + " is a full learner and raises the alarm again and again" + file(e)
	},
	Meaning: "A learner cannot be defragmented while it runs, and as long as it is over its quota it re-raises NOSPACE a second after every disarm. So the alarm is left alone.",
	Remedy:  "Promote the learner (`etcdctl member promote`) or remove it. It can also be stopped, defragmented with `etcdutl defrag`, and started again.",
	hint:    "promote it or remove it",
}, {
	Kind: LiveDataTooLarge, Name: "live_data_too_large", Level: Err, ID: "9baa0b1360054bf9a126e1b524915e99",
	Facts: ofFile,
	sentence: func(e Event) string {
		return "The data of " + who(e) + " are too large for its quota" + file(e)
	},
	Meaning: "What is left after compaction and defragmentation still is too near to the quota. Doing it again would win nothing, so it is not done again.",
	Remedy:  "Delete what is not needed, or restart every member with a larger --quota-backend-bytes. The detail says how much is missing.",
	hint:    "delete keys or raise the quota",
}, {
	Kind: QuotaAssumed, Name: "quota_assumed", Level: Warning, ID: "8e79ba030d9b42baa6f7ac7a31cde1a4",
	Facts: ofFile,
	sentence: func(e Event) string {
		return "The quota of " + who(e) + " could not be learnt and is assumed" + file(e)
	},
	Meaning: "Neither the status nor /metrics of the member says what its quota is, and none is configured, so etcd's default of 2 GiB is assumed. It may be wrong either way; nothing urgent is decided from it alone.",
	Remedy:  "Make the member's /metrics reachable and name it in etcd.metrics-url, or set etcd.quota-backend-bytes to what etcd was started with.",
	hint:    "set etcd.metrics-url or etcd.quota-backend-bytes",
}, {
	Kind: QuotaDiffers, Name: "quota_differs", Level: Warning, ID: "f38b9b9b927e473db3cfb19890df86ca",
	Facts: facts(member, sizes, configuredBytes, ofCluster),
	sentence: func(e Event) string {
		return capital(who(e)) + " has another quota than etcd.quota-backend-bytes says, and its own is used" + file(e)
	},
	Meaning: "The member itself says another quota than the configuration of the watchdog. What the member says is used.",
	Remedy:  "Set etcd.quota-backend-bytes back to auto, or to the right size.",
	hint:    "correct etcd.quota-backend-bytes",
}, {
	Kind: CoolingDown, Name: "cooling_down", Level: Info, ID: "6d695c5c1dfe482fb4f9326157875aa3",
	Facts:    ofFile,
	sentence: func(e Event) string { return "No voluntary work on " + who(e) + " yet: it was worked on not long ago" },
	Meaning:  "The file has passed thresholds.defragment-at, but maintenance.cooldown since the last defragmentation of this member is not over.",
	Remedy:   "Nothing is to be done. An alarm, or a file above thresholds.urgent-at, does not wait.",
}, {
	Kind: OutsideWindow, Name: "outside_window", Level: Info, ID: "ab1cc8ab13dc43f19dc6724d2c003f85",
	Facts:    ofFile,
	sentence: func(e Event) string { return "Work on " + who(e) + " waits for a maintenance window" },
	Meaning:  "The work would pay, and none of maintenance.windows is open.",
	Remedy:   "Nothing is to be done. An alarm, or a file above thresholds.urgent-at, does not wait.",
}, {
	Kind: StallBudget, Name: "stall_budget", Level: Info, ID: "b277710fb33040a1936672de1c575504",
	Facts: ofFile,
	sentence: func(e Event) string {
		return "Work on " + who(e) + " would block it for longer than maintenance.stall-budget allows"
	},
	Meaning: "A defragmentation blocks its member as long as it runs. This one is predicted to take longer than voluntary work may.",
	Remedy:  "Configure maintenance.windows in which longer work is welcome, or raise maintenance.stall-budget. Otherwise it is done when the file passes thresholds.urgent-at.",
}, {
	Graded: true,
	Kind:   NothingToReclaim, Name: "nothing_to_reclaim", Level: Info, ID: "aae336ee478a4291aa612b55cd785845",
	Facts:    ofFile,
	sentence: func(e Event) string { return "A defragmentation of " + who(e) + " would win too little" + file(e) },
	Meaning:  "The file is large because the data are, not because of free pages. Work on it would block the member and give back less than maintenance.min-reclaim.",
	Remedy:   "Delete what is not needed, or restart every member with a larger --quota-backend-bytes, before the quota is reached.",
}, {
	Graded: true,
	Kind:   QuotaInSight, Name: "quota_in_sight", Level: Warning, ID: "143cbcfe9da6139c48f668bef4625783",
	Facts:    ofFile,
	sentence: func(e Event) string { return "The quota of " + who(e) + " is in sight" + file(e) },
	Meaning:  "What is in use has grown steadily, not only between two compactions. If it goes on, the file is at its quota within a day, and neither compaction nor defragmentation will help then: it is live data that grows.",
	Remedy:   "Find out what grows, delete what is not needed, or raise --quota-backend-bytes on every member, one after the other.",
	hint:     "find what grows, or raise the quota",
}, {
	Kind: VersionGuard, Name: "version_guard", Level: Warning, ID: "9ee774052c5b6e8a71efb916b5ac6c70",
	Facts:    ofMember,
	sentence: func(e Event) string { return "Careful with the server version" + ofWhom(e) },
	Meaning:  "The member runs a version of etcd with a known fault that bears on maintenance, or the members are on their way from one version to another. Voluntary work waits where the fault or the change could do harm; under NOSPACE the work is done all the same, and its entries name the risk.",
	Remedy:   "Finish the upgrade or downgrade, or upgrade to the latest release of the server line.",
	hint:     "upgrade etcd",
}, {
	Kind: DiskTooSmall, Name: "disk_too_small", Level: Err, ID: "95b561ac1ae916e37401197e4b8af6e2",
	Facts:    ofFile,
	sentence: func(e Event) string { return "The disk of " + who(e) + " has no room for a defragmentation" + file(e) },
	Meaning:  "A defragmentation writes what is in use into a new file beside the old one. If the disk fills up meanwhile, the server may crash, so none is begun.",
	Remedy:   "Free some space on the file system of etcd.data-dir, or move the data directory to a larger one.",
	hint:     "free some space there",
}, {
	Patience: turnPatience, // the file of one that runs is no leftover
	Kind:     StaleFiles, Name: "stale_files", Level: Warning, ID: "0faf05f7f714c0a26e6e1390fc41c6cb",
	Facts:    ofMember,
	sentence: func(e Event) string { return "Defragmentations that were cut short have left files behind" + ofWhom(e) },
	Meaning:  "A server that dies during a defragmentation leaves its db.tmp.* file in the data directory. It takes space and is never used again.",
	Remedy:   "Make sure that no defragmentation is running, then delete the files that the entry names. The watchdog deletes nothing.",
	hint:     "delete them while no defragmentation is running",
}, {
	Kind: Observing, Name: "observing", Level: Notice, ID: "4958b74aca45ca74448d1d83d8e37fb2",
	Facts:    ofMember,
	sentence: func(e Event) string { return "Only observes" },
	Meaning:  "With maintenance.mode: observe nothing is ever done. The detail says what would be.",
	Remedy:   "Nothing is to be done, or set maintenance.mode: heal.",
}, {
	Kind: Paused, Name: "paused", Level: Notice, ID: "460a2000d1034e03a7a90c9e7097f251",
	Facts:    ofCluster,
	sentence: func(e Event) string { return "Works on nothing, as somebody on this host has asked" },
	Meaning:  "`etcd-watchdog pause` was given on this host. Its watchdog keeps watching and reporting, gives its tickets up, and begins no work until the pause ends by itself or is ended. The other watchdogs continue, and work on this host's member too.",
	Remedy:   "Nothing is to be done. To end it now: `etcd-watchdog resume` on this host.",
}, {
	Patience: turnPatience,
	Kind:     WaitingForClaim, Name: "waiting_for_claim", Level: Info, ID: "e5ef9ed23b924feaa5fc2e23c0073fb9",
	Facts: facts(claimHolder, ofMember),
	sentence: func(e Event) string {
		if e.Holder == "" || e.Detail != "" {
			return "Waits for the claim"
		}
		return "Waits for the claim, which " + e.Holder + " holds"
	},
	Meaning: "Another watchdog works on a member, or this one has no permit yet. The detail says which, and when it ends by itself.",
	Remedy:  "No action needed. If it lasts, look at the journal of the holder.",
}, {
	Patience: turnPatience,
	Kind:     AnotherMembersTurn, Name: "another_members_turn", Level: Info, ID: "b1d1120621d142d4a797aa918970cae9",
	Facts:    ofMember,
	sentence: func(e Event) string { return "It is the turn of another member before this one" },
	Meaning:  "Several members need work, and one is worked on at a time, the leader last.",
	Remedy:   "No action needed. A member that makes no progress within maintenance.adopt-after is worked on by another watchdog.",
}, {
	Patience: turnPatience,
	Kind:     WaitingForCompaction, Name: "waiting_for_compaction", Level: Info, ID: "bed09397f50643ff815c0c547cb576ce",
	Facts:    ofMember,
	sentence: func(e Event) string { return "Work on " + who(e) + " waits for a compaction to end" },
	Meaning:  "A compaction through the member is in progress. Its defragmentation would copy the pages that are about to be freed.",
	Remedy:   "No action needed. If it lasts, look for a slow disk or a blocked log on that member.",
}, {
	Kind: ForeignTickets, Name: "foreign_tickets", Level: Warning, ID: "e4d3a8b0517f44e095334c31a4970a54",
	Facts:    facts(detail, lasted),
	sentence: func(Event) string { return "Keys under the claim's prefix look like tickets and are none" },
	Meaning:  "A ticket counts only if it is on the lease in its name and its member votes. Copies made by mirroring or by a restore have no lease, so they never end. They are ignored.",
	Remedy:   "Delete the keys with the command in the entry.",
	hint:     "they are ignored; delete them",
}, {
	Kind: DefragmentationUnknown, Name: "defragmentation_unknown", Level: Warning, ID: "f022fc7d1ac44d5eb01d357b821d83d3",
	Facts: ofMember,
	sentence: func(e Event) string {
		return "Whether the defragmentation of " + who(e) + " has ended is not known, and no member is touched until it is"
	},
	Meaning: "The request was sent and no answer came. The server goes on with it all the same, so it may be running. A second one at the same time could cost the quorum.",
	Remedy:  "Nothing is to be done if it ends by itself. If the member stays away, look at etcd's log on that host; a member that was removed from the member list is not waited for.",
	hint:    "if it lasts, see the log of etcd on its host",
}, {
	Graded: true,
	Kind:   CertificateExpiring, Name: "certificate_expiring", Level: Warning, ID: "cafaa14e827f424e833da207944fa9d5",
	Facts: facts(member, left, detail, lasted),
	sentence: func(e Event) string {
		subject := "A certificate of this watchdog"
		if e.Member != 0 {
			subject = "The certificate" + ofWhom(e)
		}
		if e.Left <= 0 {
			return subject + " has expired"
		}
		return subject + " expires in " + length(e.Left)
	},
	Meaning: "A certificate that connections rest on, or an authority behind it, ends within 30 days. It is reported again 7 days before the end and when it has expired. After that, new connections fail: of a member's certificate to that member, of the watchdog's own certificate or authority to all members.",
	Remedy:  "Renew what the detail names. etcd and etcd-watchdog read renewed files by themselves, for each new connection. A copy that LoadCredential= made needs a restart of the watchdog.",
	hint:    "renew it",
}, {
	Kind: ConditionEnded, Name: "condition_ended", Level: Info, ID: "027c2568192d44cdb283126a80c066a8",
	Facts: facts(condition, member, lasted),
	sentence: func(e Event) string {
		name := strings.TrimSpace("Condition " + e.Condition)
		if e.Member != 0 {
			name += " of " + who(e)
		}
		return name + " has ended after " + length(e.Took)
	},
	Meaning: "A condition that was reported before does not stand any more.",
	Remedy:  "Nothing is to be done.",
}}

// file tells the figures of a member's file behind a sentence, if there are any.
func file(e Event) string {
	if e.SizeBytes == 0 {
		return ""
	}
	return ", " + usage(e)
}
