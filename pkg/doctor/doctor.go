// Package doctor examines an installation: from the facts that were gathered
// about it, to findings with what each means and what to do about it.
//
// It gathers nothing itself, and does no input or output: every fact is an
// argument, the time included. It does not judge how full the cluster is, which
// is what the policy does at every look.
//
// What holds:
//
//  1. Every check that there is has a finding, in the order of the checks: one
//     that can't be made says so, and why.
//  2. Equal facts give equal findings (I9); the facts are not modified.
//  3. A finding that is not fine has a meaning and a remedy.
package doctor

import "github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"

// Severity says how bad a finding is.
type Severity int

// The severities. A check that can't be made is Unknown.
const (
	OK Severity = iota
	Unknown
	Warning
	Critical
)

// String returns the word that the reports use.
func (s Severity) String() string {
	switch s {
	case OK:
		return "ok"
	case Warning:
		return "warning"
	case Critical:
		return "critical"
	default:
		return "unknown"
	}
}

// Finding is what one check has to say. Of several members, or several faults,
// each has a finding of its own.
type Finding struct {
	Check    string // which check; see checks
	Severity Severity
	Member   cluster.MemberID // whom it is about; 0: no member in particular
	Finding  string           // what was found, with figures
	Meaning  string           // what that means for the cluster; of what is fine, only where it is not plain
	Remedy   string           // what to do; of what is fine, what could be better still
}

// checks is every check, in the order of the report.
var checks = []struct {
	name string
	make func(Facts) []Finding
}{
	{"configuration", checkConfiguration},
	{"files", checkFiles},
	{"endpoint", checkEndpoint},
	{"members", checkMembers},
	{"alarms", checkAlarms},
	{"tls", checkTLS},
	{"rights", checkRights},
	{"quota", checkQuota},
	{"versions", checkVersions},
	{"disk", checkDisk},
	{"auto_compaction", checkAutoCompaction},
	{"stop_on_defragmentation", checkStopOnDefragmentation},
	{"unit", checkUnit},
	{"process", checkProcess},
	{"state", checkState},
	{"windows", checkWindows},
	{"tickets", checkTickets},
	{"watched", checkWatched},
}

// Examine makes every check.
func Examine(f Facts) []Finding {
	var all []Finding
	for _, c := range checks {
		for _, finding := range c.make(f) {
			finding.Check = c.name
			all = append(all, finding)
		}
	}
	return all
}

// Verdict returns what the findings come to: the worst of those that could be
// made, or Unknown if the cluster could not be asked and nothing found is
// critical. A single check that can't be made, for want of a right say, is no
// fault of the installation.
func Verdict(f Facts, findings []Finding) Severity {
	worst := OK
	for _, finding := range findings {
		if finding.Severity != Unknown {
			worst = max(worst, finding.Severity)
		}
	}
	if worst < Critical && f.View.Problem != "" {
		return Unknown
	}
	return worst
}

func fine(finding string) Finding { return Finding{Severity: OK, Finding: finding} }

// better is fine, with what could be better still.
func better(finding, meaning, remedy string) Finding {
	return Finding{Severity: OK, Finding: finding, Meaning: meaning, Remedy: remedy}
}

func warning(finding, meaning, remedy string) Finding {
	return Finding{Severity: Warning, Finding: finding, Meaning: meaning, Remedy: remedy}
}

func critical(finding, meaning, remedy string) Finding {
	return Finding{Severity: Critical, Finding: finding, Meaning: meaning, Remedy: remedy}
}

func unknown(finding, meaning, remedy string) Finding {
	return Finding{Severity: Unknown, Finding: finding, Meaning: meaning, Remedy: remedy}
}

// of names the member that a finding is about.
func (f Finding) of(id cluster.MemberID) Finding {
	f.Member = id
	return f
}

// unasked is the finding of a check that needs the cluster, which could not be
// asked.
func unasked() []Finding {
	return []Finding{unknown("not looked at, since the cluster could not be asked",
		"this check needs what the members say", "do what the checks of the endpoint and of TLS say, and run doctor again")}
}
