package policy

import "github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"

const (
	// worthwhile is the share of the quota from which on free pages count as
	// something to win under NOSPACE, where nothing else is asked of the work.
	// Below it a defragmentation would run for the sake of a few pages.
	worthwhile Share = 0.01
	// worthwhileAgain is the same for a member that has been defragmented since
	// the alarm was raised.
	worthwhileAgain Share = 0.05

	// A file that cannot become smaller has to be this far below its quota
	// before the alarm is disarmed all the same.
	tightShare  Share = 0.02
	tightBytes        = 16 << 20
	tightDivide       = 4 // of a small quota, at most this part

	// caughtUpWithin is how far a member's applied index may be behind the
	// highest one. Members of a busy healthy cluster are a few entries apart.
	caughtUpWithin = 1000
)

// quotaOf returns the quota by which a member is measured. An assumed quota
// may be too large: under NOSPACE some file has reached its quota, so it is
// taken to be at most the largest voter's file.
func quotaOf(m cluster.Member, v cluster.View, mem Memory) cluster.Quota {
	q := m.Quota
	if !q.Trusted() && v.Alarmed(cluster.AlarmNoSpace) && mem.ArmedTopSize > 0 {
		q.Bytes = min(q.Bytes, mem.ArmedTopSize)
	}
	return q
}

// atLeast reports that n bytes are s of the quota or more. Without a quota
// nothing ever is.
func atLeast(n int64, q cluster.Quota, s Share) bool {
	return q.Bytes > 0 && float64(n) >= float64(s)*float64(q.Bytes)
}

// needsWork reports that a member's file is too large to be left alone: under
// NOSPACE for the alarm to be disarmed, else for its quota.
func needsWork(l Limits, m cluster.Member, q cluster.Quota) bool {
	return !m.Learner && m.Contact == cluster.Answered && atLeast(m.SizeBytes, q, min(l.DisarmBelow, l.DefragmentAt))
}

// clearOfQuota is the condition for disarming when no file can become smaller:
// each at least 2 % of its quota and 16 MiB (a quarter of small quotas) below.
func clearOfQuota(m cluster.Member, q cluster.Quota) bool {
	if q.Unlimited() {
		return true
	}
	margin := max(int64(float64(tightShare)*float64(q.Bytes)), min(int64(tightBytes), q.Bytes/tightDivide))
	return m.SizeBytes <= q.Bytes-margin
}
