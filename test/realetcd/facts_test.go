package realetcd_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// facts are what the program relies on and what the model can only assert of
// etcd: a server line for which one does not hold shows here by its name. What
// the program does with a cluster is in the contracts of packages claim and
// etcdtest, which each line keeps too.
var facts = []struct {
	name  string
	holds func(fact)
	with  func(*realetcd.Config) // nil: as it is
}{
	{"a defragmentation goes on after its caller's deadline, and blocks status, and the metrics tell of it", defragmentationBlocks, nil},
	{"raft goes on while a member is defragmented, and the other members serve writes", othersServe, nil},
	{"status and the serializable member list need no quorum, and writes do", noQuorum, nil},
	{"the alarm list is a proposal, and status is none", alarmListProposes, nil},
	{"the metrics tell the quota, and status does from 3.6 on", quotaIsTold, nil},
	{"an alarm is disarmed for the member that is named", disarmByID, nil},
	{"a physical compaction returns when the pages are free, also a second one", compactionIsABarrier, nil},

	{"the header of a linearizable read has the newest term, at every member, whatever happened before", readsHaveTheNewestTerm, nil},
	{"the leadership moves while NOSPACE is listed", leadershipMovesUnderNoSpace, nil},
	{"a member that is being defragmented answers the serializable member list, and a suspended one does not", blockedIsNotAbsent, nil},
	{"an alarm without a member id is disarmed alone, by the id 0", disarmWithoutID, nil},
	{"a transaction above --max-txn-ops is refused as such", tooManyOperations, flags("--max-txn-ops=16")},
	{"the metrics name the member that they are of", metricsNameTheMember, nil},
	{"a restore keeps the ids and goes back in revisions", restoreGoesBack, nil},
	{"a member that cannot log does not compact, and answers status", compactionNeedsTheLog, func(c *realetcd.Config) { c.LogPipe = true }},
	{"a watch from the first revision is answered with the compacted one", watchTellsCompacted, nil},
	{"the metrics tell of a snapshot that is being read", metricsTellOfSnapshot, nil},
}

// fact is a cluster of three on the stand.
type fact struct {
	*testing.T
	*realetcd.Cluster
	line realetcd.Line
}

func TestFacts(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		t.Parallel()
		for _, f := range facts {
			t.Run(f.name, func(t *testing.T) {
				cfg := realetcd.Config{Line: line, Members: 3, QuotaBytes: 256 * mebibyte, Args: []string{"--unsafe-no-fsync"}}
				if f.with != nil {
					f.with(&cfg)
				}
				f.holds(fact{t, realetcd.Start(t, cfg), line})
			})
		}
	})
}

// flags has every member run with those, too.
func flags(of ...string) func(*realetcd.Config) {
	return func(c *realetcd.Config) { c.Args = append(c.Args, of...) }
}

func (f fact) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f fact) status(i int) *clientv3.StatusResponse {
	f.Helper()
	s, err := f.Client(i).Status(f.Context(), f.Member(i).ClientURL)
	f.must(err)
	return s
}

// follower is the number of a member that does not lead.
func (f fact) follower() int {
	f.Helper()
	for i := range f.Members() {
		if s := f.status(i); s.Leader != f.Member(i).ID() {
			return i
		}
	}
	f.Fatal("every member leads")
	return 0
}

// metric is what the member's metrics say under that name; "" if nothing.
func (f fact) metric(i int, name string) string {
	f.Helper()
	for _, line := range f.metrics(i) {
		if value, is := strings.CutPrefix(line, name+" "); is {
			return value
		}
	}
	return ""
}

// metrics are the lines of the member's metrics.
func (f fact) metrics(i int) []string {
	f.Helper()
	request, err := http.NewRequestWithContext(f.Context(), http.MethodGet, f.Member(i).ClientURL+"/metrics", nil)
	f.must(err)
	answer, err := http.DefaultClient.Do(request)
	f.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	f.must(err)
	return strings.Split(string(text), "\n")
}

