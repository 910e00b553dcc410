package maintenance

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// do carries one step out and verifies it.
func (k *work) do(step cluster.Step) error {
	switch step.Kind {
	case cluster.StepCompact:
		return k.compact(step)
	case cluster.StepMoveLeader:
		return k.moveLeader(step)
	case cluster.StepDefragment:
		return k.defragment(step)
	case cluster.StepDisarm:
		return k.disarm(step)
	default:
		return fmt.Errorf("no such step: %s", step)
	}
}

// event returns an event of this work with the member's figures as last seen.
func (k *work) event(kind event.Kind, id cluster.MemberID) event.Event {
	m, _ := k.seen.Member(id)
	return event.Event{
		Kind: kind, Reason: string(k.decision.Reason), Job: k.job, Detail: k.decision.Risk,
		Member: id, MemberName: m.Name, SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes,
		QuotaBytes: m.Quota.Bytes, QuotaFrom: m.Quota.Source.String(),
		BeforeBytes: m.SizeBytes, Expected: k.decision.Expected,
	}
}

func (k *work) compact(step cluster.Step) error {
	k.Alive.Extend(time.Now().Add(k.Options.CompactTimeout + slack))
	begin := time.Now()
	e := k.event(event.CompactionStarted, step.Member)
	e.Revision = step.Revision
	k.outcome.InUseBefore = e.InUseBytes
	k.Recorder.Record(e)
	err := k.Operator.Do(k.permit.Context(), step, k.permit.Check)
	if err == nil {
		k.look(k.permit.Context())
	}
	e = k.event(event.CompactionCompleted, step.Member)
	e.Revision, e.Took, e.WonBytes = step.Revision, time.Since(begin), max(0, k.outcome.InUseBefore-e.InUseBytes)
	if err != nil {
		e.Kind, e.Error = event.CompactionFailed, err.Error()
	}
	k.Recorder.Record(e)
	return err
}

// moveLeader moves the leadership. That the cluster agrees on the new leader is
// seen before the next step, or by the next poll.
func (k *work) moveLeader(step cluster.Step) error {
	k.Alive.Extend(time.Now().Add(2*k.Options.RequestTimeout + slack))
	begin := time.Now()
	err := k.Operator.Do(k.permit.Context(), step, k.permit.Check)
	e := k.event(event.LeaderMoved, step.Member)
	e.To, e.Took = step.To, time.Since(begin)
	if err != nil {
		e.Kind, e.Error = event.LeaderMoveFailed, err.Error()
	}
	k.Recorder.Record(e)
	return err
}

// defragment carries the heavy step out. The request has no deadline of ours:
// the server ignores it anyway. Patience only decides when it is reported.
func (k *work) defragment(step cluster.Step) error {
	before := k.Operator.Evidence(k.permit.Context(), step.Member)
	started := k.event(event.DefragmentationStarted, step.Member)
	k.outcome.Before = started.SizeBytes
	k.Recorder.Record(started)

	begin := time.Now()
	err := k.await(step, started, begin)
	k.outcome.Took = time.Since(begin)
	switch {
	case err == nil:
		k.look(k.permit.Context())
		k.ended(event.DefragmentationCompleted, step, started, nil)
	case errors.Is(err, cluster.ErrOutcomeUnknown):
		k.outcome.Doubt = &policy.Doubt{
			Member: step.Member, Before: before, SizeBytes: started.SizeBytes, Sent: true,
			Closed: time.Now(), Job: k.job, Cause: err.Error(),
		}
	default:
		k.ended(event.DefragmentationFailed, step, started, err)
	}
	return err
}

// await sends the request and waits for its end, however late that comes, as long
// as the member is seen to be at it (allow). It reports once when it takes three
// times as long as predicted and once when patience ends.
func (k *work) await(step cluster.Step, started event.Event, begin time.Time) error {
	k.allow(begin, cluster.Evidence{})
	done := make(chan error, 1)
	waiting, over := context.WithCancel(k.permit.Context())
	go func() {
		err := k.Operator.Do(k.permit.Context(), step, k.permit.Check)
		over() // the question for evidence must not outlive it
		done <- err
	}()
	long := time.NewTimer(max(3*k.decision.Expected, 5*time.Second))
	defer long.Stop()
	patience := time.NewTimer(k.Options.DefragmentTimeout)
	defer patience.Stop()
	ask := time.NewTicker(slack / 2)
	defer ask.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-ask.C:
			k.allow(begin, k.Operator.Evidence(waiting, step.Member))
			continue
		case <-long.C:
		case <-patience.C:
		}
		e := started
		e.Kind, e.Took = event.DefragmentationLong, time.Since(begin)
		k.Recorder.Record(e)
	}
}

// allow says until when a defragmentation may take without counting as hung:
// until patience ends, or, where the member's metrics can't be read, blindPatience
// times as long; after that for as long as the metrics say that one is in flight.
// A call that does not return although the member is done with it is a hang all
// the same.
func (k *work) allow(begin time.Time, evidence cluster.Evidence) {
	until := begin.Add(k.Options.DefragmentTimeout)
	if !evidence.Known {
		until = begin.Add(blindPatience * k.Options.DefragmentTimeout)
	}
	if evidence.InFlight {
		k.atWork = time.Now()
	}
	if still := k.atWork.Add(slack); still.After(until) {
		until = still
	}
	k.Alive.Extend(until.Add(slack))
}

// ended reports the end of a defragmentation.
func (k *work) ended(kind event.Kind, step cluster.Step, started event.Event, err error) {
	e := k.event(kind, step.Member)
	e.BeforeBytes, e.Took, e.Expected = started.BeforeBytes, k.outcome.Took, started.Expected
	if err != nil {
		e.Error = err.Error()
		e.SizeBytes = started.SizeBytes
	}
	k.Recorder.Record(e)
}

func (k *work) disarm(step cluster.Step) error {
	k.Alive.Extend(time.Now().Add(k.Options.RequestTimeout + slack))
	err := k.Operator.Do(k.permit.Context(), step, k.permit.Check)
	e := k.event(event.AlarmDisarmed, step.Member)
	e.Alarm = step.Alarm.String()
	if err != nil {
		e.Kind, e.Error = event.DisarmFailed, err.Error()
	}
	k.Recorder.Record(e)
	return err
}
