package etcd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// look is one observation in the making.
type look struct {
	c     *Cluster
	now   time.Time
	began time.Time // by the clock that answers are waited for
	known known
	past  map[cluster.MemberID]remembered

	list    *pb.MemberListResponse // as the endpoint gave it; nil: it gave none
	listErr error
	local   answer                      // of whoever is behind the endpoint
	others  map[cluster.MemberID]answer // of members asked at their client URLs
}

// answer is what came of asking for a status at one URL.
type answer struct {
	url     string
	status  *pb.StatusResponse // nil: there was none, and err says why
	err     error
	took    time.Duration
	blocked bool // no status, but a member list: a defragmentation may be running
}

func (a answer) member() cluster.MemberID {
	return cluster.MemberID(a.status.GetHeader().GetMemberId())
}

func (a answer) cluster() uint64 { return a.status.GetHeader().GetClusterId() }

// sighting is one member as a look found it, with what is to be remembered.
type sighting struct {
	member cluster.Member
	url    string // where it answered
	errors []string
	quota  quotaMemory
}

// Observe looks at every member, all at the same time; now is the time that the
// view carries. It is a set of answers with their own times: it waits for members
// that answered the last time, and hardly for others, whose late answers are known
// to the next one. It never fails as a whole: a member that does not answer is a
// fact of the view. Without an answer the
// member list is the last one that was had; only if there never was one, the
// view is empty and its Problem says why.
func (c *Cluster) Observe(ctx context.Context, now time.Time) cluster.View {
	l := &look{c: c, now: now, began: time.Now(), others: map[cluster.MemberID]answer{}}
	l.known, l.past = c.recall()
	l.askAll(ctx)
	l.identify()
	l.updateMembers(ctx)
	if len(l.known.members) == 0 {
		return cluster.View{At: now, Problem: l.noList()}
	}
	l.askNew(ctx)
	seen := l.sightings(ctx)
	view := cluster.View{At: now, ClusterID: l.known.cluster, Local: l.known.local, Alarms: l.alarms(ctx, seen)}
	view.Ended = now.Add(time.Since(l.began))
	for _, s := range seen {
		view.Members = append(view.Members, s.member)
	}
	c.remember(l.known, seen)
	return view.Clone()
}

// askAll asks the endpoint for its status and the member list, and the other
// members that are known from the last look for their status, all in parallel.
func (l *look) askAll(ctx context.Context) {
	var wg sync.WaitGroup
	local, patience := l.c.ask(l.c.opts.Endpoint)
	wg.Go(func() { l.local = local.answer(ctx, patience) })
	wg.Go(func() { l.list, l.listErr = l.c.memberList(ctx, l.c.opts.Endpoint, patience) })
	l.askMembers(ctx, slices.DeleteFunc(slices.Clone(l.known.members), func(m cluster.Member) bool {
		return m.ID == l.known.local
	}))
	wg.Wait()
}

// followAfter is how long another member or cluster has to answer at the endpoint
// before it is taken for the one to watch.
const followAfter = time.Minute

// identify finds out which member is behind the endpoint. The first one that
// answers there is the local member. If another one does later, as behind a
// balancer or where the cluster was built again, the endpoint has strayed, unless
// the local member has left the cluster; once the other one has answered steadily
// for a minute, it is followed.
func (l *look) identify() {
	h := l.local.status.GetHeader()
	if h == nil {
		h = l.list.GetHeader()
	}
	if h == nil {
		return
	}
	k, id := &l.known, cluster.MemberID(h.MemberId)
	now := stray{cluster: h.ClusterId, member: id, since: l.now}
	_, listed := k.member(k.local)
	left := k.cluster == h.ClusterId && (!listed || l.list != nil && !slices.ContainsFunc(l.list.Members, func(m *pb.Member) bool { return m.ID == uint64(k.local) }))
	switch {
	case k.cluster == 0, k.cluster == h.ClusterId && k.local == id, left:
		k.cluster, k.local, k.strayed = h.ClusterId, id, stray{}
	case k.strayed.cluster != now.cluster || k.strayed.member != now.member:
		k.strayed = now
	case l.now.Sub(k.strayed.since) >= followAfter:
		*k = known{cluster: h.ClusterId, local: id}
		l.past, l.others = map[cluster.MemberID]remembered{}, map[cluster.MemberID]answer{}
	}
}

