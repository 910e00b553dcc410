package etcd_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

func TestOutcomeOfADefragmentation(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  error
		unknown bool
		says    string
	}{
		"permission denied":                    {rpctypes.ErrGRPCPermissionDenied, false, "grant it the role root"},
		"permission denied, as 3.5 says it":    {errors.New("auth: permission denied"), false, "grant it the role root"},
		"it was tried and failed":              {errors.New("write db.tmp.1: no space left on device"), false, "no space left on device"},
		"a learner":                            {rpctypes.ErrGRPCNotSupportedForLearner, false, "learner"},
		"the server timed out":                 {rpctypes.ErrGRPCTimeout, true, "timed out"},
		"the server is stopping":               {rpctypes.ErrGRPCStopped, true, "stopped"},
		"the server's own deadline":            {context.DeadlineExceeded, true, "no answer"},
		"the server's handler was broken off":  {status.Error(codes.Canceled, "cancelled over there"), true, "broken off"},
		"a code that connections use as well":  {status.Error(codes.Unavailable, "try later"), true, "try later"},
		"an internal error":                    {status.Error(codes.Internal, "stream"), true, "stream"},
		"what the client retries by its habit": {status.Error(codes.Unavailable, "there is no address available"), true, "no address"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, 0xa)
			f.defragment = func() error { return tc.answer }
			c := open(t, f.url)
			observe(t, c)
			err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: f.id()})
			if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) != tc.unknown || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want one that says %q, unknown: %t", err, tc.says, tc.unknown)
			}
			if f.defragments != 1 || f.deadline {
				t.Errorf("sent %d times, deadline %t; want once and none", f.defragments, f.deadline)
			}
		})
	}
}

func TestConnectionLostDuringADefragmentation(t *testing.T) {
	f := startFake(t, 0xa)
	f.defragment = func() error {
		go f.server.Stop()
		<-t.Context().Done()
		return nil
	}
	c := open(t, f.url)
	observe(t, c)
	err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepDefragment, Member: f.id()})
	if !errors.Is(err, cluster.ErrOutcomeUnknown) || !strings.Contains(err.Error(), "broke") {
		t.Errorf("error %v, want an unknown outcome for a broken connection", err)
	}
	if f.defragments != 1 {
		t.Errorf("sent %d times, want once", f.defragments)
	}
}

func TestDefragmentationBrokenOff(t *testing.T) {
	f := startFake(t, 0xa)
	ctx, cancel := context.WithCancelCause(t.Context())
	lost := errors.New("the claim was lost")
	f.defragment = func() error {
		cancel(lost)
		<-t.Context().Done()
		return nil
	}
	c := open(t, f.url)
	observe(t, c)
	step := cluster.Step{Kind: cluster.StepDefragment, Member: f.id()}
	if err := c.Do(ctx, step); !errors.Is(err, cluster.ErrOutcomeUnknown) || !strings.Contains(err.Error(), lost.Error()) {
		t.Errorf("error %v, want an unknown outcome and the cause", err)
	}
	err := c.Do(ctx, step) // the context has ended before
	if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) || f.defragments != 1 {
		t.Errorf("error %v after %d requests, want a plain failure and no second request", err, f.defragments)
	}
}

