package etcdtest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// Operator is the hands of the watchdog beside one member, or those of a
// person.
type Operator struct {
	cluster *Cluster
	local   cluster.MemberID
}

// Operator returns the hands of the watchdog beside that member. What they do
// is in the history under its id. Member 0 is a person with etcdctl: nothing
// is asked before the request is sent, so a defragmentation may queue, and any
// alarm may be disarmed.
func (c *Cluster) Operator(local cluster.MemberID) *Operator {
	return &Operator{cluster: c, local: local}
}

// Do carries one step out and waits for its end. An error that wraps
// cluster.ErrOutcomeUnknown says that the step may have happened, or may
// still; with any other error nothing has happened. What is done already is
// done again with success. What is asked last, before the request leaves, is
// ready.
func (o *Operator) Do(ctx context.Context, step cluster.Step, ready ...func() error) error {
	if err := o.cluster.do(ctx, o.local, step, ready); err != nil {
		return fmt.Errorf("%s: %w", step, err)
	}
	return nil
}

func (c *Cluster) do(ctx context.Context, by cluster.MemberID, step cluster.Step, ready []func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // never sent
	}
	if by != 0 {
		if err := c.ask(ctx, by, step); err != nil {
			return c.refused(by, step, err)
		}
	}
	for _, may := range ready {
		if err := may(); err != nil {
			return c.refused(by, step, err)
		}
	}
	fault := c.takeFault(by, step)
	switch fault.Effect {
	case Refuse:
		return c.refused(by, step, errors.New("refused by an injected fault"))
	case Delay:
		time.AfterFunc(fault.For, func() { _ = c.perform(hungUp(), by, step) })
		return fmt.Errorf("%w: %w", errDied, cluster.ErrOutcomeUnknown)
	case LoseReply:
		if step.Kind == cluster.StepDefragment {
			return c.perform(hungUp(), by, step)
		}
		if err := c.perform(ctx, by, step); err != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errDied, cluster.ErrOutcomeUnknown)
	}
	return c.perform(ctx, by, step)
}

// ask is what comes before a watchdog's step is sent: only NOSPACE is ever
// disarmed, the member has to answer within the request timeout, and to list
// no CORRUPT alarm.
func (c *Cluster) ask(ctx context.Context, by cluster.MemberID, step cluster.Step) error {
	if step.Kind == cluster.StepDisarm && step.Alarm != cluster.AlarmNoSpace {
		return errors.New("only NOSPACE is disarmed")
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.RequestTimeout)
	defer cancel()
	return c.await(ctx, func() (bool, error) {
		m, err := c.server(by, step)
		switch {
		case err != nil:
			return true, err
		case !m.answers():
			return false, nil
		case c.listed(cluster.AlarmCorrupt):
			return true, errCorrupt
		}
		return true, nil
	})
}

// hungUp is the context of a request that arrives, and nobody waits for.
func hungUp() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errDied)
	return ctx
}

func (c *Cluster) perform(ctx context.Context, by cluster.MemberID, step cluster.Step) error {
	if patience := c.patience(step.Kind); patience > 0 {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		ctx = bounded
	}
	var sent bool
	var err error
	switch step.Kind {
	case cluster.StepCompact:
		sent, err = c.doCompact(ctx, by, step)
	case cluster.StepMoveLeader:
		sent, err = c.doMoveLeader(ctx, by, step)
	case cluster.StepDefragment:
		sent, err = c.doDefragment(ctx, by, step)
	case cluster.StepDisarm:
		sent, err = c.doDisarm(ctx, by, step)
	default:
		err = errors.New("no such step")
	}
	switch {
	case err == nil:
		return nil
	case sent:
		return fmt.Errorf("%w: %w", err, cluster.ErrOutcomeUnknown)
	default:
		return c.refused(by, step, err)
	}
}

// patience is how long a request is waited for; 0: for as long as it takes.
func (c *Cluster) patience(kind cluster.StepKind) time.Duration {
	switch kind {
	case cluster.StepDefragment:
		return 0
	case cluster.StepCompact:
		return c.config.CompactTimeout
	default:
		return c.config.RequestTimeout
	}
}

// refused puts an attempt that came to nothing into the history.
func (c *Cluster) refused(by cluster.MemberID, step cluster.Step, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.record(Entry{
		Kind: Refused, By: by, Step: step.Kind,
		Member: step.Member, To: step.To, Revision: step.Revision, Alarm: step.Alarm,
	})
	return err
}

// Each of the next functions reports whether the request was on its way when
// the error came: then nobody can say what has become of it.

