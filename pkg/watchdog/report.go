package watchdog

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// tell reports the conditions that stand at a look, when they change.
func (w *Watchdog) tell(v cluster.View, d policy.Decision) {
	for _, e := range w.conditions.Update(v.At, standing(v, d)) {
		w.Recorder.Record(e)
		w.kept.due = true // the history of conditions is kept too
	}
}

// close ends the report of a tick: one entry at debug, and the status line.
func (w *Watchdog) close(now time.Time, v cluster.View, d policy.Decision) {
	local, _ := v.Member(v.Local)
	w.Recorder.Record(event.Event{
		Kind: event.Polled, Reason: string(d.Reason), Detail: d.Detail, Member: v.Local, MemberName: local.Name,
		SizeBytes: local.SizeBytes, InUseBytes: local.InUseBytes, QuotaBytes: local.Quota.Bytes,
		QuotaFrom: quotaFrom(local), Took: time.Since(now),
	})
	w.Status(sentence(v, d, w.word("worked")))
	w.keep(v, d)
	w.seen(v, d)
}

// quotaFrom says how a member's quota is known; nothing, if it is not.
func quotaFrom(m cluster.Member) string {
	if m.Quota.Bytes == 0 {
		return ""
	}
	return m.Quota.Source.String()
}

// nameOf returns a member's name, or nothing.
func nameOf(v cluster.View, id cluster.MemberID) string {
	m, _ := v.Member(id)
	return m.Name
}

// about puts a condition together with the member's figures.
func about(v cluster.View, kind event.Kind, c policy.Condition) event.Event {
	m, _ := v.Member(c.Member)
	e := event.Event{
		Kind: kind, Reason: string(c.Reason), Detail: c.Detail, Member: c.Member, MemberName: m.Name,
		SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes, QuotaBytes: m.Quota.Bytes, QuotaFrom: quotaFrom(m),
		Holder: v.Claims.Holder, Grade: c.Grade,
	}
	switch c.Reason {
	case policy.NospaceArmed:
		e.Alarm = cluster.AlarmNoSpace.String()
	case policy.CorruptArmed:
		e.Alarm = cluster.AlarmCorrupt.String()
	}
	return e
}

// conflicts returns a condition for each member whose quota is not the one that
// is configured here.
func conflicts(v cluster.View) []event.Event {
	var differ []event.Event
	for _, m := range v.Members {
		if m.Contact == cluster.Answered && m.Quota.Conflict() {
			e := about(v, event.QuotaDiffers, policy.Condition{Member: m.ID})
			e.ConfiguredBytes = m.Quota.ConfiguredBytes
			differ = append(differ, e)
		}
	}
	return differ
}

// stale returns a condition if the disk holds files of defragmentations that
// were cut short.
func stale(v cluster.View) []event.Event {
	if len(v.Disk.StaleFiles) == 0 {
		return nil
	}
	return []event.Event{about(v, event.StaleFiles, policy.Condition{Member: v.Local, Detail: fmt.Sprintf(
		"%s take %s", strings.Join(v.Disk.StaleFiles, ", "), cluster.FormatBytes(v.Disk.StaleBytes))})}
}

// ignored returns a condition if keys lie under the prefix that look like tickets
// and are none.
func ignored(v cluster.View) []event.Event {
	if len(v.Claims.Ignored) == 0 {
		return nil
	}
	return []event.Event{about(v, event.ForeignTickets, policy.Condition{Detail: fmt.Sprintf(
		"%d keys, remove them with: etcdctl del %s", len(v.Claims.Ignored), strings.Join(v.Claims.Ignored[:min(3, len(v.Claims.Ignored))], "; etcdctl del "))})}
}

// keep has what was learnt kept: after work, when the reason or a condition changes, and else
// once a minute. That it can't be kept is reported once, and no reason to stop.
func (w *Watchdog) keep(v cluster.View, d policy.Decision) {
	if w.Keep == nil || !w.progressed && !w.kept.due && d.Reason == w.kept.reason && v.At.Sub(w.kept.at) < keepEvery {
		return
	}
	w.kept = kept{at: v.At, reason: d.Reason}
	if err := w.Keep(Kept{Memory: w.memory, View: v, Decision: d}); err != nil {
		w.failed(v, "state", fmt.Errorf("keeping what a restart should know: %w", err))
		return
	}
	delete(w.errors, "state")
}

