package realetcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// AddMember adds a voter, starts it and waits until it serves.
func (c *Cluster) AddMember(ctx context.Context) (*Member, error) {
	return c.add(ctx, clientv3.Cluster.MemberAdd)
}

// AddLearner adds a learner, starts it and waits until it answers.
func (c *Cluster) AddLearner(ctx context.Context) (*Member, error) {
	return c.add(ctx, clientv3.Cluster.MemberAddAsLearner)
}

type addition func(clientv3.Cluster, context.Context, []string) (*clientv3.MemberAddResponse, error)

func (c *Cluster) add(ctx context.Context, how addition) (*Member, error) {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	m, err := c.makeMember()
	if err != nil {
		return nil, fmt.Errorf("add a member: %w", err)
	}
	via, err := c.voter(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", m.Name, err)
	}
	var added *clientv3.MemberAddResponse
	// A member refuses a change before it has applied the latest one.
	err = Await(ctx, "the cluster to accept "+m.Name, func() (bool, string) {
		answer, err := how(via.Client(), ctx, []string{m.PeerURL})
		if err != nil {
			return false, err.Error()
		}
		added = answer
		return true, ""
	})
	if err != nil {
		return nil, fmt.Errorf("add %s: %w", m.Name, err)
	}
	if err := c.awaitListed(ctx, m, len(added.Members)); err != nil {
		return nil, fmt.Errorf("add %s: %w", m.Name, err)
	}
	m.args = c.arguments(m, "existing", initialCluster(added.Members, m))
	if err := m.Start(); err != nil {
		return nil, err
	}
	if err := m.AwaitReady(ctx); err != nil {
		return nil, fmt.Errorf("add %s: %w", m.Name, err)
	}
	return m, nil
}

// awaitListed waits until every member that runs lists so many: a new one asks one
// of them for the list as it starts, and ends if it is not in it yet.
func (c *Cluster) awaitListed(ctx context.Context, added *Member, want int) error {
	return Await(ctx, "every member to list "+added.Name, func() (bool, string) {
		for _, m := range c.Members() {
			if m == added || !m.Running() {
				continue
			}
			answer, err := m.Client().MemberList(ctx, clientv3.WithSerializable())
			if err != nil {
				return false, fmt.Sprintf("%s: %v", m.Name, err)
			}
			if len(answer.Members) < want {
				return false, fmt.Sprintf("%s lists %d", m.Name, len(answer.Members))
			}
		}
		return true, ""
	})
}

// initialCluster names the members for a new one, which has no name in the
// list yet.
func initialCluster(list []*pb.Member, added *Member) []string {
	var initial []string
	for _, other := range list {
		name := other.Name
		if slices.Contains(other.PeerURLs, added.PeerURL) {
			name = added.Name
		}
		for _, url := range other.PeerURLs {
			initial = append(initial, name+"="+url)
		}
	}
	return initial
}

// RemoveMember removes the member from the cluster and ends its process. It is
// not in Members any more then; those after it move up by one.
func (c *Cluster) RemoveMember(ctx context.Context, m *Member) error {
	via, err := c.voter(ctx, m)
	if err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	if _, err := via.Client().MemberRemove(ctx, m.ID()); err != nil {
		return fmt.Errorf("remove %s: %w", m.Name, err)
	}
	c.mu.Lock()
	c.members = slices.DeleteFunc(c.members, func(other *Member) bool { return other == m })
	c.removed = append(c.removed, m)
	c.mu.Unlock()
	return m.Kill()
}

// Leader returns the member that the first voter to answer names.
func (c *Cluster) Leader(ctx context.Context) (*Member, error) {
	via, err := c.voter(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("find the leader: %w", err)
	}
	status, err := via.Client().Status(ctx, via.ClientURL)
	if err != nil {
		return nil, fmt.Errorf("find the leader: %w", err)
	}
	for _, m := range c.Members() {
		if m.ID() == status.Leader {
			return m, nil
		}
	}
	return nil, fmt.Errorf("find the leader: %s names member %x", via.Name, status.Leader)
}

// Alarms returns the alarm list as "<member id in hex>:<kind>", sorted.
func (c *Cluster) Alarms(ctx context.Context) ([]string, error) {
	via, err := c.voter(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("list the alarms: %w", err)
	}
	answer, err := via.Client().AlarmList(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the alarms: %w", err)
	}
	alarms := []string{}
	for _, a := range answer.Alarms {
		alarms = append(alarms, fmt.Sprintf("%x:%s", a.MemberID, a.Alarm))
	}
	slices.Sort(alarms)
	return alarms, nil
}

// voters returns the voters that answer.
func (c *Cluster) voters(ctx context.Context) []*Member {
	var voters []*Member
	for _, m := range c.Running() {
		if status, err := m.status(ctx); err == nil && !status.IsLearner {
			voters = append(voters, m)
		}
	}
	return voters
}

// voter returns a voter that answers, other than that one.
func (c *Cluster) voter(ctx context.Context, except *Member) (*Member, error) {
	var silent []string
	for _, m := range c.Running() {
		if m == except {
			continue
		}
		status, err := m.status(ctx)
		switch {
		case err != nil:
			silent = append(silent, fmt.Sprintf("%s: %v", m.Name, err))
		case !status.IsLearner:
			return m, nil
		}
	}
	return nil, errors.New("no voter answers: " + strings.Join(silent, "; "))
}
