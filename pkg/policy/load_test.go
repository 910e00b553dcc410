package policy_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// load is what clients write, and etcd's own auto-compaction, as time passes.
// In a script:
//
//	load rate 5                    revisions a second, all day
//	load burst 200 2m 1h           as many more for two minutes of every hour
//	load leak 10                   MiB more that live, an hour
//	load auto 1h                   etcd keeps the history of the last hour
type load struct {
	begin   time.Time // zero: there is none
	rate    float64
	burst   float64
	lasts   time.Duration
	every   time.Duration
	leak    float64
	auto    time.Duration
	kept    int64 // the revision at which etcd compacts next by itself
	refused int64 // revisions, by NOSPACE
}

// written is how many revisions and how many bytes that live have been asked
// for since the load began.
func (l load) written(now time.Time) (revisions, live int64) {
	since := now.Sub(l.begin)
	n := l.rate * since.Seconds()
	if l.every > 0 {
		whole, rest := since/l.every, since%l.every
		n += l.burst * (time.Duration(whole)*l.lasts + min(rest, l.lasts)).Seconds()
	}
	return int64(n), int64(l.leak * mib * since.Hours())
}

// act is what happens in the next d.
func (l *load) act(s *stage, d time.Duration) {
	if l.begin.IsZero() || d <= 0 {
		return
	}
	revisions, live := l.written(s.now)
	then, more := l.written(s.now.Add(d))
	if slices.ContainsFunc(s.alarms, func(a cluster.Alarm) bool { return a.Kind == cluster.AlarmNoSpace }) {
		l.refused += then - revisions
		return
	}
	s.write(then-revisions, more-live)
	if l.auto > 0 && s.now.Sub(l.begin)/l.auto != s.now.Add(d).Sub(l.begin)/l.auto {
		for i := range s.actors {
			s.actors[i].compact(s.revision - l.kept)
		}
		l.kept = s.revision
	}
}

func (s *stage) scriptLoad(args []string) (string, error) {
	l := &s.load
	if l.begin.IsZero() {
		l.begin, l.kept = s.now, s.revision
	}
	var err error
	switch {
	case args[0] == "rate" && len(args) == 2:
		l.rate, err = strconv.ParseFloat(args[1], 64)
	case args[0] == "leak" && len(args) == 2:
		l.leak, err = strconv.ParseFloat(args[1], 64)
	case args[0] == "auto" && len(args) == 2:
		l.auto, err = time.ParseDuration(args[1])
	case args[0] == "burst" && len(args) == 4:
		_, err = fmt.Sscan(args[1], &l.burst)
		l.lasts, _ = time.ParseDuration(args[2])
		l.every, _ = time.ParseDuration(args[3])
	default:
		err = fmt.Errorf("no such load")
	}
	return "", err
}

func (s *stage) scriptWrite(args []string) (string, error) {
	revisions, err := strconv.ParseInt(args[0], 10, 64)
	live := int64(0)
	if err == nil && len(args) > 1 {
		live, err = parseMiB(args[1])
	}
	s.write(revisions, live)
	return "", err
}

func (s *stage) scriptDisk(args []string) (string, error) {
	ids, err := parseIDs(args[:1])
	if err != nil {
		return "", err
	}
	if args[1] == "unknown" {
		s.watchdog(ids[0]).disk = cluster.Disk{}
		return "", nil
	}
	free, err := parseMiB(args[1])
	s.watchdog(ids[0]).disk = cluster.Disk{Known: true, FreeBytes: free}
	return "", err
}

// tally is what a span of simulated time comes to.
type tally struct {
	polls   map[cluster.MemberID]int
	closest time.Duration
	entries []string // in the journals: conditions that begin or end, and work but for routine
	steps   map[cluster.StepKind]int
	topFile float64
	topUsed float64
}

