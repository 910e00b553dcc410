package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Do carries one step out. What is done already is success. An error that wraps
// cluster.ErrOutcomeUnknown says that the request was sent and not answered: it
// may have happened, may be happening, and for DeliveryBound may still begin.
// Any other error says that the step did not happen, or ended in failure.
//
// Each step has a connection of its own, closed when Do returns. On it the
// member first says who it is, then ready is asked, if there is one, and the
// request leaves; a defragmentation has no deadline but ctx, the other steps have
// theirs. A member that the last observation did not know is an error.
func (c *Cluster) Do(ctx context.Context, s cluster.Step, ready ...func() error) error {
	if err := check(s); err != nil {
		return err
	}
	var err error
	switch s.Kind {
	case cluster.StepCompact:
		err = c.compact(ctx, s, ready)
	case cluster.StepMoveLeader:
		err = c.moveLeader(ctx, s, ready)
	case cluster.StepDefragment:
		err = c.defragment(ctx, s, ready)
	case cluster.StepDisarm:
		err = c.disarm(ctx, s, ready)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s, err)
	}
	return nil
}

// check refuses what no caller may ask for.
func check(s cluster.Step) error {
	switch {
	case s.Kind < cluster.StepCompact || s.Kind > cluster.StepDisarm:
		return fmt.Errorf("%s: no such step", s)
	case s.Member == 0 && s.Kind != cluster.StepDisarm:
		return fmt.Errorf("%s: refused: the step names no member", s)
	case s.Kind == cluster.StepDisarm && s.Alarm != cluster.AlarmNoSpace:
		return fmt.Errorf("%s: refused: only NOSPACE is ever disarmed", s)
	case s.Kind == cluster.StepMoveLeader && (s.To == 0 || s.To == s.Member):
		return fmt.Errorf("%s: refused: the step names no other member to lead", s)
	case s.Kind == cluster.StepCompact && s.Revision <= 0:
		return fmt.Errorf("%s: refused: no such revision", s)
	}
	return nil
}

// line is a connection on which one member has just said who it is.
type line struct {
	client *clientv3.Client
	url    string
	status *pb.StatusResponse
}

func (l *line) maintenance() pb.MaintenanceClient {
	return pb.NewMaintenanceClient(l.client.ActiveConnection())
}

// close ends the connection. Nothing on it is waited for any more.
func (l *line) close() { _ = l.client.Close() }

var errCorrupt = errors.New("refused: a CORRUPT alarm is listed, and nothing is done to the cluster until it is gone: find the corrupt member (etcdctl endpoint hashkv --cluster) and replace it")

// reach connects to a member for one step. Each error says that nothing was
// sent but a question for the status.
func (c *Cluster) reach(ctx context.Context, id cluster.MemberID) (*line, error) {
	known, past := c.recall()
	m, listed := known.member(id)
	if !listed {
		return nil, fmt.Errorf("member %s is not in the member list", id)
	}
	var errs []error
	for _, u := range c.urls(known, m, past[id].was) {
		l, err := c.open(ctx, known, id, u)
		if err == nil || errors.Is(err, errCorrupt) {
			return l, err
		}
		errs = append(errs, err)
	}
	if len(errs) == 0 {
		return nil, fmt.Errorf("member %s advertises no client URL", id)
	}
	return nil, errors.Join(errs...)
}

// open connects to one URL and makes sure that the member answers there, and
// that it lists no CORRUPT alarm.
func (c *Cluster) open(ctx context.Context, k known, id cluster.MemberID, u string) (*line, error) {
	client, err := c.connectOnce(u)
	if err != nil {
		return nil, err
	}
	l := &line{client: client, url: u}
	l.status, err = c.status(ctx, client)
	if contact, why := c.judge(k, id, answer{url: u, status: l.status, err: err}); contact != cluster.Answered {
		l.close()
		return nil, errors.New(why)
	}
	alarms, _ := parseAlarms(id, l.status.Errors)
	if slices.ContainsFunc(alarms, func(a cluster.Alarm) bool { return a.Kind == cluster.AlarmCorrupt }) {
		l.close()
		return nil, errCorrupt
	}
	return l, nil
}

func (c *Cluster) compact(ctx context.Context, s cluster.Step, ready []func() error) error {
	l, err := c.reach(ctx, s.Member)
	if err != nil {
		return err
	}
	defer l.close()
	err = l.send(ctx, c.opts.CompactTimeout, ready, func(ctx context.Context, opts ...grpc.CallOption) error {
		_, err := pb.NewKVClient(l.client.ActiveConnection()).Compact(ctx,
			&pb.CompactionRequest{Revision: s.Revision, Physical: true}, opts...)
		return err
	})
	// A physical compaction at a revision that is compacted already is refused
	// only after the deletion that it has to wait for has ended.
	if says(err, rpctypes.ErrCompacted) {
		return nil
	}
	return err
}

func (c *Cluster) moveLeader(ctx context.Context, s cluster.Step, ready []func() error) error {
	l, err := c.reach(ctx, s.Member)
	if err != nil {
		return err
	}
	defer l.close()
	switch cluster.MemberID(l.status.Leader) {
	case s.To:
		return nil
	case s.Member:
	default:
		return fmt.Errorf("member %s does not lead, member %x does", s.Member, l.status.Leader)
	}
	err = l.send(ctx, c.opts.RequestTimeout, ready, func(ctx context.Context, opts ...grpc.CallOption) error {
		_, err := l.maintenance().MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: uint64(s.To)}, opts...)
		return err
	})
	if says(err, rpctypes.ErrNotLeader) {
		if now, e := c.status(ctx, l.client); e == nil && now.Leader == uint64(s.To) {
			return nil
		}
	}
	return err
}

func (c *Cluster) defragment(ctx context.Context, s cluster.Step, ready []func() error) error {
	l, err := c.reach(ctx, s.Member)
	if err != nil {
		return err
	}
	defer l.close()
	err = l.send(ctx, 0, ready, func(ctx context.Context, opts ...grpc.CallOption) error {
		_, err := l.maintenance().Defragment(ctx, &pb.DefragmentRequest{}, opts...)
		return err
	})
	c.pings.note(l.url, c.opts.KeepAliveTime, err)
	return err
}

// disarm sends the request to the local member, or else to the first other one
// that takes it: any member can propose it, and the one whose alarm it is may
// have been removed. To the server an alarm that is not listed is no error.
func (c *Cluster) disarm(ctx context.Context, s cluster.Step, ready []func() error) error {
	var errs []error
	for _, id := range c.nearest() {
		l, err := c.reach(ctx, id)
		if errors.Is(err, errCorrupt) {
			return err
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		err = l.send(ctx, c.opts.RequestTimeout, ready, func(ctx context.Context, opts ...grpc.CallOption) error {
			_, err := l.maintenance().Alarm(ctx, &pb.AlarmRequest{
				Action:   pb.AlarmRequest_DEACTIVATE,
				MemberID: uint64(s.Member),
				Alarm:    pb.AlarmType_NOSPACE,
			}, opts...)
			return err
		})
		l.close()
		return err
	}
	if len(errs) == 0 {
		return errors.New("no member is known to send it to: look at the cluster first")
	}
	return errors.Join(errs...)
}

// nearest returns the local member, then the others that answered in the last
// look.
func (c *Cluster) nearest() []cluster.MemberID {
	known, past := c.recall()
	var ids []cluster.MemberID
	for _, m := range known.members {
		if m.ID == known.local {
			ids = slices.Insert(ids, 0, m.ID)
		} else if past[m.ID].at != "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
