package doctor_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	day = 24 * time.Hour
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC) // a Wednesday

// healthy is an installation with nothing to be said against it: three members,
// TLS, a user, and a window.
func healthy() doctor.Facts {
	f := doctor.Facts{
		At: now,
		Configuration: doctor.Configuration{
			File: "c.yaml", Exists: true, DataDir: "/var/lib/etcd", User: "dog", Poll: 10 * time.Second, TTL: time.Minute,
			Windows: []policy.Window{{Days: [7]bool{true, true, true, true, true, true, true}, From: 60, To: 300, Location: time.UTC}},
		},
		Endpoint: doctor.Endpoint{URL: "https://127.0.0.1:2379", OnHost: true},
		View:     cluster.View{At: now, ClusterID: 9, Local: 1, Disk: cluster.Disk{Known: true, FreeBytes: 10 * gib}},
		Files:    []doctor.File{{Key: "cacert", Path: "ca.pem", ExpiresAt: now.Add(900 * day)}, {Key: "cert", Path: "c.pem", ExpiresAt: now.Add(90 * day)}},
		Etcd:     doctor.Process{ID: 7, Settings: map[string]string{"auto-compaction-retention": "1h", "data-dir": "/var/lib/etcd", "feature-gates": "StopGRPCServiceOnDefrag=true"}},
		Unit: doctor.Unit{
			Name: "etcd-watchdog.service", LoadState: "loaded", ActiveState: "active", FileState: "enabled", Type: "notify",
			MainProcess: 8, Watchdog: time.Minute, TimeoutStop: 90 * time.Second,
		},
		Lock:    doctor.Lock{Path: "lease.lock", Holder: 8},
		State:   doctor.State{Directory: "/s", FreeBytes: gib, PolledAt: now.Add(-time.Minute), LocalMember: 1, ClusterID: 9},
		Tickets: doctor.Tickets{Prefix: "/etcd-watchdog"},
	}
	for id, name := range []string{"", "a", "b", "c"} {
		if name == "" {
			continue
		}
		m := cluster.MemberID(id)
		f.View.Members = append(f.View.Members, cluster.Member{
			ID: m, Name: name, Contact: cluster.Answered, Version: "3.6.16", SizeBytes: 100 * mib, InUseBytes: 50 * mib,
			Quota: cluster.Quota{Bytes: 2 * gib, Source: cluster.QuotaLearnt}, Leader: 1, RaftTerm: 2,
		})
		f.Servers = append(f.Servers, doctor.Server{Member: m, URL: "https://" + name + ":2379", ExpiresAt: now.Add(90 * day)})
		f.Tickets.Books = append(f.Tickets.Books, doctor.Book{Member: m, Host: "h" + name, ProcessID: 5, Version: "1.0", Whole: 16, GrantedTTL: time.Minute})
	}
	return f
}

// member lets a case change one member.
func member(i int, change func(*cluster.Member)) func(*doctor.Facts) {
	return func(f *doctor.Facts) { change(&f.View.Members[i]) }
}

func book(change func(*doctor.Book)) func(*doctor.Facts) {
	return func(f *doctor.Facts) { change(&f.Tickets.Books[1]) }
}

func server(change func(*doctor.Server)) func(*doctor.Facts) {
	return func(f *doctor.Facts) { change(&f.Servers[1]) }
}

// meetings is a backup at an hour of the next day.
func meetings(hour int, text string) func(*doctor.Facts) {
	return func(f *doctor.Facts) {
		f.Jobs.Seen = []doctor.Job{{Name: "nightly.timer", Text: text, Starts: []time.Time{now.Add(3 * time.Hour), now.Add(time.Duration(12+hour) * time.Hour)}}}
	}
}

func unasked(f *doctor.Facts) {
	f.View = cluster.View{Problem: "connection refused"}
	f.Tickets = doctor.Tickets{}
}

func faulty(f *doctor.Facts) {
	f.Configuration.Faults = []string{"c.yaml:1:1: one", "c.yaml:2:1: two"}
	f.View, f.Servers, f.Files = cluster.View{}, nil, nil
}

