package scenario

import (
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// silentQuota is flags of 3.5 with which no client can learn the quota: the
// status does not have it, and /metrics is somewhere else.
func silentQuota(c *realetcd.Config) {
	c.Args = append(c.Args, "--listen-client-http-urls=http://127.0.0.1:0")
}

// The quota is assumed to be 2 GiB and is much smaller: the cluster is healed
// all the same.
func TestQuotaIsSmallerThanAssumed(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 3, silentQuota)
	s.watch(settings{})
	s.write()
	s.fill()
	s.eachDog("quota_assumed", 1)
	s.healed()
	s.unclaimed()
	s.end(s.each())
}

// The quota is assumed to be 2 GiB and is larger: a file of more than that is
// no reason to do anything.
func TestQuotaIsLargerThanAssumed(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 1, silentQuota, func(c *realetcd.Config) {
		c.QuotaBytes = 8 << 30
		c.Args = append(c.Args, "--snapshot-count=100", "--max-wals=1", "--unsafe-no-fsync")
	})
	s.watch(settings{})
	for n := range 9 {
		load := realetcd.Load{Prefix: "data", LiveBytes: 256 * mebibyte, ValueBytes: mebibyte - 200, Seed: uint64(n)}
		_, err := s.WriteLive(t.Context(), load)
		s.must(err)
	}
	status, err := s.Client(0).Status(t.Context(), s.Member(0).ClientURL)
	s.must(err)
	if status.DbSize < 2<<30 {
		t.Fatalf("the file has %d bytes, no more than is assumed", status.DbSize)
	}
	s.polls(5)
	s.untouched()
	s.once("quota_assumed", 1)
}

// What is configured counts where the members cannot be asked, and not where
// they can.
func TestQuotaIsConfigured(t *testing.T) {
	whole(t)
	t.Run("and cannot be learnt", func(t *testing.T) {
		s := stage(t, "3.5", 3, silentQuota)
		s.watch(settings{etcd: map[string]string{"quota-backend-bytes": "64MiB"}})
		s.write()
		s.fill()
		s.healed()
		s.unclaimed()
		s.end(s.each())
		s.never("quota_assumed", "quota_differs")
	})
	t.Run("and another one is learnt", func(t *testing.T) {
		s := stage(t, "3.4", 1)
		s.watch(settings{etcd: map[string]string{"quota-backend-bytes": "1GiB"}})
		s.fill()
		s.healed()
		s.end(s.each())
		s.once("quota_differs", 1)
	})
}
