// Package cluster holds the nouns of the program: members, alarms, quotas, and
// the view that one look at a cluster gives. It does no input or output, knows
// no policy and imports the standard library only.
//
// Everything here is a value. A View is never changed after it was made; who
// needs another one makes a Clone.
package cluster

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// MemberID is etcd's id of a member. Zero is never the id of a member; it
// means "none" or "not known".
type MemberID uint64

// String returns the id in hexadecimal without a prefix, as etcdctl prints it.
func (id MemberID) String() string { return strconv.FormatUint(uint64(id), 16) }

// ParseMemberID reads an id as String writes it.
func ParseMemberID(s string) (MemberID, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a member id: want up to 16 hexadecimal digits, as `etcdctl member list` prints them", s)
	}
	return MemberID(n), nil
}

// AlarmKind is the kind of an alarm that etcd has raised.
type AlarmKind int

// The kinds of alarm that etcd 3.4 to 3.7 know. AlarmOther stands for one of a
// later version: it is never touched.
const (
	AlarmOther AlarmKind = iota
	AlarmNoSpace
	AlarmCorrupt
)

// String returns etcd's own name of the kind.
func (k AlarmKind) String() string {
	switch k {
	case AlarmNoSpace:
		return "NOSPACE"
	case AlarmCorrupt:
		return "CORRUPT"
	default:
		return "OTHER"
	}
}

// Alarm is one entry of etcd's alarm list. Its member need not be in the
// member list any more: alarms of removed members stay listed.
type Alarm struct {
	Member MemberID
	Kind   AlarmKind
}

// QuotaSource says how a quota came to be known.
type QuotaSource int

// Where a quota may come from, in falling order of trust.
const (
	QuotaAssumed    QuotaSource = iota // etcd's default: there is no other source
	QuotaLocal                         // the learnt quota of the local member: the members of a cluster rarely differ
	QuotaConfigured                    // quota-backend-bytes in our configuration
	QuotaPublished                     // its own watchdog has published it
	QuotaLearnt                        // the member itself reports it
)

// String returns the word that the reports use.
func (s QuotaSource) String() string {
	switch s {
	case QuotaLearnt:
		return "learnt"
	case QuotaPublished:
		return "published"
	case QuotaConfigured:
		return "configured"
	case QuotaLocal:
		return "local"
	default:
		return "assumed"
	}
}

// DefaultQuotaBytes is etcd's quota where none is set (etcd's
// DefaultQuotaBytes, "0 means 2 GiB").
const DefaultQuotaBytes = 2 << 30

// Quota is the limit on the size of one member's database file.
type Quota struct {
	Bytes           int64 // negative: no quota
	Source          QuotaSource
	ConfiguredBytes int64 // quota-backend-bytes in our configuration, whatever Source is; 0: not set
}

// Conflict reports that the member itself says another quota than our
// configuration does. The member is right.
func (q Quota) Conflict() bool {
	return q.Source == QuotaLearnt && q.ConfiguredBytes != 0 && q.ConfiguredBytes != q.Bytes
}

// Unlimited reports that the member has no quota at all.
func (q Quota) Unlimited() bool { return q.Bytes < 0 }

// Trusted reports that the quota is more than an assumption, which may be wrong
// in either direction.
func (q Quota) Trusted() bool { return q.Source != QuotaAssumed }

// Contact says what came of asking a member for its status.
type Contact int

// What may come of asking.
const (
	Silent     Contact = iota // no answer, or a refusal; see Member.Problem
	Answered                  // an answer that carries the member's own ids
	Mismatched                // an answer, but of another member or cluster
)

// Member is one member as one look found it. The fields from Version on are
// zero unless Contact is Answered.
type Member struct {
	ID         MemberID
	Name       string // empty until the member has started once
	ClientURLs []string
	PeerURLs   []string
	Learner    bool
	Contact    Contact
	Problem    string        // why Contact is not Answered, one clause for people; else empty
	Took       time.Duration // how long its answer took
	Blocked    bool          // it does not answer Status but a serializable MemberList, which needs no backend: a defragmentation may be running

	Version      string
	SizeBytes    int64 // the database file, what etcd compares with the quota
	InUseBytes   int64 // of it, what is not free pages
	Quota        Quota
	Leader       MemberID // as this member sees it; 0: it knows none
	RaftTerm     uint64
	RaftIndex    uint64
	AppliedIndex uint64
	Revision     int64  // of the key-value store, from the answer's header
	DowngradeTo  string // the version that a downgrade in progress goes to; empty: there is none, or the server is older than 3.6
}

// ReclaimableBytes is what a defragmentation would give back now. It does not
// count what a compaction would free first.
func (m Member) ReclaimableBytes() int64 { return max(0, m.SizeBytes-m.InUseBytes) }

// Usage is the share of the quota that the file takes: 1 is full. Without a
// quota it is 0.
func (m Member) Usage() float64 { return share(m.SizeBytes, m.Quota) }

// InUseUsage is the share of the quota that the pages in use take.
func (m Member) InUseUsage() float64 { return share(m.InUseBytes, m.Quota) }

func share(n int64, q Quota) float64 {
	if q.Bytes <= 0 {
		return 0
	}
	return float64(n) / float64(q.Bytes)
}

