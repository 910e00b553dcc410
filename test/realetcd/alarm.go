package realetcd

import (
	"context"
	"fmt"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// RaiseAlarm lists an alarm of the member with that id, as a member that finds
// a reason does. The id 0 is what the gateway lists for a request without one.
func (c *Cluster) RaiseAlarm(ctx context.Context, kind pb.AlarmType, id uint64) error {
	return c.alarm(ctx, pb.AlarmRequest_ACTIVATE, kind, id)
}

// DisarmAlarm takes exactly that alarm from the list. The client library cannot
// do this for the id 0: it takes it for "every alarm".
func (c *Cluster) DisarmAlarm(ctx context.Context, kind pb.AlarmType, id uint64) error {
	return c.alarm(ctx, pb.AlarmRequest_DEACTIVATE, kind, id)
}

func (c *Cluster) alarm(ctx context.Context, action pb.AlarmRequest_AlarmAction, kind pb.AlarmType, id uint64) error {
	via, err := c.voter(ctx, nil)
	if err == nil {
		_, err = pb.NewMaintenanceClient(via.Client().ActiveConnection()).Alarm(ctx,
			&pb.AlarmRequest{Action: action, Alarm: kind, MemberID: id})
	}
	if err != nil {
		return fmt.Errorf("%v alarm %v of member %x: %w", action, kind, id, err)
	}
	return nil
}