var cases = []struct {
	name     string
	change   func(*doctor.Facts)
	check    string
	severity doctor.Severity
	says     string // of some finding of that check
}{
	{"no faults", func(*doctor.Facts) {}, "configuration", doctor.OK, "c.yaml has no faults"},
	{"no file", func(f *doctor.Facts) { f.Configuration.Exists = false }, "configuration", doctor.OK, "the defaults hold"},
	{"all faults", faulty, "configuration", doctor.Critical, "c.yaml:2:1: two"},
	{"not to be read by this user", func(f *doctor.Facts) { faulty(f); f.Configuration.Unreadable = true }, "configuration", doctor.Unknown, "c.yaml:1:1: one"},
	{"faults before the rights", faulty, "rights", doctor.Unknown, "not asked"},
	{"observe", func(f *doctor.Facts) { f.Configuration.Observe = true }, "configuration", doctor.Warning, "observe"},

	{"files closed", func(*doctor.Facts) {}, "files", doctor.OK, "only their owners"},
	{"a key that all can read", func(f *doctor.Facts) {
		f.Exposed = []doctor.Exposure{{What: "etcd.key", Path: "/k", Mode: "0644", Verb: "read", Remedy: "chmod o-r /k"}}
	}, "files", doctor.Critical, "every user of this host can read etcd.key, /k (mode 0644)"},
	{"faults before the files", faulty, "files", doctor.Unknown, "faults"},

	{"on this host", func(*doctor.Facts) {}, "endpoint", doctor.OK, "member a (1) answers at https://127.0.0.1:2379, on this host"},
	{"elsewhere", func(f *doctor.Facts) { f.Endpoint.OnHost, f.Endpoint.LeadsTo = false, "10.0.0.9" }, "endpoint", doctor.Warning, "leads to 10.0.0.9"},
	{"no name service", func(f *doctor.Facts) { f.Endpoint.OnHost, f.Endpoint.Problem = false, "no such host" }, "endpoint", doctor.Unknown, "no such host"},
	{"unreachable", unasked, "endpoint", doctor.Unknown, "connection refused"},
	{"local silent", member(0, func(m *cluster.Member) { m.Contact, m.Problem = cluster.Silent, "no answer" }), "endpoint", doctor.Critical, "no answer"},
	{"faults before the endpoint", faulty, "endpoint", doctor.Unknown, "faults"},

	{"all answer", func(*doctor.Facts) {}, "members", doctor.OK, "3 voters"},
	{"with a learner", member(2, func(m *cluster.Member) { m.Learner = true }), "members", doctor.OK, "2 voters and 1 learner"},
	{"one is silent", member(2, func(m *cluster.Member) { m.Contact, m.Problem = cluster.Silent, "refused" }), "members", doctor.Warning, "member c (3) does not answer: refused"},
	{"one is another", member(2, func(m *cluster.Member) { m.Contact, m.Problem = cluster.Mismatched, "another" }), "members", doctor.Critical, "not who answers"},
	{"no leader", func(f *doctor.Facts) { f.View.Members[0].Leader, f.View.Members[1].Leader = 0, 0 }, "members", doctor.Critical, "no leader"},
	{"nobody asked", unasked, "members", doctor.Unknown, "could not be asked"},

	{"NOSPACE", func(f *doctor.Facts) { f.View.Alarms = []cluster.Alarm{{Member: 2, Kind: cluster.AlarmNoSpace}} }, "alarms", doctor.Critical, "NOSPACE is listed for member 2"},
	{"CORRUPT", func(f *doctor.Facts) { f.View.Alarms = []cluster.Alarm{{Member: 2, Kind: cluster.AlarmCorrupt}} }, "alarms", doctor.Critical, "CORRUPT"},
	{"another alarm", func(f *doctor.Facts) { f.View.Alarms = []cluster.Alarm{{Member: 2}} }, "alarms", doctor.Warning, "OTHER"},

	{"good certificate", func(*doctor.Facts) {}, "tls", doctor.OK, "https://b:2379: the certificate is good, for 90 days more"},
	{"a month at least", server(func(s *doctor.Server) { s.ExpiresAt = now.Add(30 * day) }), "tls", doctor.OK, "30 days"},
	{"under a month", server(func(s *doctor.Server) { s.ExpiresAt = now.Add(30*day - 1) }), "tls", doctor.Warning, "29 days"},
	{"a week at least", server(func(s *doctor.Server) { s.ExpiresAt = now.Add(7 * day) }), "tls", doctor.Warning, "7 days"},
	{"under a week", server(func(s *doctor.Server) { s.ExpiresAt = now.Add(7*day - 1) }), "tls", doctor.Critical, "6 days"},
	{"expired", server(func(s *doctor.Server) { s.ExpiresAt = now.Add(-3 * day) }), "tls", doctor.Critical, "expired 3 days ago"},
	{"ends now", server(func(s *doctor.Server) { s.ExpiresAt = now }), "tls", doctor.Critical, "expired"},
	{"untrusted", server(func(s *doctor.Server) { s.Untrusted = "unknown authority" }), "tls", doctor.Critical, "not trusted: unknown authority"},
	{"another host's", server(func(s *doctor.Server) { s.WrongName = "valid for x" }), "tls", doctor.Critical, "of another host: valid for x"},
	{"no certificate", server(func(s *doctor.Server) { s.Problem = "no TLS" }), "tls", doctor.Unknown, "no TLS"},
	{"not verified", func(f *doctor.Facts) { f.Configuration.SkipVerify = true }, "tls", doctor.Warning, "insecure-skip-tls-verify"},
	{"password in the clear", server(func(s *doctor.Server) { s.Plain = true }), "tls", doctor.Warning, "a password is sent"},
	{"password on loopback", server(func(s *doctor.Server) { s.Plain, s.Loopback = true, true }), "tls", doctor.OK, "on loopback"},
	{"plain without a user", func(f *doctor.Facts) { f.Servers[1].Plain, f.Configuration.User = true, "" }, "tls", doctor.OK, "without TLS"},
	{"own certificate ends", func(f *doctor.Facts) { f.Files[1].ExpiresAt = now.Add(20 * day) }, "tls", doctor.Warning, "etcd.cert, c.pem, for 20 days more"},
	{"authority has ended", func(f *doctor.Facts) { f.Files[0].ExpiresAt = now.Add(-50 * time.Hour) }, "tls", doctor.Critical, "etcd.cacert, ca.pem: expired 2 days ago"},
	{"file unreadable", func(f *doctor.Facts) { f.Files[0].Problem = "permission denied" }, "tls", doctor.Unknown, "permission denied"},
	{"faults before TLS", faulty, "tls", doctor.Unknown, "faults"},

	{"may all", func(*doctor.Facts) {}, "rights", doctor.OK, `"dog"`},
	{"may all without a user", func(f *doctor.Facts) { f.Configuration.User = "" }, "rights", doctor.OK, "authentication is off"},
	{"no root", func(f *doctor.Facts) { f.Rights.Missing = "no role root" }, "rights", doctor.Critical, "no role root"},
	{"rights not found out", func(f *doctor.Facts) { f.Rights.Problem = "timed out" }, "rights", doctor.Unknown, "timed out"},

	{"one quota", func(*doctor.Facts) {}, "quota", doctor.OK, "2 GiB (learnt) on every member"},
	{"two quotas", member(1, func(m *cluster.Member) { m.Quota.Bytes = gib }), "quota", doctor.Warning, "member b (2) 1 GiB (learnt)"},
	{"assumed", member(1, func(m *cluster.Member) { m.Quota.Source = cluster.QuotaAssumed }), "quota", doctor.Warning, "default of 2 GiB is assumed"},
	{"configured otherwise", member(1, func(m *cluster.Member) { m.Quota.ConfiguredBytes = gib }), "quota", doctor.Warning, "quota-backend-bytes says 1 GiB"},
	{"no quota", member(1, func(m *cluster.Member) { m.Quota.Bytes = -1 }), "quota", doctor.Warning, "member b (2) no limit"},
	{"large", func(f *doctor.Facts) {
		for i := range f.View.Members {
			f.View.Members[i].Quota.Bytes = 8*gib + 1
		}
	}, "quota", doctor.OK, "the quota of member a (1) is 8"},

	{"no known fault", func(*doctor.Facts) {}, "versions", doctor.OK, "etcd 3.6.16"},
	{"grave fault", member(1, func(m *cluster.Member) { m.Version = "3.5.4" }), "versions", doctor.Warning, "fixed in 3.5.6"},
	{"lesser fault", member(1, func(m *cluster.Member) { m.Version = "3.6.4" }), "versions", doctor.Warning, "3.6.5"},
	{"mixed", member(1, func(m *cluster.Member) { m.Version = "3.5.35" }), "versions", doctor.Warning, "different versions: 3.5.35, 3.6.16"},
	{"mixed patches", member(1, func(m *cluster.Member) { m.Version = "3.6.15" }), "versions", doctor.OK, "3.6.15, 3.6.16"},
	{"old", member(1, func(m *cluster.Member) { m.Version = "3.4.40" }), "versions", doctor.Warning, "end of life"},

	{"room", func(*doctor.Facts) {}, "disk", doctor.OK, "10 GiB free, a defragmentation of member a (1) needs 114 MiB"},
	{"no room", func(f *doctor.Facts) { f.View.Disk.FreeBytes = 113 * mib }, "disk", doctor.Critical, "113 MiB free"},
	{"little room", func(f *doctor.Facts) { f.View.Disk.FreeBytes, f.View.Members[0].SizeBytes = gib, 2*gib }, "disk", doctor.OK, "needs 114 MiB now"},
	{"leftovers", func(f *doctor.Facts) { f.View.Disk.StaleFiles, f.View.Disk.StaleBytes = []string{"db.tmp.1"}, gib }, "disk", doctor.Warning, "1 GiB: db.tmp.1"},
	{"not to be seen", func(f *doctor.Facts) { f.View.Disk = cluster.Disk{Problem: "hidden"} }, "disk", doctor.Unknown, "hidden"},
	{"leftovers not to be seen", func(f *doctor.Facts) { f.View.Disk.Problem = "may not look" }, "disk", doctor.Unknown, "may not look"},
	{"not set", func(f *doctor.Facts) { f.Configuration.DataDir = "" }, "disk", doctor.OK, "data-dir is not set"},
	{"another one's", func(f *doctor.Facts) { f.Etcd.Settings["data-dir"] = "/data" }, "disk", doctor.Warning, "has /data"},
	{"size not known", member(0, func(m *cluster.Member) { m.Contact = cluster.Silent }), "disk", doctor.Unknown, "10 GiB are free"},

	{"compacts", func(*doctor.Facts) {}, "auto_compaction", doctor.OK, "mode periodic, retention 1h"},
	{"by revisions", func(f *doctor.Facts) { f.Etcd.Settings["auto-compaction-mode"] = "revision" }, "auto_compaction", doctor.OK, "mode revision"},
	{"does not compact", func(f *doctor.Facts) { delete(f.Etcd.Settings, "auto-compaction-retention") }, "auto_compaction", doctor.OK, "is off"},
	{"compaction turned off", func(f *doctor.Facts) {
		f.Etcd.Settings["auto-compaction-retention"], f.Etcd.Unseen = "0", "environment"
	}, "auto_compaction", doctor.OK, "is off"},
	{"compaction not to be seen", func(f *doctor.Facts) { f.Etcd = doctor.Process{Problem: "only root can see"} }, "auto_compaction", doctor.Unknown, "only root can see"},
	{"compaction half seen", func(f *doctor.Facts) { f.Etcd = doctor.Process{Unseen: "environment"} }, "auto_compaction", doctor.Unknown, "environment"},

	{"stops", func(*doctor.Facts) {}, "stop_on_defragmentation", doctor.OK, "sends its clients elsewhere"},
	{"stops by the older flag", func(f *doctor.Facts) {
		f.Etcd.Settings = map[string]string{"experimental-stop-grpc-service-on-defrag": "true"}
	}, "stop_on_defragmentation", doctor.OK, "sends its clients elsewhere"},
	{"does not stop", func(f *doctor.Facts) { f.Etcd.Settings = nil }, "stop_on_defragmentation", doctor.OK, "off: "},
	{"told not to stop", func(f *doctor.Facts) { f.Etcd.Settings["feature-gates"] = "A=true,StopGRPCServiceOnDefrag=false" }, "stop_on_defragmentation", doctor.OK, "off: "},
	{"alone", func(f *doctor.Facts) { f.Etcd.Settings, f.View.Members = nil, f.View.Members[:1] }, "stop_on_defragmentation", doctor.OK, "single voter"},
	{"stop not to be seen", func(f *doctor.Facts) { f.Etcd = doctor.Process{Unseen: "environment"} }, "stop_on_defragmentation", doctor.Unknown, "environment"},

	{"runs", func(*doctor.Facts) {}, "unit", doctor.OK, "active and enabled, WatchdogSec 1m0s, TimeoutStopSec 1m30s"},
	{"no systemd", func(f *doctor.Facts) { f.Unit = doctor.Unit{Problem: "not booted"} }, "unit", doctor.Unknown, "not booted"},
	{"no unit", func(f *doctor.Facts) { f.Unit = doctor.Unit{Name: "x.service", LoadState: "not-found"} }, "unit", doctor.Critical, "no unit x.service"},
	{"masked", func(f *doctor.Facts) { f.Unit.LoadState = "masked" }, "unit", doctor.Critical, "masked"},
	{"failed", func(f *doctor.Facts) { f.Unit.ActiveState = "failed" }, "unit", doctor.Critical, "is failed"},
	{"not enabled", func(f *doctor.Facts) { f.Unit.FileState = "disabled" }, "unit", doctor.Warning, "not enabled (disabled)"},
	{"restarted", func(f *doctor.Facts) { f.Unit.Restarts = 2 }, "unit", doctor.Warning, "2 times"},
	{"not told", func(f *doctor.Facts) { f.Unit.Type = "simple" }, "unit", doctor.Warning, "Type=simple"},
	{"not watched by systemd", func(f *doctor.Facts) { f.Unit.Watchdog = 0 }, "unit", doctor.Warning, "WatchdogSec is not set"},
	{"impatient", func(f *doctor.Facts) { f.Unit.WatchdogFits = "WatchdogSec=5s is too short" }, "unit", doctor.Critical, "too short"},
	{"killed early", func(f *doctor.Facts) { f.Unit.TimeoutStop = 5 * time.Second }, "unit", doctor.Warning, "TimeoutStopSec is 5s"},
	{"stops for ever", func(f *doctor.Facts) { f.Unit.TimeoutStop = 0 }, "unit", doctor.OK, "TimeoutStopSec infinity"},

	{"holds the lock", func(*doctor.Facts) {}, "process", doctor.OK, "process 8 holds lease.lock"},
	{"another holds it", func(f *doctor.Facts) { f.Lock.Holder = 99 }, "process", doctor.Warning, "process 99 holds lease.lock, and the unit's is process 8"},
	{"runs without it", func(f *doctor.Facts) { f.Lock.Holder = 0 }, "process", doctor.Warning, "the daemon runs, and nobody holds"},
	{"no daemon", func(f *doctor.Facts) { f.Lock.Holder, f.Unit.ActiveState = 0, "inactive" }, "process", doctor.Warning, "no daemon holds"},
	{"observes without it", func(f *doctor.Facts) { f.Lock.Holder, f.Configuration.Observe = 0, true }, "process", doctor.OK, "observing"},
	{"lock not to be seen", func(f *doctor.Facts) { f.Lock.Problem = "permission denied" }, "process", doctor.Unknown, "permission denied"},

	{"polls", func(*doctor.Facts) {}, "state", doctor.OK, "60 seconds ago"},
	{"polls no more", func(f *doctor.Facts) { f.State.PolledAt = now.Add(-time.Hour) }, "state", doctor.Critical, "60 minutes ago"},
	{"no room for the state", func(f *doctor.Facts) { f.State.FreeBytes = mib }, "state", doctor.Critical, "1 MiB free for /s"},
	{"room for the state not known", func(f *doctor.Facts) { f.State.FreeBytes = -1 }, "state", doctor.OK, "ago"},
	{"polls slowly", func(f *doctor.Facts) {
		f.State.PolledAt, f.Configuration.Poll = now.Add(-time.Hour), 30*time.Minute
	}, "state", doctor.OK, "60 minutes ago"},
	{"nothing kept", func(f *doctor.Facts) { f.State.PolledAt = time.Time{} }, "state", doctor.Warning, "nothing is kept in /s"},
	{"state unreadable", func(f *doctor.Facts) { f.State.Problem = "not valid" }, "state", doctor.Warning, "not valid"},
	{"watches another", func(f *doctor.Facts) { f.State.LocalMember = 2 }, "state", doctor.Warning, "watches member 2"},
	{"paused", func(f *doctor.Facts) { f.State.Pause = cluster.Pause{Until: now.Add(time.Hour), Reason: "disk"} }, "state", doctor.Warning, "paused until 2026-03-04 13:00:00 UTC (disk)"},
	{"pause is over", func(f *doctor.Facts) { f.State.Pause = cluster.Pause{Until: now} }, "state", doctor.OK, "ago"},

	{"no backup", func(*doctor.Facts) {}, "windows", doctor.OK, "nothing on this host"},
	{"backup in a window", meetings(2, "etcd-snapshot"), "windows", doctor.Warning, "nightly.timer may be a backup of etcd, and starts in a window, or within an hour before: next Thu 02:00 UTC"},
	{"backup right before", meetings(0, "wal-g push"), "windows", doctor.Warning, "next Thu 00:00"},
	{"backup at noon", meetings(0+12, "backup"), "windows", doctor.OK, "nothing on this host"},
	{"no backup by its name", meetings(2, "logrotate"), "windows", doctor.OK, "nothing on this host"},
	{"ourselves", meetings(2, "etcd-watchdog doctor"), "windows", doctor.OK, "nothing on this host"},
	{"backup and no window", func(f *doctor.Facts) { meetings(2, "Backup")(f); f.Configuration.Windows = nil }, "windows", doctor.OK, "nightly.timer may be a backup"},
	{"jobs not read", func(f *doctor.Facts) { f.Jobs.Problem = "permission denied" }, "windows", doctor.Unknown, "permission denied"},

	{"books", func(*doctor.Facts) {}, "tickets", doctor.OK, "3 books below /etcd-watchdog"},
	{"at work", book(func(b *doctor.Book) { b.Busy, b.RenewedSeconds = 1, 4 }), "tickets", doctor.OK, "hb (process 5, version 1.0), the watchdog of member 2 holds the claim, or left it in doubt; its lease was renewed 4 seconds ago"},
	{"not legible", book(func(b *doctor.Book) { b.Host, b.Busy = "", 1 }), "tickets", doctor.OK, "the watchdog of member 2 holds the claim"},
	{"of the future", book(func(b *doctor.Book) { b.Future = 16 }), "tickets", doctor.Warning, "16 tickets of member 2"},
	{"copies of tickets", func(f *doctor.Facts) { f.Tickets.Ignored = []string{"/etcd-watchdog/claim/2/9/00/end"} }, "tickets", doctor.Warning, "1 key that is no ticket any more"},
	{"another TTL", book(func(b *doctor.Book) { b.GrantedTTL = 30 * time.Second }), "tickets", doctor.Warning, "lasts 30s, claim.ttl is 1m0s"},
	{"garbage", func(f *doctor.Facts) { f.Tickets.Foreign = []string{"/etcd-watchdog/x", "y"} }, "tickets", doctor.Warning, "2 keys below /etcd-watchdog that no watchdog writes: /etcd-watchdog/x"},
	{"two versions", book(func(b *doctor.Book) { b.Version = "1.1" }), "tickets", doctor.OK, "1.0, 1.1"},
	{"two books", book(func(b *doctor.Book) { b.Member = 1 }), "tickets", doctor.OK, "member a (1) has 2 books"},
	{"tickets not read", func(f *doctor.Facts) { f.Tickets.Problem = "no quorum" }, "tickets", doctor.Unknown, "no quorum"},

	{"all watched", func(*doctor.Facts) {}, "watched", doctor.OK, "each of the 3 voters"},
	{"one unwatched", book(func(b *doctor.Book) { b.Whole = 0 }), "watched", doctor.Warning, "member b (2) is watched by nobody"},
	{"a busy ticket watches", book(func(b *doctor.Book) { b.Whole, b.Busy = 0, 1 }), "watched", doctor.OK, "3 voters"},
	{"learners need nobody", func(f *doctor.Facts) { f.View.Members[1].Learner, f.Tickets.Books[1].Whole = true, 0 }, "watched", doctor.OK, "2 voters"},
	{"not found out", func(f *doctor.Facts) { f.Tickets.Problem = "no quorum" }, "watched", doctor.Unknown, "no quorum"},
}