// scriptDrive lets every watchdog look when it wants to, and act. It judges one
// look in a hundred, and all that act, for the sake of time.
func (s *stage) scriptDrive(args []string) (string, error) {
	span, err := time.ParseDuration(args[0])
	sum := tally{polls: map[cluster.MemberID]int{}, steps: map[cluster.StepKind]int{}, closest: time.Hour}
	end := s.now.Add(span)
	due := map[*watchdog]time.Time{}
	for i, w := range s.watchdogs { // they were not started at the same moment
		due[w] = s.now.Add(time.Duration(i) * 300 * time.Millisecond)
	}
	for {
		next := slices.MinFunc(s.watchdogs, func(a, b *watchdog) int { return due[a].Compare(due[b]) })
		if !due[next].Before(end) {
			break
		}
		s.pass(max(0, due[next].Sub(s.now)))
		d := s.oneTick(next, &sum)
		due[next] = s.now.Add(d.Next)
		sum.closest = min(sum.closest, d.Next)
		for _, a := range s.actors {
			sum.topFile, sum.topUsed = max(sum.topFile, a.Usage()), max(sum.topUsed, a.InUseUsage())
		}
	}
	s.pass(max(0, end.Sub(s.now)))
	return s.report(sum), err
}

func (s *stage) oneTick(w *watchdog, sum *tally) policy.Decision {
	for range 30 {
		before := w.decision
		v := s.view(w)
		w.memory = w.memory.WithLook(s.limits, v)
		sum.polls[w.local]++
		if w.decision = policy.Decide(s.limits, s.now, v, w.memory); w.decision.Acts() || sum.polls[w.local]%100 == 0 {
			decide(s.t, s.limits, s.now, v, w.memory)
		}
		at := fmt.Sprintf("%8s %s: ", s.clock(), w.local)
		for _, change := range changes(before.Standing, w.decision.Standing) {
			sum.entries = append(sum.entries, at+change)
		}
		if !w.decision.Acts() {
			break
		}
		if !w.decision.Routine {
			sum.entries = append(sum.entries, at+brief(w.decision))
		}
		for _, step := range w.decision.Steps {
			sum.steps[step.Kind]++
		}
		s.act(w)
	}
	return w.decision
}

// changes tells which conditions have begun or ended.
func changes(before, after []policy.Condition) (all []string) {
	among := func(all []policy.Condition, c policy.Condition) bool {
		return slices.ContainsFunc(all, func(o policy.Condition) bool { return o.Reason == c.Reason && o.Member == c.Member })
	}
	tell := func(c policy.Condition, what string) {
		all = append(all, fmt.Sprintf("%s %s %s", c.Reason, c.Member, what))
	}
	for _, c := range before {
		if !among(after, c) {
			tell(c, "has ended")
		}
	}
	for _, c := range after {
		if !among(before, c) {
			tell(c, "begins: "+c.Detail)
		}
	}
	return all
}

func (s *stage) report(sum tally) string {
	var b strings.Builder
	for _, entry := range sum.entries[:min(len(sum.entries), 50)] {
		b.WriteString(strings.TrimSuffix(entry, ": ") + "\n")
	}
	fmt.Fprintf(&b, "%8s polls", s.clock())
	for _, w := range s.watchdogs {
		fmt.Fprintf(&b, " %d", sum.polls[w.local])
	}
	fmt.Fprintf(&b, ", the closest %s apart\n", sum.closest.Round(10*time.Millisecond))
	fmt.Fprintf(&b, "%8s compactions %d, defragmentations %d, leaders moved %d, disarms %d, journal entries %d, writes refused %d\n", "",
		sum.steps[cluster.StepCompact]-sum.steps[cluster.StepDefragment], sum.steps[cluster.StepDefragment],
		sum.steps[cluster.StepMoveLeader], sum.steps[cluster.StepDisarm], len(sum.entries), s.load.refused)
	fmt.Fprintf(&b, "%8s at most: file %.0f %% of the quota, in use %.0f %%\n", "", 100*sum.topFile, 100*sum.topUsed)
	fmt.Fprintf(&b, "%8s in the end: %s\n", "", s.summary())
	return b.String()
}