// defragmenting starts a defragmentation that lasts until the returned function is
// called: a snapshot that is being read, and whose reader rests, holds it up. That
// is a fact, too.
func (f fact) defragmenting(i int) (end func()) {
	f.Helper()
	_, err := f.WriteLive(f.Context(), realetcd.Load{Prefix: "live", LiveBytes: 32 * mebibyte, ValueBytes: 64 << 10, Seed: 1})
	f.must(err)
	reading, done := context.WithCancel(f.Context())
	f.Cleanup(done)
	stream, err := pb.NewMaintenanceClient(f.Client(i).ActiveConnection()).Snapshot(reading, &pb.SnapshotRequest{})
	f.must(err)
	_, err = stream.Recv()
	f.must(err)
	ctx, cancel := context.WithTimeout(f.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := f.Client(i).Defragment(ctx, f.Member(i).ClientURL); !timedOut(err) {
		f.Fatalf("a defragmentation beside a snapshot: %v, want that the deadline ends the call", err)
	}
	return done
}

func timedOut(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded
}

func defragmentationBlocks(f fact) {
	i := f.follower()
	end := f.defragmenting(i)
	ctx, cancel := context.WithTimeout(f.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := f.Client(i).Status(ctx, f.Member(i).ClientURL); !timedOut(err) {
		f.Errorf("status of a member that is being defragmented: %v, want no answer", err)
	}
	if told := f.metric(i, "etcd_disk_defrag_inflight"); told != "1" {
		f.Errorf("etcd_disk_defrag_inflight is %q meanwhile, want 1", told)
	}
	end()
	realetcd.Eventually(f.T, 30*time.Second, "the defragmentation to complete", func() (bool, string) {
		all, err := f.Member(i).Defragmentations()
		return err == nil && len(all) == 1 && all[0].Completed, "it goes on"
	})
	f.status(i)
	if told := f.metric(i, "etcd_disk_defrag_inflight"); told != "0" {
		f.Errorf("etcd_disk_defrag_inflight is %q afterwards, want 0", told)
	}
}

func othersServe(f fact) {
	i := f.follower()
	other := (i + 1) % 3
	before := f.status(other)
	end := f.defragmenting(i)
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	_, err := f.Client(other).Put(ctx, "x", "y")
	f.must(err)
	if now := f.status(other); now.Leader != before.Leader || now.RaftTerm != before.RaftTerm {
		f.Errorf("leader %x in term %d, now %x in term %d", before.Leader, before.RaftTerm, now.Leader, now.RaftTerm)
	}
	end()
	realetcd.Eventually(f.T, 30*time.Second, "the member to catch up", func() (bool, string) {
		ctx, cancel := context.WithTimeout(f.Context(), time.Second)
		defer cancel()
		got, err := f.Client(i).Get(ctx, "x", clientv3.WithSerializable())
		return err == nil && got.Count == 1, "it has not"
	})
}

func noQuorum(f fact) {
	f.must(f.Member(1).Kill())
	f.must(f.Member(2).Kill())
	realetcd.Eventually(f.T, 30*time.Second, "the leader to be lost", func() (bool, string) {
		s := f.status(0)
		return s.Leader == 0, "there is one"
	})
	ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
	defer cancel()
	list, err := f.Client(0).MemberList(ctx, clientv3.WithSerializable())
	f.must(err)
	if len(list.Members) != 3 {
		f.Errorf("%d members are listed, want 3", len(list.Members))
	}
	brief, stop := context.WithTimeout(f.Context(), 500*time.Millisecond)
	defer stop()
	if _, err := f.Client(0).Put(brief, "x", "y"); err == nil {
		f.Error("a write without a quorum is acknowledged")
	}
}

func alarmListProposes(f fact) {
	_, err := f.Client(0).Put(f.Context(), "x", "y") // the cluster has settled
	f.must(err)
	var before uint64
	// A cluster that has just come up proposes its version once more.
	realetcd.Eventually(f.T, 10*time.Second, "the raft index to stay as it is beside ten looks", func() (bool, string) {
		before = f.status(0).RaftIndex
		for range 10 {
			f.status(0)
		}
		return f.status(0).RaftIndex == before, "it moves"
	})
	_, err = f.Client(0).AlarmList(f.Context())
	f.must(err)
	if after := f.status(0).RaftIndex; after <= before {
		f.Errorf("the raft index is %d, and %d after an alarm list", before, after)
	}
}

func quotaIsTold(f fact) {
	if told := f.metric(0, "etcd_server_quota_backend_bytes"); told != "2.68435456e+08" {
		f.Errorf("etcd_server_quota_backend_bytes is %q, want 256 MiB", told)
	}
	want := int64(256 * mebibyte)
	if f.line.Name < "3.6" {
		want = 0
	}
	if got := f.status(0).DbSizeQuota; got != want {
		f.Errorf("status tells a quota of %d, want %d", got, want)
	}
}

func disarmByID(f fact) {
	ids := []uint64{f.Member(0).ID(), f.Member(1).ID()}
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, ids[0]))
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, ids[1]))
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_CORRUPT, ids[0]))
	f.must(f.DisarmAlarm(f.Context(), pb.AlarmType_NOSPACE, ids[0]))
	list, err := f.Client(0).AlarmList(f.Context())
	f.must(err)
	var left []string
	for _, a := range list.Alarms {
		for i, m := range f.Members() {
			if m.ID() == a.MemberID {
				left = append(left, string(rune('0'+i))+" "+a.Alarm.String())
			}
		}
	}
	slices.Sort(left)
	if got := strings.Join(left, ", "); got != "0 CORRUPT, 1 NOSPACE" {
		f.Errorf("left are %s, want CORRUPT of 0 and NOSPACE of 1", got)
	}
}

func compactionIsABarrier(f fact) {
	for range 20 {
		_, err := f.WriteLive(f.Context(), realetcd.Load{Prefix: "live", LiveBytes: 2 * mebibyte, ValueBytes: 4096, Seed: 1})
		f.must(err)
	}
	full := f.status(0)
	_, err := f.Client(0).Compact(f.Context(), full.Header.Revision, clientv3.WithCompactPhysical())
	f.must(err)
	ended, err := f.Member(0).Compactions()
	f.must(err)
	if len(ended) != 1 || ended[0].Revision != full.Header.Revision {
		f.Errorf("as it returns, the member has logged the end of %v, want that of revision %d", ended, full.Header.Revision)
	}
	_, err = f.Client(0).Compact(f.Context(), full.Header.Revision, clientv3.WithCompactPhysical())
	if err == nil || !strings.Contains(err.Error(), "compacted") {
		f.Errorf("compacted a second time: %v, want that it says so", err)
	}
}