// sentence is the status line: the size of the matter first, then what is done
// about it or why nothing is. Works is the word for what is or was done.
func sentence(v cluster.View, d policy.Decision, works string) string {
	var fullest cluster.Member
	answered := 0
	for _, m := range v.Members {
		if m.Contact != cluster.Answered {
			continue
		}
		answered++
		if fullest.ID == 0 || m.Usage() > fullest.Usage() {
			fullest = m
		}
	}
	var b strings.Builder
	if answered == 0 {
		b.WriteString("no member answers")
	} else {
		fmt.Fprintf(&b, "%d of %d members answer; the fullest file takes %s", answered, len(v.Members), cluster.FormatBytes(fullest.SizeBytes))
		if !fullest.Quota.Unlimited() {
			fmt.Fprintf(&b, ", %.0f %% of its quota of %s (%s)", 100*fullest.Usage(), cluster.FormatBytes(fullest.Quota.Bytes), fullest.Quota.Source)
		}
	}
	switch {
	case d.Acts():
		fmt.Fprintf(&b, "; %s on member %s (%s): %s", works, d.Member, d.Reason, steps(d))
	case d.Reason == policy.BelowThreshold:
		b.WriteString("; nothing to do")
	case d.Detail != "":
		fmt.Fprintf(&b, "; %s: %s", d.Reason, d.Detail)
	default:
		fmt.Fprintf(&b, "; %s", d.Reason)
	}
	return b.String()
}

// word is that for work, unless this watchdog does none.
func (w *Watchdog) word(works string) string {
	if w.Passive {
		return "would work"
	}
	return works
}

// steps names the steps of a decision.
func steps(d policy.Decision) string {
	var names []string
	for _, s := range d.Steps {
		names = append(names, s.Kind.String())
	}
	return strings.Join(names, ", ")
}

// sumUp tells of compactions alone: of the first at once, then of what there
// were in an hour, or in a day if they won little. Under load there are many a
// minute.
func (w *Watchdog) sumUp(o policy.Outcome, job string) {
	m, _ := o.View.Member(o.Decision.Member)
	r := &w.routine
	if r.count == 0 && !r.told {
		r.since = o.View.At
	}
	r.count++
	r.won += max(0, o.InUseBefore-m.InUseBytes)
	worth := float64(r.won) >= routineWorth*float64(m.Quota.Bytes)
	if since := o.At.Sub(r.since); r.told && (since < routineEvery || !worth && since < routineAtLeast) {
		return
	}
	w.Recorder.Record(event.Event{
		Kind: event.HistoryCompacted, Job: job, Member: m.ID, MemberName: m.Name, SizeBytes: m.SizeBytes, InUseBytes: m.InUseBytes,
		QuotaBytes: m.Quota.Bytes, QuotaFrom: quotaFrom(m), Count: r.count, WonBytes: r.won, Took: o.At.Sub(r.since), Detail: o.Decision.Detail,
	})
	*r = routine{since: o.At, told: true}
}

// nextJob begins a piece of work and returns its id, which is unique among the
// watchdogs of a cluster and over restarts.
func (w *Watchdog) nextJob() string {
	w.atHand = w.newJob()
	return w.atHand
}

// job is the id of the piece of work at hand.
func (w *Watchdog) job() string {
	if w.atHand == "" {
		return w.nextJob()
	}
	return w.atHand
}

// newJob returns an id for work beside the one at hand. Its first part is the local
// member's id, its second counts on from the time of the first work.
func (w *Watchdog) newJob() string {
	if w.jobs == 0 {
		w.jobs = int(time.Now().UnixMilli())
	} else {
		w.jobs++
	}
	return w.local.String() + "-" + strconv.FormatInt(int64(w.jobs), 36)
}