func TestEachCheckInEachState(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := healthy()
			c.change(&f)
			worst, said, texts := doctor.OK, false, []string{}
			for _, finding := range doctor.Examine(f) {
				if finding.Check != c.check {
					continue
				}
				worst = max(worst, finding.Severity)
				said = said || strings.Contains(finding.Finding, c.says)
				texts = append(texts, finding.Severity.String()+": "+finding.Finding)
			}
			if worst != c.severity || !said {
				t.Errorf("%s:\n%s\nwant %s and %q", c.check, strings.Join(texts, "\n"), c.severity, c.says)
			}
		})
	}
}

// What holds whatever the facts are.
func TestEveryCheckSpeaksAndSaysWhatToDo(t *testing.T) {
	names := map[string]bool{}
	for _, finding := range doctor.Examine(healthy()) {
		names[finding.Check] = true
		if finding.Severity != doctor.OK {
			t.Errorf("a healthy installation: %+v", finding)
		}
	}
	all := append(cases[:len(cases):len(cases)], cases[0])
	all[len(cases)].change = func(f *doctor.Facts) { *f = doctor.Facts{View: cluster.View{Problem: "nothing"}} }
	for _, c := range all {
		f, same := healthy(), healthy()
		c.change(&f)
		c.change(&same)
		spoke := map[string]bool{}
		for _, finding := range doctor.Examine(f) {
			spoke[finding.Check] = true
			if finding.Finding == "" || finding.Severity != doctor.OK && (finding.Meaning == "" || finding.Remedy == "") {
				t.Errorf("%s: incomplete: %+v", c.name, finding)
			}
		}
		if !reflect.DeepEqual(spoke, names) {
			t.Errorf("%s: the checks are %v, want %v", c.name, spoke, names)
		}
		if !reflect.DeepEqual(f, same) {
			t.Errorf("%s: the facts were modified", c.name)
		}
	}
}