func (c *Cluster) doCompact(ctx context.Context, by cluster.MemberID, step cluster.Step) (sent bool, err error) {
	accepted := false
	err = c.await(ctx, func() (bool, error) {
		m, err := c.reach(by, step.Member)
		if err != nil {
			return true, err
		}
		sent = true
		if !m.answers() || !c.quorate() {
			return false, nil
		}
		if !accepted {
			if err := c.acceptCompaction(by, step); err != nil {
				sent = false
				return true, err
			}
			accepted = true
		}
		if m.compacted < step.Revision {
			return false, nil
		}
		m.served()
		return true, nil
	})
	return sent, err
}

func (c *Cluster) acceptCompaction(by cluster.MemberID, step cluster.Step) error {
	if c.listed(cluster.AlarmCorrupt) {
		return errCorrupt
	}
	if step.Revision > c.revision {
		return errors.New("required revision is a future revision")
	}
	if step.Revision <= c.compact {
		return nil // compacted already: the request waits for what is pending
	}
	c.compact = step.Revision
	c.record(Entry{Kind: CompactBegin, By: by, Member: step.Member, Revision: step.Revision})
	c.propose(entry{compactAt: step.Revision, servedBy: step.Member})
	return nil
}

func (c *Cluster) doMoveLeader(ctx context.Context, by cluster.MemberID, step cluster.Step) (sent bool, err error) {
	err = c.await(ctx, func() (bool, error) {
		m, err := c.reach(by, step.Member)
		if err != nil {
			return true, err
		}
		sent = true
		if !m.answers() {
			return false, nil
		}
		sent = false
		to := c.members[step.To]
		switch {
		case c.leader == step.To:
			return true, nil // already done
		case c.leader != step.Member:
			return true, errors.New("not leader")
		case to == nil || to.config.Learner || !to.up:
			return true, errors.New("bad leader transferee")
		}
		sent = true
		return true, nil
	})
	if err != nil || !sent {
		return sent, err
	}
	c.after(c.config.MoveLeaderTime, func() { c.moveLeader(by, step) })
	err = c.await(ctx, func() (bool, error) {
		if m := c.members[step.Member]; m == nil || !m.up {
			return true, errDied
		}
		return c.leader != step.Member, nil
	})
	return true, err
}

func (c *Cluster) moveLeader(by cluster.MemberID, step cluster.Step) {
	if to := c.members[step.To]; c.leader != step.Member || to == nil || !to.up {
		return
	}
	c.leader = step.To
	c.term++
	c.record(Entry{Kind: LeaderMoved, By: by, Member: step.Member, To: step.To})
}

func (c *Cluster) doDisarm(ctx context.Context, by cluster.MemberID, step cluster.Step) (sent bool, err error) {
	err = c.await(ctx, func() (bool, error) {
		m, err := c.server(by, step)
		if err != nil {
			return true, err
		}
		sent = true
		if !m.answers() || !c.quorate() {
			return false, nil
		}
		c.disarm(by, cluster.Alarm{Member: step.Member, Kind: step.Alarm})
		return true, nil
	})
	return sent, err
}

// server is the member that a step is sent to. Disarming is served by any: by
// the watchdog's own, or else by one that answers, or else by one that is up.
func (c *Cluster) server(by cluster.MemberID, step cluster.Step) (*member, error) {
	if step.Kind != cluster.StepDisarm {
		return c.reach(by, step.Member)
	}
	var some *member
	err := errNotConnected
	for _, m := range append([]*member{c.members[by]}, c.sorted()...) {
		if m == nil || !m.up || c.strays[route{by, m.config.ID}] != 0 {
			continue
		}
		if m.answers() {
			return m, nil
		}
		some, err = m, nil
	}
	return some, err
}

func (c *Cluster) disarm(by cluster.MemberID, a cluster.Alarm) {
	if c.alarms[a] {
		delete(c.alarms, a)
		c.record(Entry{Kind: Disarmed, By: by, Member: a.Member, Alarm: a.Kind})
	}
	c.propose(entry{})
	if a.Kind != cluster.AlarmNoSpace {
		return
	}
	for _, m := range c.sorted() {
		if m.config.Learner && m.full() {
			c.afterOf(m, time.Second, func() { c.learnerAlarm(m) })
		}
	}
}

func (c *Cluster) learnerAlarm(m *member) {
	if m.full() {
		c.raise(cluster.Alarm{Member: m.config.ID, Kind: cluster.AlarmNoSpace})
	}
}
