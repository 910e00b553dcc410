package etcdtest

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Observer is the cluster as seen by the watchdog beside one member. It keeps
// the last member list that it has seen, as every watchdog does. It is not for
// use by several goroutines.
type Observer struct {
	cluster *Cluster
	local   cluster.MemberID
	last    cluster.View // the member list, cluster id and local member of the look before
}

// Observer returns the eyes of the watchdog beside that member.
func (c *Cluster) Observer(local cluster.MemberID) *Observer {
	return &Observer{cluster: c, local: local}
}

// Observe asks every member for its status, all at once, each for at most the
// request timeout. A member that does not answer is a fact of the view.
func (o *Observer) Observe(ctx context.Context, now time.Time) cluster.View {
	o.learnMembers()
	view := o.last.Clone()
	view.At = now
	if len(view.Members) == 0 {
		view.Problem = "member list: no member answers"
		return view
	}
	alarms := make([][]cluster.Alarm, len(view.Members))
	var wg sync.WaitGroup
	for i := range view.Members {
		wg.Go(func() { view.Members[i], alarms[i] = o.status(ctx, view.Members[i]) })
	}
	wg.Wait()
	for i, m := range view.Members {
		if m.Contact != cluster.Answered {
			continue
		}
		view.Alarms = append(view.Alarms, alarms[i]...)
		o.last.ClusterID = o.cluster.config.ClusterID
		if m.ID == o.local {
			o.last.Local = o.local
		}
	}
	slices.SortFunc(view.Alarms, compareAlarms)
	view.Alarms = slices.Compact(view.Alarms)
	view.ClusterID, view.Local = o.last.ClusterID, o.last.Local
	return view
}

// learnMembers replaces the member list if any member answers.
func (o *Observer) learnMembers() {
	c := o.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []cluster.Member
	answer := false
	for _, m := range c.sorted() {
		list = append(list, m.identity())
		answer = answer || m.answers() && c.strays[route{o.local, m.config.ID}] == 0
	}
	if answer {
		o.last.Members = list
	}
}

func (m *member) identity() cluster.Member {
	return cluster.Member{
		ID:         m.config.ID,
		Name:       m.config.Name,
		ClientURLs: []string{"http://" + m.config.Name + ":2379"},
		Learner:    m.config.Learner,
	}
}

func (o *Observer) status(ctx context.Context, of cluster.Member) (cluster.Member, []cluster.Alarm) {
	c := o.cluster
	ctx, cancel := context.WithTimeout(ctx, c.config.RequestTimeout)
	defer cancel()
	var alarms []cluster.Alarm
	err := c.await(ctx, func() (bool, error) {
		if as, ok := c.strays[route{o.local, of.ID}]; ok {
			of.Contact = cluster.Mismatched
			of.Problem = fmt.Sprintf("member %s answers there", as)
			return true, nil
		}
		m, err := c.reach(o.local, of.ID)
		if err != nil || !m.answers() {
			return err != nil, err
		}
		of = c.status(m)
		alarms = c.alarmList()
		return true, nil
	})
	if err != nil {
		of.Contact, of.Problem = cluster.Silent, err.Error()
	}
	return of, alarms
}

// status is what a member says of itself.
func (c *Cluster) status(m *member) cluster.Member {
	s := m.identity()
	s.Contact = cluster.Answered
	s.Version = m.config.Version
	s.SizeBytes = m.sizeBytes
	s.InUseBytes = m.shownBytes
	s.Quota = m.config.Seen
	s.Leader = c.leader
	s.RaftTerm = c.term
	s.RaftIndex = firstIndex + uint64(len(c.log))
	s.AppliedIndex = firstIndex + uint64(m.applied)
	s.Revision = m.revision
	return s
}

func (c *Cluster) alarmList() []cluster.Alarm {
	var list []cluster.Alarm
	for a := range c.alarms {
		list = append(list, a)
	}
	slices.SortFunc(list, compareAlarms)
	return list
}

func compareAlarms(a, b cluster.Alarm) int {
	return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Kind, b.Kind))
}

// View is the truth of this moment about every member that is up, whether it
// answers or not, and whether its status shows it yet or not.
func (c *Cluster) View() cluster.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := cluster.View{At: time.Now(), ClusterID: c.config.ClusterID, Alarms: c.alarmList()}
	for _, m := range c.sorted() {
		s := c.status(m)
		s.InUseBytes = m.inUseBytes()
		if !m.up {
			s.Contact, s.Problem = cluster.Silent, errNotConnected.Error()
		}
		v.Members = append(v.Members, s)
	}
	return v
}
