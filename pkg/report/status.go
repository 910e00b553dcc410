package report

import (
	"cmp"
	"slices"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
)

// Status is what status says.
type Status struct {
	Common
	Alarms  []Alarm  `json:"alarms"`
	Members []Member `json:"members"`
}

// Alarm is one that etcd lists.
type Alarm struct {
	MemberID string `json:"member_id"`
	Alarm    string `json:"alarm"`
}

// Member is one row: the member now, and what the daemon of this host has learnt
// of it.
type Member struct {
	MemberID string `json:"member_id"`
	Name     string `json:"name,omitempty"`
	Role     string `json:"role"` // leader, follower, learner; unknown: it does not answer
	Local    bool   `json:"local"`
	Problem  string `json:"problem,omitempty"` // why it does not answer

	Version      string   `json:"version,omitempty"`
	SizeBytes    *int64   `json:"db_size_bytes,omitempty"`
	InUseBytes   *int64   `json:"db_size_in_use_bytes,omitempty"`
	QuotaBytes   *int64   `json:"quota_bytes,omitempty"` // absent: there is none
	QuotaSource  string   `json:"quota_source,omitempty"`
	Usage        *float64 `json:"usage_ratio,omitempty"` // of the quota; 1 is full
	Reclaimable  *int64   `json:"reclaimable_bytes,omitempty"`
	Growth       *float64 `json:"growth_bytes_per_second,omitempty"` // of the live data
	Confidence   string   `json:"growth_confidence,omitempty"`       // low, high
	TimeToQuota  *float64 `json:"time_to_quota_seconds,omitempty"`
	Alarms       []string `json:"alarms"`
	WatchedBy    []string `json:"watched_by"` // hosts
	HoldsClaim   bool     `json:"holds_claim"`
	LastWork     *Work    `json:"last_work,omitempty"`
	CooldownEnds *float64 `json:"cooldown_remaining_seconds,omitempty"`
}

// Work is a defragmentation that the daemon of this host has done.
type Work struct {
	At       time.Time `json:"at"`
	WonBytes int64     `json:"won_bytes"`
}

// NewStatus puts the facts into a report.
func NewStatus(f Facts) Status {
	s := Status{Common: common(f), Alarms: []Alarm{}, Members: []Member{}}
	for _, a := range f.View.Alarms {
		s.Alarms = append(s.Alarms, Alarm{a.Member.String(), a.Kind.String()})
	}
	for _, m := range f.View.Members {
		s.Members = append(s.Members, row(f, m))
	}
	slices.SortFunc(s.Members, func(a, b Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.MemberID, b.MemberID))
	})
	return s
}

func row(f Facts, m cluster.Member) Member {
	r := Member{MemberID: m.ID.String(), Name: m.Name, Local: m.ID == f.View.Local, Role: f.View.Role(m), Problem: m.Problem, Alarms: []string{}, WatchedBy: []string{}}
	for _, a := range f.View.Alarms {
		if a.Member == m.ID {
			r.Alarms = append(r.Alarms, a.Kind.String())
		}
	}
	for _, w := range watchersOf(f, m.ID) {
		r.WatchedBy = append(r.WatchedBy, cmp.Or(w.Host, "an unnamed host"))
		r.HoldsClaim = r.HoldsClaim || w.Holds
	}
	if m.Contact == cluster.Answered {
		r.measure(m)
	}
	r.remember(f, m)
	return r
}

// measure fills in what an answer tells.
func (r *Member) measure(m cluster.Member) {
	won := m.ReclaimableBytes()
	r.Version, r.SizeBytes, r.InUseBytes, r.Reclaimable = m.Version, &m.SizeBytes, &m.InUseBytes, &won
	r.QuotaSource = m.Quota.Source.String()
	if m.Quota.Bytes > 0 {
		usage := m.Usage()
		r.QuotaBytes, r.Usage = &m.Quota.Bytes, &usage
	}
}

// remember fills in what was learnt of the member before this look.
func (r *Member) remember(f Facts, m cluster.Member) {
	mm := f.Memory.Of(m.ID)
	trend := mm.Growth.Trend()
	if trend.Confidence != forecast.None {
		r.Growth, r.Confidence = &trend.InUseBytesPerSecond, trend.Confidence.String()
		if left, growing := trend.TimeToQuota(m.SizeBytes, m.InUseBytes, m.Quota.Bytes); growing && m.Contact == cluster.Answered {
			seconds := left.Seconds()
			r.TimeToQuota = &seconds
		}
	}
	if !mm.WorkedAt.IsZero() {
		r.LastWork = &Work{mm.WorkedAt.UTC(), mm.WonBytes}
	}
	if left := mm.CooldownUntil().Sub(f.View.At).Seconds(); left > 0 {
		r.CooldownEnds = &left
	}
}

func watchersOf(f Facts, member cluster.MemberID) []claim.Watcher {
	return slices.DeleteFunc(slices.Clone(f.Watchers), func(w claim.Watcher) bool { return w.Member != member })
}
