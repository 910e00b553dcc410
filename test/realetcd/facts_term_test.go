package realetcd_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strconv"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// What the permit of a leader's term relies on.

// readsHaveTheNewestTerm moves the leadership to and fro under NOSPACE, kills
// the member that leads and starts it again, and reads at every member after
// each step. What the newest term is, the members' logs tell.
func readsHaveTheNewestTerm(f fact) {
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, f.Member(0).ID()))
	reads := 0
	for round := range 6 {
		if round == 3 {
			reads += f.readAfterRestart()
		}
		f.moveLeader()
		reads += f.readEverywhere(nil)
	}
	f.Logf("%d reads, the last ones in term %d", reads, f.newestTerm())
}

// readAfterRestart kills the leader, reads at the others in the term that
// follows, and at the killed one as soon as it serves again.
func (f fact) readAfterRestart() (reads int) {
	f.Helper()
	killed, err := f.Leader(f.Context())
	f.must(err)
	before := f.newestTerm()
	f.must(killed.Kill())
	for f.newestTerm() == before && f.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for i, m := range f.Members() {
		if m != killed {
			reads += f.readEverywhere(&i)
		}
	}
	f.must(killed.Start())
	for i, m := range f.Members() {
		if m == killed {
			first := f.status(i) // answered as soon as it serves
			reads += f.readEverywhere(&i)
			f.Logf("the first status after the restart has leader %x in term %d, the newest is %d", first.Leader, first.RaftTerm, f.newestTerm())
		}
	}
	return reads
}

// readEverywhere reads at each member (or at that one) and checks the term.
func (f fact) readEverywhere(only *int) (reads int) {
	f.Helper()
	for i, m := range f.Members() {
		if only != nil && i != *only {
			continue
		}
		ctx, cancel := context.WithTimeout(f.Context(), 30*time.Second)
		before := f.newestTerm() // of a leader that was elected before the read began
		got, err := m.Client().Get(ctx, "key")
		cancel()
		f.must(err)
		if got.Header.RaftTerm < before || got.Header.RaftTerm > f.newestTerm() {
			f.Errorf("a read at %s has term %d, the newest is %d", m.Name, got.Header.RaftTerm, f.newestTerm())
		}
		reads++
	}
	return reads
}

var elected = regexp.MustCompile(`became leader at term ([0-9]+)`)

// newestTerm is the highest term in which a member has logged that it leads.
func (f fact) newestTerm() uint64 {
	f.Helper()
	var newest uint64
	for _, m := range f.Members() {
		log, err := os.ReadFile(m.LogPath)
		f.must(err)
		for _, found := range elected.FindAllSubmatch(log, -1) {
			term, err := strconv.ParseUint(string(found[1]), 10, 64)
			f.must(err)
			newest = max(newest, term)
		}
	}
	if newest == 0 {
		f.Fatal("no log tells of a leader")
	}
	return newest
}

// moveLeader moves the leadership to the next member, and checks that it did.
func (f fact) moveLeader() {
	f.Helper()
	leader, err := f.Leader(f.Context())
	f.must(err)
	members := f.Members()
	for i, m := range members {
		if m == leader {
			to := members[(i+1)%len(members)]
			before := f.newestTerm()
			_, err := m.Client().MoveLeader(f.Context(), to.ID())
			f.must(err)
			if now := f.status(i); now.Leader != to.ID() || f.newestTerm() <= before {
				f.Errorf("moved from %s to %s: %x leads in term %d, after term %d", m.Name, to.Name, now.Leader, f.newestTerm(), before)
			}
		}
	}
}

func leadershipMovesUnderNoSpace(f fact) {
	f.must(f.RaiseAlarm(f.Context(), pb.AlarmType_NOSPACE, f.Member(0).ID()))
	for range 3 {
		if _, err := f.Client(0).Put(f.Context(), "x", "y"); !errors.Is(err, rpctypes.ErrNoSpace) {
			f.Fatalf("a write beside a full member: %v, want that NOSPACE refuses it", err)
		}
		f.moveLeader()
	}
}

// blockedIsNotAbsent: the member list needs neither the backend nor a quorum.
func blockedIsNotAbsent(f fact) {
	i := f.follower()
	asks := func() (list, status error) {
		ctx, cancel := context.WithTimeout(f.Context(), 5*time.Second)
		defer cancel()
		_, list = f.Client(i).MemberList(ctx, clientv3.WithSerializable())
		brief, stop := context.WithTimeout(f.Context(), 300*time.Millisecond)
		defer stop()
		_, status = f.Client(i).Status(brief, f.Member(i).ClientURL)
		return list, status
	}
	end := f.defragmenting(i)
	if list, status := asks(); list != nil || !timedOut(status) {
		f.Errorf("while it is defragmented: member list: %v, status: %v; want an answer, and none", list, status)
	}
	end()
	f.status(i) // the defragmentation has ended
	if list, status := asks(); list != nil || status != nil {
		f.Errorf("afterwards: member list: %v, status: %v", list, status)
	}
	f.must(f.Member(i).Suspend())
	if list, status := asks(); !timedOut(list) || !timedOut(status) {
		f.Errorf("suspended: member list: %v, status: %v; want no answer", list, status)
	}
}
