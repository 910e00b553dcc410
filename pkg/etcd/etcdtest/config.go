package etcdtest

import (
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Config is the cluster to begin with. There are no hidden defaults: start
// from DefaultConfig and change what the test is about.
type Config struct {
	ClusterID uint64
	Members   []MemberConfig
	Leader    cluster.MemberID

	RequestTimeout           time.Duration // of every request but the next, and but a defragmentation
	CompactTimeout           time.Duration
	DefragmentBytesPerSecond int64         // of the size in use
	CompactBytesPerSecond    int64         // of what is deleted
	CompactionLag            time.Duration // until the members that do not serve a compaction begin with it
	AlarmDelay               time.Duration // until an alarm that was raised while applying is listed
	MoveLeaderTime           time.Duration // that a move of the leadership takes
	ElectionTimeout          time.Duration // until the members notice that the leader is gone
}

// MemberConfig is one member to begin with. Its file is the sum of the three
// sizes, its size in use the sum of the first two.
type MemberConfig struct {
	ID      cluster.MemberID
	Name    string
	Learner bool
	Version string

	QuotaBytes int64         // what the server compares its file with; negative: no quota
	Seen       cluster.Quota // what observers say about it, right or wrong

	LiveBytes int64 // newest values of keys
	OldBytes  int64 // superseded values, gone with the next compaction
	FreeBytes int64 // pages in the file that a defragmentation gives back
}

const mebibyte = 1 << 20

// DefaultConfig returns a healthy cluster of n voters with the ids 1 to n,
// led by member 1: 64 MiB live in a file of 80 MiB, below a learnt quota of
// 512 MiB; a defragmentation takes 640 ms.
func DefaultConfig(n int) Config {
	c := Config{
		ClusterID:                0xc1,
		Leader:                   1,
		RequestTimeout:           5 * time.Second,
		CompactTimeout:           5 * time.Minute,
		DefragmentBytesPerSecond: 100 * mebibyte,
		CompactBytesPerSecond:    1000 * mebibyte,
		CompactionLag:            300 * time.Millisecond,
		AlarmDelay:               50 * time.Millisecond,
		MoveLeaderTime:           100 * time.Millisecond,
		ElectionTimeout:          time.Second,
	}
	for i := 1; i <= n; i++ {
		c.Members = append(c.Members, MemberConfig{
			ID:         cluster.MemberID(i),
			Name:       fmt.Sprintf("m%d", i),
			Version:    "3.6.16",
			QuotaBytes: 512 * mebibyte,
			Seen:       cluster.Quota{Bytes: 512 * mebibyte, Source: cluster.QuotaLearnt},
			LiveBytes:  64 * mebibyte,
			OldBytes:   8 * mebibyte,
			FreeBytes:  8 * mebibyte,
		})
	}
	return c
}
