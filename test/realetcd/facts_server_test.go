package realetcd_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func disarmWithoutID(f fact) {
	other := f.Member(1).ID()
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, 0))
	want := "alarm:NOSPACE " // it names no member
	if f.line.Name >= "3.7" {
		want = "alarm:NOSPACE"
	}
	if told := f.status(0).Errors; !slices.Equal(told, []string{want}) {
		f.Errorf("status tells of an alarm without a member id as %q, want %q", told, want)
	}
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, other))
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_CORRUPT, 0))
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_CORRUPT, other))
	f.must(f.DisarmAlarm(f.Context(), pb.AlarmType_NOSPACE, 0))
	alarms, err := f.Alarms(f.Context())
	f.must(err)
	left := []string{"0:CORRUPT", fmt.Sprintf("%x:CORRUPT", other), fmt.Sprintf("%x:NOSPACE", other)}
	slices.Sort(left)
	if !slices.Equal(alarms, left) {
		f.Errorf("left are %v, want %v", alarms, left)
	}
}

func tooManyOperations(f fact) {
	commit := func(n int) error {
		var puts []clientv3.Op
		for i := range n {
			puts = append(puts, clientv3.OpPut(strconv.Itoa(i), "x"))
		}
		_, err := f.Client(0).Txn(f.Context()).Then(puts...).Commit()
		return err
	}
	f.must(commit(16))
	if err := commit(17); !errors.Is(err, rpctypes.ErrTooManyOps) || err.Error() != "etcdserver: too many operations in txn request" {
		f.Errorf("17 operations where 16 are allowed: %v", err)
	}
}

func metricsNameTheMember(f fact) {
	for i, m := range f.Members() {
		name := fmt.Sprintf("etcd_server_id{server_id=%q}", strconv.FormatUint(m.ID(), 16))
		if told := f.metric(i, name); told != "1" {
			f.Errorf("%s has %s %q, want 1", m.Name, name, told)
		}
	}
}

// restoreGoesBack: what is remembered of revisions is then about the future.
func restoreGoesBack(f fact) {
	put := func(n int) (revision int64) {
		for i := range n {
			answer, err := f.Client(0).Put(f.Context(), "key", strconv.Itoa(i))
			f.must(err)
			revision = answer.Header.Revision
		}
		return revision
	}
	saved := put(10)
	snapshot, err := f.SaveSnapshot(f.Context())
	f.must(err)
	put(50)
	before := map[string]*pb.ResponseHeader{}
	for i, m := range f.Members() {
		before[m.Name] = f.status(i).Header
	}
	f.must(f.Restore(f.Context(), snapshot))
	for i, m := range f.Members() {
		was, now := before[m.Name], f.status(i).Header
		if now.MemberId != was.MemberId || now.ClusterId != was.ClusterId {
			f.Errorf("%s was %x of cluster %x, and is %x of %x", m.Name, was.MemberId, was.ClusterId, now.MemberId, now.ClusterId)
		}
		if now.Revision != saved || now.RaftTerm > was.RaftTerm {
			f.Errorf("%s is at revision %d in term %d, want revision %d, and a term no higher than %d", m.Name, now.Revision, now.RaftTerm, saved, was.RaftTerm)
		}
		f.Logf("%s: revision %d to %d, term %d to %d", m.Name, was.Revision, now.Revision, was.RaftTerm, now.RaftTerm)
	}
	if next := put(1); next != saved+1 {
		f.Errorf("the first write after the restore has revision %d, want %d", next, saved+1)
	}
}