func TestStepsAreRefusedBeforeAnythingIsSent(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*fakeMember)
		step   cluster.Step
		says   string
	}{
		"disarm another kind":         {nil, cluster.Step{Kind: cluster.StepDisarm, Alarm: cluster.AlarmCorrupt, Member: 0xa}, "only NOSPACE"},
		"disarm without a kind":       {nil, cluster.Step{Kind: cluster.StepDisarm, Member: 0xa}, "only NOSPACE"},
		"compact without a revision":  {nil, cluster.Step{Kind: cluster.StepCompact, Member: 0xa}, "no such revision"},
		"move the leader to itself":   {nil, cluster.Step{Kind: cluster.StepMoveLeader, Member: 0xa, To: 0xa}, "no other member"},
		"no kind":                     {nil, cluster.Step{Member: 0xa}, "no such step"},
		"a member that is not listed": {nil, cluster.Step{Kind: cluster.StepDefragment, Member: 0xff}, "not in the member list"},
		"another member answers": {func(f *fakeMember) { f.status.Header.MemberId = 0xb },
			cluster.Step{Kind: cluster.StepDefragment, Member: 0xa}, "is answered by member b"},
		"another cluster answers": {func(f *fakeMember) { f.status.Header.ClusterId = 0xc2 },
			cluster.Step{Kind: cluster.StepDefragment, Member: 0xa}, "of cluster c2"},
		"the member is gone": {func(f *fakeMember) { f.server.Stop() },
			cluster.Step{Kind: cluster.StepDefragment, Member: 0xa}, "connection refused"},
		"CORRUPT is listed, defragment": {func(f *fakeMember) { f.status.Errors = []string{"memberID:10 alarm:CORRUPT "} },
			cluster.Step{Kind: cluster.StepDefragment, Member: 0xa}, "CORRUPT"},
		"CORRUPT is listed, disarm": {func(f *fakeMember) { f.status.Errors = []string{"memberID:10 alarm:CORRUPT "} },
			cluster.Step{Kind: cluster.StepDisarm, Member: 0xa, Alarm: cluster.AlarmNoSpace}, "CORRUPT"},
		"another one leads": {func(f *fakeMember) { f.status.Leader = 0xd },
			cluster.Step{Kind: cluster.StepMoveLeader, Member: 0xa, To: 0xb}, "member d does"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, 0xa)
			c := open(t, f.url)
			observe(t, c)
			if tc.change != nil {
				f.set(func() { tc.change(f) })
			}
			err := c.Do(t.Context(), tc.step)
			if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("error %v, want a plain failure that says %q", err, tc.says)
			}
			if f.defragments != 0 || f.alarmRequests != 0 {
				t.Errorf("%d defragmentations and %d alarm requests were sent", f.defragments, f.alarmRequests)
			}
		})
	}
}

func TestDoneAlreadyIsSuccess(t *testing.T) {
	f := startFake(t, 0xa)
	f.compact = func() error { return rpctypes.ErrGRPCCompacted }
	c := open(t, f.url, func(o *etcd.Options) { o.QuotaBackendBytes = 5 })
	observe(t, c)
	f.set(func() { f.status.Leader = 0xb })
	for _, s := range []cluster.Step{
		{Kind: cluster.StepCompact, Member: 0xa, Revision: 5},
		{Kind: cluster.StepMoveLeader, Member: 0xa, To: 0xb},
		{Kind: cluster.StepDisarm, Member: 0xe, Alarm: cluster.AlarmNoSpace}, // nothing listed, and not even a member
	} {
		if err := c.Do(t.Context(), s); err != nil {
			t.Errorf("%v, want success", err)
		}
	}
	if f.compaction.Revision != 5 || !f.compaction.Physical {
		t.Errorf("asked for %v, want a physical compaction at 5", f.compaction)
	}
	f.set(func() { f.compact = func() error { return rpctypes.ErrGRPCFutureRev } })
	err := c.Do(t.Context(), cluster.Step{Kind: cluster.StepCompact, Member: 0xa, Revision: 500})
	if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
		t.Errorf("error %v for a revision that does not exist yet, want a plain failure", err)
	}
}

func TestDisarmGoesToWhomeverItReaches(t *testing.T) {
	local, other := startFake(t, 0xb), startFake(t, 0xa)
	local.list = []*pb.Member{{ID: 0xb, Name: "local", ClientURLs: []string{local.url}}, {ID: 0xa, Name: "other", ClientURLs: []string{other.url}}}
	c := open(t, local.url)
	observe(t, c)
	disarm := cluster.Step{Kind: cluster.StepDisarm, Member: 0xa, Alarm: cluster.AlarmNoSpace}
	for range 2 {
		if err := c.Do(t.Context(), disarm); err != nil {
			t.Error(err)
		}
		local.server.Stop()
	}
	if local.alarmRequests != 1 || other.alarmRequests != 1 {
		t.Errorf("%d requests to the local member and %d to the other one, want one each", local.alarmRequests, other.alarmRequests)
	}
	for _, r := range []*pb.AlarmRequest{local.alarm, other.alarm} {
		if r.Action != pb.AlarmRequest_DEACTIVATE || r.MemberID != 0xa || r.Alarm != pb.AlarmType_NOSPACE {
			t.Errorf("request %v, want NOSPACE of member a disarmed and nothing else", r)
		}
	}
}