// updateMembers takes the member list from the endpoint, or else from the first
// other member that answered, or keeps the last one.
func (l *look) updateMembers(ctx context.Context) {
	if l.takeList(l.list) {
		return
	}
	for _, m := range l.known.members {
		a := l.others[m.ID]
		if contact, _ := l.c.judge(l.known, m.ID, a); contact != cluster.Answered {
			continue
		}
		if list, err := l.c.memberList(ctx, a.url, l.c.opts.RequestTimeout); err == nil && l.takeList(list) {
			return
		}
	}
}

func (l *look) takeList(list *pb.MemberListResponse) bool {
	if list == nil || list.GetHeader().GetClusterId() != l.known.cluster || len(list.Members) == 0 {
		return false
	}
	l.known.members = nil
	for _, m := range list.Members {
		l.known.members = append(l.known.members, cluster.Member{
			ID:         cluster.MemberID(m.ID),
			Name:       m.Name,
			ClientURLs: slices.Clone(m.ClientURLs),
			PeerURLs:   slices.Clone(m.PeerURLs),
			Learner:    m.IsLearner,
		})
	}
	slices.SortFunc(l.known.members, func(a, b cluster.Member) int { return cmp.Compare(a.ID, b.ID) })
	return true
}

// askNew asks the members that the list has brought up, and those that did not
// answer where they were asked but advertise another URL now.
func (l *look) askNew(ctx context.Context) {
	l.askMembers(ctx, slices.DeleteFunc(slices.Clone(l.known.members), func(m cluster.Member) bool {
		a, asked := l.others[m.ID]
		contact, _ := l.c.judge(l.known, m.ID, a)
		return m.ID == l.known.local || contact == cluster.Answered || asked && slices.Contains(m.ClientURLs, a.url)
	}))
}

// askMembers asks each of the members at its client URLs, all in parallel.
func (l *look) askMembers(ctx context.Context, members []cluster.Member) {
	answers := make([]answer, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() { answers[i] = l.askMember(ctx, m) })
	}
	wg.Wait()
	for i, m := range members {
		l.others[m.ID] = answers[i]
	}
}

// askMember asks one member at all its URLs at once. The first answer of its own
// is enough; else it returns the best one: another member's before none, then in
// order of the URLs.
func (l *look) askMember(ctx context.Context, m cluster.Member) answer {
	urls := l.c.urls(l.known, m, l.past[m.ID].was)
	answers := make([]answer, len(urls))
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var wg sync.WaitGroup
	for i, u := range urls {
		q, patience := l.c.ask(u)
		wg.Go(func() {
			answers[i] = q.answer(ctx, patience)
			if contact, _ := l.c.judge(l.known, m.ID, answers[i]); contact == cluster.Answered {
				enough()
			}
		})
	}
	wg.Wait()
	for _, wanted := range []cluster.Contact{cluster.Answered, cluster.Mismatched, cluster.Silent} {
		for _, a := range answers {
			if contact, _ := l.c.judge(l.known, m.ID, a); contact == wanted {
				return a
			}
		}
	}
	return answer{}
}