func TestVerdict(t *testing.T) {
	find := func(severities ...doctor.Severity) []doctor.Finding {
		var all []doctor.Finding
		for _, s := range severities {
			all = append(all, doctor.Finding{Severity: s})
		}
		return all
	}
	reached, lost := doctor.Facts{}, doctor.Facts{View: cluster.View{Problem: "refused"}}
	for _, c := range []struct {
		facts    doctor.Facts
		findings []doctor.Finding
		want     doctor.Severity
	}{
		{reached, find(doctor.OK, doctor.OK), doctor.OK},
		{reached, find(doctor.OK, doctor.Unknown), doctor.OK},
		{reached, find(doctor.Warning, doctor.Unknown), doctor.Warning},
		{reached, find(doctor.Warning, doctor.Critical), doctor.Critical},
		{lost, find(doctor.OK, doctor.Unknown), doctor.Unknown},
		{lost, find(doctor.Warning, doctor.Unknown), doctor.Unknown},
		{lost, find(doctor.Critical, doctor.Unknown), doctor.Critical},
	} {
		if got := doctor.Verdict(c.facts, c.findings); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
}

// A copy that systemd made is not read again, whatever the daemon does.
func TestRenewedCredentialsNeedARestart(t *testing.T) {
	for path, want := range map[string]string{"/etc/c.pem": "read again at each connection", "/run/credentials/etcd-watchdog.service/c.pem": "restart the watchdog"} {
		f := healthy()
		f.Files = []doctor.File{{Key: "cert", Path: path, ExpiresAt: now.Add(day)}}
		for _, finding := range doctor.Examine(f) {
			if finding.Check == "tls" && strings.Contains(finding.Finding, path) && !strings.Contains(finding.Remedy, want) {
				t.Errorf("%s: %q, want %q", path, finding.Remedy, want)
			}
		}
	}
}
