package etcd

import (
	"context"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// quotaMemory is what a member's metrics said about its quota. It holds for one
// process of the server: another connection, URL or version may be another one.
type quotaMemory struct {
	from  process
	known bool
	bytes int64
	again time.Time     // not known: not asked before this
	wait  time.Duration // not known: how long the last pause was
}

// process tells one run of a server from the next as far as a client can.
type process struct {
	url, version string
	dials        int64
}

// Where a server's metrics cannot be read, they are asked for again after the
// first pause, then each time after one twice as long, up to the longest.
const (
	firstMetricsPause   = 10 * time.Second
	longestMetricsPause = 5 * time.Minute
)

// quota finds a member's quota: what it says itself rules, in its status (3.6
// and later) or else its metrics, then what is configured, then etcd's default.
// It is called while the member's own answer is fresh, so the metrics at the
// same URL are its own.
func (l *look) quota(ctx context.Context, id cluster.MemberID, a answer) (cluster.Quota, quotaMemory) {
	memory := l.past[id].quota
	q := cluster.Quota{Bytes: cluster.DefaultQuotaBytes, Source: cluster.QuotaAssumed, ConfiguredBytes: l.c.opts.QuotaBackendBytes}
	if told := a.status.DbSizeQuota; told != 0 {
		q.Bytes, q.Source = told, cluster.QuotaLearnt
		return q, memory
	}
	memory = l.learnQuota(ctx, memory, id, a)
	switch {
	case memory.known:
		q.Bytes, q.Source = memory.bytes, cluster.QuotaLearnt
	case l.c.opts.QuotaBackendBytes != 0:
		q.Bytes, q.Source = l.c.opts.QuotaBackendBytes, cluster.QuotaConfigured
	}
	return q, memory
}

// learnQuota reads the quota from the member's metrics, unless it is known, or
// was asked for in vain a short while ago.
func (l *look) learnQuota(ctx context.Context, memory quotaMemory, id cluster.MemberID, a answer) quotaMemory {
	from := process{url: a.url, version: a.status.Version}
	if k, err := l.c.conn(a.url); err == nil {
		from.dials = k.dials.Load()
	}
	if memory.from != from {
		memory = quotaMemory{from: from}
	}
	if memory.known || l.now.Before(memory.again) {
		return memory
	}
	samples, err := l.c.scrape(ctx, id, l.c.metricsOf(l.known, id, a.url), metricQuota)
	if bytes, ok := samples[metricQuota]; err == nil && ok {
		memory.known, memory.bytes = true, int64(bytes)
		if memory.bytes == 0 {
			memory.bytes = cluster.DefaultQuotaBytes
		}
		return memory
	}
	memory.wait = min(max(2*memory.wait, firstMetricsPause), longestMetricsPause)
	memory.again = l.now.Add(memory.wait)
	return memory
}
