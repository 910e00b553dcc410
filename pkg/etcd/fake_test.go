package etcd_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// fakeMember is a server that says whatever a test wants, for what a real
// member does not do on request. It has no behaviour of its own.
type fakeMember struct {
	pb.UnimplementedMaintenanceServer
	pb.UnimplementedClusterServer
	pb.UnimplementedKVServer

	url    string
	server *grpc.Server

	mu            sync.Mutex
	status        pb.StatusResponse
	list          []*pb.Member
	alarms        []*pb.AlarmMember
	alarmRequests int              // requests for the alarm list, to raise or to disarm
	alarm         *pb.AlarmRequest // the last of them
	defragments   int
	deadline      bool // the last Defragment had one
	defragment    func() error
	compact       func() error
	compaction    *pb.CompactionRequest // the last one
	keys          func(*pb.RangeRequest) (*pb.RangeResponse, error)
}

// clusterID is the one that fake members claim to be of.
const clusterID = 0xc1

// startFake runs a fake member of that id, alone in its member list.
func startFake(t *testing.T, id uint64) *fakeMember {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveFake(t, id, "http", listener)
}

// serveFake runs a fake member on a listener.
func serveFake(t *testing.T, id uint64, scheme string, listener net.Listener) *fakeMember {
	f := &fakeMember{url: scheme + "://" + listener.Addr().String(), server: grpc.NewServer()}
	f.status = pb.StatusResponse{
		Header:  &pb.ResponseHeader{ClusterId: clusterID, MemberId: id, Revision: 7},
		Version: "3.6.16", Leader: id, RaftTerm: 2, DbSize: 100, DbSizeInUse: 50, DbSizeQuota: 1000,
	}
	f.list = []*pb.Member{{ID: id, Name: "fake", ClientURLs: []string{f.url}}}
	pb.RegisterMaintenanceServer(f.server, f)
	pb.RegisterClusterServer(f.server, f)
	pb.RegisterKVServer(f.server, f)
	go func() { _ = f.server.Serve(listener) }()
	t.Cleanup(f.server.Stop)
	return f
}

// set changes what the member says.
func (f *fakeMember) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeMember) id() cluster.MemberID { return cluster.MemberID(f.status.Header.MemberId) }

func (f *fakeMember) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &pb.StatusResponse{
		Header: f.header(), Version: f.status.Version, Leader: f.status.Leader, RaftTerm: f.status.RaftTerm,
		DbSize: f.status.DbSize, DbSizeInUse: f.status.DbSizeInUse, DbSizeQuota: f.status.DbSizeQuota,
		Errors: f.status.Errors,
	}, nil
}

func (f *fakeMember) header() *pb.ResponseHeader {
	h := f.status.Header
	return &pb.ResponseHeader{ClusterId: h.ClusterId, MemberId: h.MemberId, Revision: h.Revision}
}

func (f *fakeMember) MemberList(context.Context, *pb.MemberListRequest) (*pb.MemberListResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return &pb.MemberListResponse{Header: f.header(), Members: f.list}, nil
}

func (f *fakeMember) Alarm(_ context.Context, r *pb.AlarmRequest) (*pb.AlarmResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.alarmRequests++
	f.alarm = r
	return &pb.AlarmResponse{Header: f.header(), Alarms: f.alarms}, nil
}

func (f *fakeMember) Defragment(ctx context.Context, _ *pb.DefragmentRequest) (*pb.DefragmentResponse, error) {
	f.mu.Lock()
	f.defragments++
	_, f.deadline = ctx.Deadline()
	answer := f.defragment
	f.mu.Unlock()
	if answer != nil {
		return nil, answer()
	}
	return &pb.DefragmentResponse{}, nil
}

func (f *fakeMember) Compact(_ context.Context, r *pb.CompactionRequest) (*pb.CompactionResponse, error) {
	f.mu.Lock()
	f.compaction = r
	answer := f.compact
	f.mu.Unlock()
	if answer != nil {
		return nil, answer()
	}
	return &pb.CompactionResponse{}, nil
}

// Range answers one request after the other.
func (f *fakeMember) Range(_ context.Context, r *pb.RangeRequest) (*pb.RangeResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.keys(r)
}

// open opens a Cluster at a URL.
func open(t *testing.T, u string, change ...func(*etcd.Options)) *etcd.Cluster {
	t.Helper()
	opts := etcd.DefaultOptions()
	opts.Endpoint = u
	opts.RequestTimeout = 2 * time.Second
	for _, f := range change {
		f(&opts)
	}
	c, err := etcd.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}