// Claims is what the last read of our prefix in etcd showed.
type Claims struct {
	Known        bool       // false: not read in this observation; nothing below is meant then
	Watched      []MemberID // voters that a watchdog holds tickets for, sorted
	Enrolled     bool       // this process has a whole ticket on a lease that lives
	UsableAt     time.Time  // when its tickets may be taken; zero: they may
	Tickets      int        // how many whole ones it has
	Own          []MemberID // members that the tickets of this process are for, sorted: one, but for a host that has got another member
	Holder       string     // who holds the claim, in words; empty: the claim is free
	HolderMember MemberID   // the member whose book the busy ticket is of
	InDoubt      bool       // a busy ticket of this process's own lease that it does not remember taking
	Term         uint64     // the raft term in the header of the read; 0: the local member did not serve it
	Ignored      []string   // keys in the form of tickets that are none: without their lease, or of no voter; sorted
	Hosts        []Host     // what the watchdogs tell each other, sorted by member
}

// Host is what one watchdog tells the others: a hint, which never makes anything
// less safe.
type Host struct {
	Member     MemberID
	QuotaBytes int64  // as it learnt it; 0: it did not
	RoomBytes  int64  // free on the disk of its member; 0: not known
	Version    string // of the watchdog
}

// Host returns what the watchdog of a member has published.
func (c Claims) Host(id MemberID) (Host, bool) {
	i := slices.IndexFunc(c.Hosts, func(h Host) bool { return h.Member == id })
	if i < 0 {
		return Host{}, false
	}
	return c.Hosts[i], true
}

// Disk is the file system that the local member's data directory is on.
type Disk struct {
	Known      bool     // false: the data directory is not configured, or can't be looked at
	FreeBytes  int64    // that etcd may use
	StaleFiles []string // left behind by defragmentations that were cut short
	StaleBytes int64    // what they take
	Problem    string   // why it can't be looked at; empty: it can, or is not configured
}

// Pause is what a person on this host has asked for: until then its watchdog
// works on nothing. The zero Pause is none.
type Pause struct {
	Since, Until time.Time
	Reason       string // in the person's own words; may be empty
}

// Holds reports that the pause has not ended at that time.
func (p Pause) Holds(now time.Time) bool { return now.Before(p.Until) }

// View is one look at the whole cluster.
type View struct {
	At        time.Time // when it began
	Ended     time.Time // when its last answer was there, that of the read of our prefix included
	ClusterID uint64    // 0 until some member has answered
	Local     MemberID  // the member behind the configured endpoint; 0 until it has answered once
	Members   []Member  // sorted by id
	Alarms    []Alarm   // sorted by member, then kind; what the members that answered say
	Claims    Claims
	Disk      Disk   // of the local member
	Pause     Pause  // of this host's watchdog
	Beside    bool   // this process runs on the host of the local member, and is the only one there that works without tickets
	NotBeside string // why not, one clause for people
	Followed  bool   // not, because another process on this host is
	Problem   string // why there is no member list at all; else empty
}

// Clone returns a copy that shares nothing with v.
func (v View) Clone() View {
	v.Members = slices.Clone(v.Members)
	for i := range v.Members {
		v.Members[i].ClientURLs = slices.Clone(v.Members[i].ClientURLs)
		v.Members[i].PeerURLs = slices.Clone(v.Members[i].PeerURLs)
	}
	v.Alarms = slices.Clone(v.Alarms)
	v.Claims.Watched = slices.Clone(v.Claims.Watched)
	v.Claims.Own = slices.Clone(v.Claims.Own)
	v.Claims.Ignored = slices.Clone(v.Claims.Ignored)
	v.Claims.Hosts = slices.Clone(v.Claims.Hosts)
	v.Disk.StaleFiles = slices.Clone(v.Disk.StaleFiles)
	return v
}

// Member returns the member of that id.
func (v View) Member(id MemberID) (Member, bool) {
	i, ok := slices.BinarySearchFunc(v.Members, id, func(m Member, id MemberID) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return v.Members[i], true
}

// Voters returns the members that vote, in order of their ids.
func (v View) Voters() []Member {
	return slices.DeleteFunc(slices.Clone(v.Members), func(m Member) bool { return m.Learner })
}

// VoterIDs returns the ids of the members that vote, sorted; never nil.
func (v View) VoterIDs() []MemberID {
	ids := []MemberID{}
	for _, m := range v.Voters() {
		ids = append(ids, m.ID)
	}
	return ids
}

// Leader returns the member that more than half of the voters name as their
// leader; 0 if there is none. It is also the test for a quorum: a cluster is
// quorate as long as this is not 0. The terms of these answers are not compared:
// a Status tells that of the last applied entry, which is 0 after a restart.
func (v View) Leader() MemberID {
	voters, votes := 0, map[MemberID]int{}
	for _, m := range v.Members {
		if m.Learner {
			continue
		}
		voters++
		if m.Contact == Answered && m.Leader != 0 {
			votes[m.Leader]++
		}
	}
	for leader, n := range votes {
		if n > voters/2 {
			return leader
		}
	}
	return 0
}

// Role names what a member is at this observation: leader, follower, learner, or
// unknown if it has not answered.
func (v View) Role(m Member) string {
	switch {
	case m.Contact != Answered:
		return "unknown"
	case m.Learner:
		return "learner"
	case m.ID == v.Leader():
		return "leader"
	default:
		return "follower"
	}
}

// Alarmed reports that an alarm of that kind is listed for any member.
func (v View) Alarmed(k AlarmKind) bool {
	return slices.ContainsFunc(v.Alarms, func(a Alarm) bool { return a.Kind == k })
}

// AppliedIndex is the highest applied index that any member reports.
func (v View) AppliedIndex() uint64 {
	var top uint64
	for _, m := range v.Members {
		top = max(top, m.AppliedIndex)
	}
	return top
}

// Revision is the highest revision that any member reports.
func (v View) Revision() int64 {
	var top int64
	for _, m := range v.Members {
		top = max(top, m.Revision)
	}
	return top
}
