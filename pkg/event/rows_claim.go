package event

import "fmt"

// claimRows: the right to work on a member.
var claimRows = []Row{{
	Kind: Enrolled, Name: "enrolled", Level: Info, ID: "a5e8bcfac1a046c5bc62031bbb18704e",
	Facts:    facts(member, tickets, detail),
	sentence: func(e Event) string { return fmt.Sprintf("Holds %d tickets for the claim", e.Tickets) },
	Meaning:  "The watchdog has put tickets into etcd. With them it can take the claim also while etcd refuses writes.",
	Remedy:   "Nothing is to be done.",
}, {
	Kind: Resumed, Name: "resumed", Level: Info, ID: "45680d489163489ca8cc1c4b429ed5de",
	Facts: facts(member, tickets, detail),
	sentence: func(e Event) string {
		return fmt.Sprintf("Goes on with the %d tickets of the process before it", e.Tickets)
	},
	Meaning: "After a restart the watchdog uses the lease and the tickets that the earlier process on this host left, as it must while etcd refuses to grant new ones.",
	Remedy:  "Nothing is to be done.",
}, {
	Kind: EnrolFailed, Name: "enrol_failed", Level: Warning, ID: "206f52dce01547aa850f66b923d7ad47",
	Facts:    facts(member, errorText),
	sentence: func(Event) string { return "Could not put tickets for the claim into etcd, will try again" },
	Meaning:  "Without tickets this watchdog cannot take the claim. If the cluster fills up now, the watchdogs that have tickets do the work. If no watchdog has any, the one next to the leader does it.",
	Remedy:   "While etcd refuses writes nothing is to be done: it is tried again as soon as they are accepted. Otherwise follow the error; most often the user lacks the root role.",
}, {
	Kind: ClaimTaken, Name: "claim_taken", Level: Info, ID: "d01afd62b96a4607be39cf3b65b813f4",
	Facts:    facts(job, member, reason),
	sentence: func(e Event) string { return "Took the claim to work on " + who(e) },
	Meaning:  "From here on no other watchdog begins work on any member, until the claim is given back.",
	Remedy:   "Nothing is to be done.",
}, {
	Kind: ClaimGivenBack, Name: "claim_given_back", Level: Info, ID: "b70f95f427b24de58326b013139340d0",
	Facts:    facts(job, took),
	sentence: func(e Event) string { return "Gave the claim back after " + length(e.Took) },
	Meaning:  "The work under the claim is over; another watchdog may take it.",
	Remedy:   "Nothing is to be done.",
}, {
	Kind: ClaimLost, Name: "claim_lost", Level: Warning, ID: "c94ca4581bae4a4199e603fe89243bda",
	Facts: facts(job, member, errorText),
	sentence: func(e Event) string {
		return "Lost the claim during the work on " + who(e) + ", no further step is begun"
	},
	Meaning: "The lease under the claim could not be renewed in time, so another watchdog may hold the claim now. What is left of the work is decided anew.",
	Remedy:  "If it happens once, nothing is to be done. If it goes on, the leader stalls for longer than claim.ttl allows: look for a slow disk, or raise claim.ttl.",
}, {
	Kind: TicketInDoubt, Name: "ticket_in_doubt", Level: Warning, ID: "ed89e13dbf0646eab77542585ba6868f",
	Facts: facts(job, member),
	sentence: func(Event) string {
		return "Holds the claim without remembering why, observes until that is settled, then gives it back"
	},
	Meaning: "A ticket of this watchdog is busy, most often because it was restarted in the middle of work. A defragmentation may still be running, so the claim is kept and nothing is begun.",
	Remedy:  "Nothing is to be done if it ends by itself. If it does not, the member that was worked on does not answer: look at etcd's log there.",
	hint:    "if it lasts, see the log of etcd on that host",
}, {
	Kind: LastTicket, Name: "last_ticket", Level: Warning, ID: "2af147c439d74fc79876715600f1ac8b",
	Facts: facts(member),
	sentence: func(e Event) string {
		return "The watchdog of " + who(e) + " has used its last ticket while etcd refuses writes"
	},
	Meaning: "New tickets can be put only once etcd accepts writes. Watchdogs that still have tickets continue. When no watchdog has any, the one next to the leader works under the leader's term.",
	Remedy:  "No action needed if the cluster is healed. If it is not, follow the failures that used the tickets up: each has an entry.",
	hint:    "the watchdogs that still have tickets continue, or else the one next to the leader",
}, {
	Kind: TicketsGivenUp, Name: "tickets_given_up", Level: Info, ID: "b2c29d6722314803ad7ed1d204b4cb15",
	Facts:    facts(member, detail),
	sentence: func(e Event) string { return "The watchdog of " + who(e) + " gives its tickets up" },
	Meaning:  "Other watchdogs wait for one that holds tickets. One that cannot work gives them up, and puts new ones when it can work again and etcd accepts writes.",
	Remedy:   "No action needed if the detail names a pause or a member that is being replaced. Otherwise look at that member.",
}, {
	Kind: WithoutClaim, Name: "without_claim", Level: Notice, ID: "d73b964d508c4bc4be7b872c0eaa2400",
	Facts:    facts(job, member, reason, detail),
	sentence: func(e Event) string { return "Works on " + who(e) + " without a claim" },
	Meaning:  "The cluster has one voter only; or etcd refused writes before any watchdog could put tickets there, and the watchdog next to the leader works under the leader's term; or the operator started heal with --alone.",
	Remedy:   "No action needed. Do not defragment a member by hand at the same time.",
}}
