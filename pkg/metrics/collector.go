package metrics

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Describe implements prometheus.Collector.
func (s *State) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range declared {
		descs <- d.desc
	}
}

// Collect implements prometheus.Collector. It takes the lock for the time of a
// copy, and computes the rest without it.
func (s *State) Collect(to chan<- prometheus.Metric) {
	now := s.snapshot()
	out := sink(to)
	out.set(buildInfo, 1, s.build.Version, s.build.Commit, s.build.GoVersion)
	out.seconds(lastGood, now.lastGood)
	for _, c := range now.samples {
		out.set(c.of, c.value, c.labels...)
	}
	out.set(eventsLost, float64(s.losses.Sink.Load()), "sink")
	out.set(eventsLost, float64(s.losses.Rate.Load()), "rate")
	out.work(now)
	if now.seen == nil {
		return
	}
	v := now.seen.View
	for _, c := range now.certificates {
		m, _ := v.Member(c.Member)
		out.seconds(certificate, c.NotAfter, c.Role, id(c.Member), label(m.Name))
	}
	out.seconds(lastPoll, v.At)
	out.set(decision, 1, reasonLabel(now.seen.Decision.Reason))
	out.pause(v)
	out.cluster(v)
	out.conditions(*now.seen)
	out.claim(*now.seen)
	for _, m := range v.Members {
		out.member(v, m)
		out.memory(now.seen.Memory.Of(m.ID), m)
	}
	if v.Disk.Known {
		out.set(diskFree, float64(v.Disk.FreeBytes))
		out.set(diskStale, float64(v.Disk.StaleBytes))
	}
}

// sink is where a scrape wants its metrics.
type sink chan<- prometheus.Metric

func (to sink) set(s *Series, value float64, labels ...string) {
	kind := prometheus.GaugeValue
	if s.Kind == Counter {
		kind = prometheus.CounterValue
	}
	to <- prometheus.MustNewConstMetric(s.desc, kind, value, labels...)
}

// seconds sets a time as seconds since the epoch; the zero time as 0.
func (to sink) seconds(s *Series, at time.Time, labels ...string) {
	value := 0.0
	if !at.IsZero() {
		value = float64(at.UnixMilli()) / 1000
	}
	to.set(s, value, labels...)
}

func (to sink) work(now snapshot) {
	for _, kind := range []string{kindCompact, kindDefragment} {
		to.set(working, truth(now.working[kind]), kind)
	}
	if w := now.work; w != nil {
		to.seconds(workSince, w.began, id(w.member), label(w.name))
		to.set(workExpected, w.expected.Seconds(), id(w.member), label(w.name))
	}
}

func (to sink) pause(v cluster.View) {
	holds := v.Pause.Holds(v.At)
	to.set(paused, truth(holds))
	if holds {
		to.seconds(pauseUntil, v.Pause.Until)
	}
}

func (to sink) cluster(v cluster.View) {
	if v.ClusterID != 0 && v.Local != 0 {
		to.set(clusterInfo, 1, strconv.FormatUint(v.ClusterID, 16), id(v.Local))
	}
	to.set(members, float64(len(v.Members)))
	to.set(quorum, truth(v.Leader() != 0))
	listed := map[cluster.AlarmKind]int{}
	for _, a := range v.Alarms {
		listed[a.Kind]++
	}
	for _, kind := range []cluster.AlarmKind{cluster.AlarmNoSpace, cluster.AlarmCorrupt, cluster.AlarmOther} {
		to.set(alarms, float64(listed[kind]), kind.String())
	}
}

// conditions shows all conditions with how often they stand, and those that do
// with their members.
func (to sink) conditions(o Observation) {
	type key struct {
		kind   event.Kind
		member cluster.MemberID
	}
	counts, seen := map[event.Kind]int{}, map[key]bool{}
	for _, e := range o.Conditions {
		if seen[key{e.Kind, e.Member}] {
			continue
		}
		seen[key{e.Kind, e.Member}] = true
		counts[e.Kind]++
		m, _ := o.View.Member(e.Member)
		to.set(standing, 1, id(e.Member), label(m.Name), e.Kind.String(), e.Kind.Row().Level.String())
	}
	for _, row := range event.Table() {
		if row.Kind.Condition() {
			to.set(condition, float64(counts[row.Kind]), row.Name, row.Level.String())
		}
	}
}

func (to sink) claim(o Observation) {
	c := o.View.Claims
	to.set(claimKnown, truth(c.Known))
	if !c.Known {
		return
	}
	to.set(enrolled, truth(c.Enrolled))
	to.set(tickets, float64(c.Tickets))
	to.set(claimHeld, truth(c.Holder != ""))
	if c.Holder != "" && !o.Memory.HeldSince.IsZero() {
		m, _ := o.View.Member(c.HolderMember)
		to.seconds(claimSince, o.Memory.HeldSince, id(c.HolderMember), label(m.Name))
	}
}

func (to sink) member(v cluster.View, m cluster.Member) {
	who := []string{id(m.ID), label(m.Name)}
	set := func(s *Series, value float64, more ...string) { to.set(s, value, append(who[:2:2], more...)...) }
	answered := m.Contact == cluster.Answered
	source := ""
	if answered {
		source = m.Quota.Source.String()
	}
	set(memberInfo, 1, label(m.Version), v.Role(m), strconv.FormatBool(m.ID == v.Local), source)
	set(memberReachable, truth(answered))
	for _, kind := range []cluster.AlarmKind{cluster.AlarmNoSpace, cluster.AlarmCorrupt} {
		listed := false
		for _, a := range v.Alarms {
			listed = listed || a == cluster.Alarm{Member: m.ID, Kind: kind}
		}
		set(memberAlarm, truth(listed), kind.String())
	}
	if answered {
		set(memberSize, float64(m.SizeBytes))
		set(memberInUse, float64(m.InUseBytes))
		if m.Quota.Bytes > 0 {
			set(memberQuota, float64(m.Quota.Bytes))
		}
	}
	if v.Claims.Known {
		watched := false
		for _, w := range v.Claims.Watched {
			watched = watched || w == m.ID
		}
		set(memberWatched, truth(watched))
	}
}

// memory shows what was learned of a member before this poll.
func (to sink) memory(mm policy.MemberMemory, m cluster.Member) {
	who := []string{id(m.ID), label(m.Name)}
	trend := mm.Growth.Trend()
	if known := trend.Confidence.String(); known != "none" {
		to.set(memberGrowth, trend.InUseBytesPerSecond, who[0], who[1], known)
		left, growing := trend.TimeToQuota(m.SizeBytes, m.InUseBytes, m.Quota.Bytes)
		if growing && m.Contact == cluster.Answered {
			to.set(memberLeft, left.Seconds(), who...)
		}
	}
	if !mm.WorkedAt.IsZero() {
		to.seconds(memberWorkedAt, mm.WorkedAt, who...)
		to.set(memberFreed, float64(mm.WonBytes), who...)
		to.seconds(memberCooldown, mm.CooldownUntil(), who...)
	}
	if mm.CompactedRevision > 0 {
		to.set(memberCompacted, float64(mm.CompactedRevision), who...)
		to.set(memberKept, float64(mm.KeptRevisions), who...)
	}
}