// compactionNeedsTheLog: a compaction logs that it has ended.
func compactionNeedsTheLog(f fact) {
	_, err := f.WriteLive(f.Context(), realetcd.Load{Prefix: "live", LiveBytes: 2 * mebibyte, ValueBytes: 4096, Seed: 1})
	f.must(err)
	i := f.follower()
	m := f.Member(i)
	f.must(m.HoldLog())
	revision := f.status(i).Header.Revision
	ctx, cancel := context.WithTimeout(f.Context(), time.Second)
	defer cancel()
	if _, err := m.Client().Compact(ctx, revision, clientv3.WithCompactPhysical()); !timedOut(err) {
		f.Errorf("a compaction at a member that cannot log: %v, want that the deadline ends the call", err)
	}
	f.status(i)
	f.must(m.LetLogFlow())
	realetcd.Eventually(f.T, 30*time.Second, "the compaction to end once the log flows", func() (bool, string) {
		all, err := m.Compactions()
		return err == nil && len(all) == 1 && all[0].Revision == revision, fmt.Sprint(all, err)
	})
}

func watchTellsCompacted(f fact) {
	for range 5 {
		_, err := f.Client(0).Put(f.Context(), "key", "value")
		f.must(err)
	}
	const compacted = 4
	_, err := f.Client(0).Compact(f.Context(), compacted)
	f.must(err)
	for i, m := range f.Members() {
		realetcd.Eventually(f.T, 10*time.Second, m.Name+" to have applied the compaction", func() (bool, string) {
			got, err := f.Client(i).Get(f.Context(), "key", clientv3.WithRev(compacted-1), clientv3.WithSerializable())
			return errors.Is(err, rpctypes.ErrCompacted), fmt.Sprint(got, err)
		})
		ctx, cancel := context.WithTimeout(f.Context(), 10*time.Second)
		answer := <-f.Client(i).Watch(ctx, "any", clientv3.WithRev(1))
		cancel()
		if answer.CompactRevision != compacted || !errors.Is(answer.Err(), rpctypes.ErrCompacted) {
			f.Errorf("%s answers a watch from revision 1 with %d, %v, want %d", m.Name, answer.CompactRevision, answer.Err(), compacted)
		}
	}
}

// metricsTellOfSnapshot: one that was started and not handled yet is in progress.
func metricsTellOfSnapshot(f fact) {
	_, err := f.WriteLive(f.Context(), realetcd.Load{Prefix: "live", LiveBytes: 16 * mebibyte, ValueBytes: 64 << 10, Seed: 1})
	f.must(err)
	inProgress := func() float64 {
		return f.sum(0, "grpc_server_started_total", "Snapshot") - f.sum(0, "grpc_server_handled_total", "Snapshot")
	}
	if n := inProgress(); n != 0 {
		f.Errorf("%v snapshots are in progress before the first", n)
	}
	for n := range 2 { // one ends with its reader, one when it has been read
		ctx, cancel := context.WithCancel(f.Context())
		stream, err := pb.NewMaintenanceClient(f.Client(0).ActiveConnection()).Snapshot(ctx, &pb.SnapshotRequest{})
		f.must(err)
		_, err = stream.Recv()
		f.must(err)
		if n := inProgress(); n != 1 {
			f.Errorf("%v snapshots are in progress while one is read, want 1", n)
		}
		for n == 1 && err == nil {
			_, err = stream.Recv()
		}
		cancel()
		realetcd.Eventually(f.T, 10*time.Second, "the snapshot to be counted as handled", func() (bool, string) {
			n := inProgress()
			return n == 0, fmt.Sprintf("%v are in progress", n)
		})
	}
	if started := f.sum(0, "grpc_server_started_total", "Snapshot"); started != 2 {
		f.Errorf("%v snapshots were started, want 2", started)
	}
}

// sum adds up the member's series of that name for a gRPC method.
func (f fact) sum(i int, name, method string) (total float64) {
	f.Helper()
	for _, line := range f.metrics(i) {
		labels, value, _ := strings.Cut(line, "} ")
		if strings.HasPrefix(labels, name+"{") && strings.Contains(labels, fmt.Sprintf("grpc_method=%q", method)) {
			n, err := strconv.ParseFloat(value, 64)
			f.must(err)
			total += n
		}
	}
	return total
}