// judge says what an answer means for the member that was asked for it.
func (c *Cluster) judge(k known, id cluster.MemberID, a answer) (cluster.Contact, string) {
	switch {
	case a.err != nil:
		return cluster.Silent, problem(a.err, a.url, c.opts.RequestTimeout)
	case a.status == nil:
		return cluster.Silent, "it advertises no client URL: set etcd's advertise-client-urls"
	case a.cluster() != k.cluster && a.url == c.opts.Endpoint:
		return cluster.Mismatched, fmt.Sprintf("%s is answered by member %s of cluster %x, before it was cluster %x: correct the endpoint; a cluster that was built again there is watched after a minute of steady answers",
			a.url, a.member(), a.cluster(), k.cluster)
	case a.member() != id && a.url == c.opts.Endpoint:
		return cluster.Mismatched, fmt.Sprintf("%s is answered by member %s, before it was member %s, as behind a balancer: set etcd.endpoint to the client URL of the one member on this host",
			a.url, a.member(), id)
	case a.cluster() != k.cluster:
		return cluster.Mismatched, fmt.Sprintf("%s is answered by member %s of another cluster, %x: correct etcd's advertise-client-urls of this member", a.url, a.member(), a.cluster())
	case a.member() != id:
		return cluster.Mismatched, fmt.Sprintf("%s is answered by member %s: have this member advertise a client URL that leads to it from every host (etcd's advertise-client-urls)", a.url, a.member())
	default:
		return cluster.Answered, ""
	}
}

// sightings puts the answers together, one for each member of the list.
func (l *look) sightings(ctx context.Context) []sighting {
	seen := make([]sighting, len(l.known.members))
	var wg sync.WaitGroup
	for i, m := range l.known.members {
		wg.Go(func() { seen[i] = l.sighting(ctx, m) })
	}
	wg.Wait()
	return seen
}

func (l *look) sighting(ctx context.Context, m cluster.Member) sighting {
	a := l.others[m.ID]
	if m.ID == l.known.local {
		a = l.local
	}
	if a.status == nil && a.err == nil && m.Name == "" {
		m.Problem = "it has been added and never started: start it, or remove it from the cluster"
		return sighting{member: m}
	}
	m.Contact, m.Problem = l.c.judge(l.known, m.ID, a)
	if m.Contact != cluster.Answered {
		m.Blocked = m.Contact == cluster.Silent && a.blocked
		return sighting{member: m}
	}
	st := a.status
	m.Took = a.took
	m.Version = st.Version
	m.SizeBytes, m.InUseBytes = st.DbSize, st.DbSizeInUse
	m.Leader, m.RaftTerm = cluster.MemberID(st.Leader), st.RaftTerm
	m.RaftIndex, m.AppliedIndex = st.RaftIndex, st.RaftAppliedIndex
	m.Revision = st.Header.Revision
	if st.DowngradeInfo.GetEnabled() {
		m.DowngradeTo = st.DowngradeInfo.GetTargetVersion()
	}
	s := sighting{url: a.url, errors: st.Errors}
	m.Quota, s.quota = l.quota(ctx, m.ID, a)
	s.member = m
	return s
}

// noList says why there is no member list.
func (l *look) noList() string {
	err := l.listErr
	if err == nil {
		return fmt.Sprintf("%s gives no member list: is it an etcd member's client URL?", l.c.opts.Endpoint)
	}
	return problem(err, l.c.opts.Endpoint, l.c.opts.RequestTimeout)
}

// status is answered by the member itself, without the others, and not while
// it is being defragmented.
func (c *Cluster) status(ctx context.Context, client *clientv3.Client) (*pb.StatusResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	status, err := pb.NewMaintenanceClient(client.ActiveConnection()).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return nil, err
	}
	return status, nil
}

// memberList asks one member for the list as that member knows it, which needs
// no quorum and no backend.
func (c *Cluster) memberList(ctx context.Context, u string, patience time.Duration) (*pb.MemberListResponse, error) {
	k, err := c.conn(u)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	list, err := pb.NewClusterClient(k.client.ActiveConnection()).MemberList(ctx, &pb.MemberListRequest{Linearizable: false})
	if err != nil {
		return nil, err
	}
	return list, nil
}
