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
	last    cluster.View // the member list, cluster id and local member of the observation before

	mu     sync.Mutex
	silent map[cluster.MemberID]time.Time // since when a member has given no answer
}

const (
	answersWithin = 3 * time.Second
	overdueWithin = 250 * time.Millisecond
	listAfter     = time.Second // for so long a status is waited for before the member list is asked for
)

// Observer returns the eyes of the watchdog beside that member.
func (c *Cluster) Observer(local cluster.MemberID) *Observer {
	return &Observer{cluster: c, local: local, silent: map[cluster.MemberID]time.Time{}}
}

// Observe asks every member for its status, all at once. It waits for those that
// answered the last time, and hardly for the others. A member that does not answer
// is a fact of the view.
func (o *Observer) Observe(ctx context.Context, now time.Time) cluster.View {
	o.learnMembers()
	view := o.last.Clone()
	view.At = now
	if len(view.Members) == 0 {
		view.Problem = "member list: no member answers"
		return view
	}
	alarms := make([][]cluster.Alarm, len(view.Members))
	began := time.Now()
	var wg sync.WaitGroup
	for i := range view.Members {
		wg.Go(func() { view.Members[i], alarms[i] = o.answer(ctx, view.Members[i]) })
	}
	wg.Wait()
	view.Ended = now.Add(time.Since(began))
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

// answer asks a member and waits: for long if it answered the last time, else for a
// moment.
func (o *Observer) answer(ctx context.Context, of cluster.Member) (cluster.Member, []cluster.Alarm) {
	o.mu.Lock()
	since, silent := o.silent[of.ID]
	o.mu.Unlock()
	began, patience := time.Now(), min(o.cluster.config.RequestTimeout, answersWithin)
	if silent {
		patience = min(patience, overdueWithin)
	} else {
		since = began
	}
	m, alarms := o.status(ctx, of, patience)
	m.Took = time.Since(began)
	o.mu.Lock()
	defer o.mu.Unlock()
	if m.Contact != cluster.Silent {
		delete(o.silent, of.ID)
		return m, alarms
	}
	o.silent[of.ID] = since
	m.Took = 0
	m.Blocked = o.blocked(of.ID) && time.Since(since) >= min(listAfter, o.cluster.config.RequestTimeout/2)
	return m, alarms
}

// blocked reports that a member gives the member list, and no status.
func (o *Observer) blocked(id cluster.MemberID) bool {
	c := o.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.members[id]
	return m != nil && m.up && !m.suspended && m.defragmenting
}

func (o *Observer) status(ctx context.Context, of cluster.Member, patience time.Duration) (cluster.Member, []cluster.Alarm) {
	c := o.cluster
	ctx, cancel := context.WithTimeout(ctx, patience)
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

// View is the truth of this moment about every member that is up and not
// suspended, whether its status shows it yet or not.
func (c *Cluster) View() cluster.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := cluster.View{At: time.Now(), ClusterID: c.config.ClusterID, Alarms: c.alarmList()}
	for _, m := range c.sorted() {
		s := c.status(m)
		s.InUseBytes = m.inUseBytes()
		if !m.up || m.suspended {
			s.Contact, s.Problem = cluster.Silent, errNotConnected.Error()
		}
		v.Members = append(v.Members, s)
	}
	return v
}
