package etcdtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Subject is a cluster that the contract is held against: three voters that
// have just come up, without an alarm, with a small quota. The model is one,
// pkg/etcd before real servers is another.
type Subject struct {
	Observer   Eyes
	Operator   Hands
	Driver     Driver
	Membership Membership
	QuotaBytes int64 // of every member
}

// Eyes is what observes the cluster.
type Eyes interface {
	Observe(ctx context.Context, now time.Time) cluster.View
}

// Hands is what carries steps out on the cluster.
type Hands interface {
	Do(ctx context.Context, step cluster.Step, ready ...func() error) error
	Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence
}

// Driver is what the clients of the cluster do to it.
type Driver interface {
	// Overwrite gives one of a few keys a new value of the same size, so that
	// far less than the quota is ever live. The error wraps claim.ErrRefused
	// if etcd refuses writes.
	Overwrite(ctx context.Context, through cluster.MemberID) error
	// Raise lists an alarm.
	Raise(ctx context.Context, alarm cluster.Alarm) error
}

// Membership changes who belongs to the cluster.
type Membership interface {
	// AddLearner returns once the learner runs.
	AddLearner(ctx context.Context) (cluster.MemberID, error)
	Remove(ctx context.Context, id cluster.MemberID) error
}

// RunContract holds every fact against a subject of its own. The caller's
// each makes the subject and calls hold with it; for the model it does so in a
// synctest bubble.
func RunContract(t *testing.T, each func(t *testing.T, hold func(*testing.T, Subject))) {
	for _, fact := range contract {
		t.Run(fact.name, func(t *testing.T) {
			each(t, func(t *testing.T, s Subject) { fact.hold(held{s, t}) })
		})
	}
}

var contract = []struct {
	name string
	hold func(held)
}{
	{"a look finds every member", lookFindsEveryMember},
	{"looking at an idle cluster proposes nothing", lookingProposesNothing},
	{"NOSPACE refuses writes and not the way out", noSpaceLeavesTheWayOut},
	{"compaction lowers the size in use and not the file", compactionLowersInUse},
	{"who served a compaction shows what it freed", whoServedShows},
	{"defragmentation makes the file what was in use", defragmentationShrinksTheFile},
	{"disarming with full members brings the alarm back", disarmTooEarly},
	{"what is done already is a success", doneAlreadyIsSuccess},
	{"the future cannot be compacted", futureIsNotCompacted},
	{"evidence counts defragmentations", evidenceCounts},
	{"a learner is not defragmented", learnerIsNotDefragmented},
	{"leadership moves, from the leader only", leadershipMoves},
	{"an alarm outlives its member", alarmOutlivesItsMember},
	{"CORRUPT lets no step pass", corruptLetsNoStepPass},
}

// held is a subject on the stand.
type held struct {
	Subject
	t *testing.T
}

// patience bounds every wait for a condition, and every step.
const patience = 30 * time.Second

func (h held) ctx() context.Context {
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	h.t.Cleanup(cancel)
	return ctx
}

func (h held) eventually(what string, holds func() bool) {
	h.t.Helper()
	ctx := h.ctx()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for !holds() {
		select {
		case <-poll.C:
		case <-ctx.Done():
			h.t.Fatalf("within %s not: %s", patience, what)
		}
	}
}

func (h held) look() cluster.View { return h.Observer.Observe(h.ctx(), time.Now()) }

func (h held) member(id cluster.MemberID) cluster.Member {
	h.t.Helper()
	m, ok := h.look().Member(id)
	if !ok || m.Contact != cluster.Answered {
		h.t.Fatalf("member %s does not answer: %s", id, m.Problem)
	}
	return m
}

// settled waits until a look finds a whole cluster with a leader, and returns
// it with the leader and some follower.
func (h held) settled() (v cluster.View, leader, follower cluster.MemberID) {
	h.t.Helper()
	h.eventually("three members answer and have a leader", func() bool {
		v = h.look()
		for _, m := range v.Members {
			if m.Contact != cluster.Answered {
				return false
			}
		}
		return len(v.Members) == 3 && v.Leader() != 0
	})
	leader = v.Leader()
	for _, m := range v.Members {
		if m.ID != leader {
			follower = m.ID
		}
	}
	return v, leader, follower
}

func (h held) do(step cluster.Step) {
	h.t.Helper()
	if err := h.Operator.Do(h.ctx(), step); err != nil {
		h.t.Fatal(err)
	}
}

// refuses expects a plain no: an error that leaves no doubt.
func (h held) refuses(step cluster.Step) {
	h.t.Helper()
	err := h.Operator.Do(h.ctx(), step)
	if err == nil || errors.Is(err, cluster.ErrOutcomeUnknown) {
		h.t.Errorf("%s: error %v, want a refusal", step, err)
	}
}

func (h held) compact(id cluster.MemberID) {
	h.t.Helper()
	h.do(cluster.Step{Kind: cluster.StepCompact, Member: id, Revision: h.look().Revision()})
}

func (h held) defragment(id cluster.MemberID) {
	h.t.Helper()
	h.do(cluster.Step{Kind: cluster.StepDefragment, Member: id})
}

func (h held) disarm(id cluster.MemberID) {
	h.t.Helper()
	h.do(cluster.Step{Kind: cluster.StepDisarm, Member: id, Alarm: cluster.AlarmNoSpace})
}

// disarmAll disarms whatever NOSPACE is listed.
func (h held) disarmAll() {
	h.t.Helper()
	for _, a := range h.look().Alarms {
		h.disarm(a.Member)
	}
}

// write overwrites, and reports whether etcd took it.
func (h held) write(through cluster.MemberID) bool {
	h.t.Helper()
	err := h.Driver.Overwrite(h.ctx(), through)
	if err != nil && !errors.Is(err, claim.ErrRefused) {
		h.t.Fatal(err)
	}
	return err == nil
}

// fill overwrites until etcd refuses it and every member says so.
func (h held) fill(through cluster.MemberID) {
	h.t.Helper()
	for ctx := h.ctx(); h.write(through); {
		if ctx.Err() != nil {
			h.t.Fatalf("writes are still accepted after %s", patience)
		}
	}
	h.eventually("a look finds NOSPACE", func() bool { return h.look().Alarmed(cluster.AlarmNoSpace) })
}
