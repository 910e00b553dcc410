package policy_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

var deadEndWorlds = flag.Int("deadend-worlds", 300, "how many random worlds TestNoDeadEnd goes through")

// The trouble that one member of a random world is in, for all of its time.
type trouble int

const (
	none     trouble = iota
	down             // silent from the beginning
	flapping         // silent for 55 s of each minute
	slow             // each answer takes 2 s
	tooSlow          // each answer takes longer than a member may need
	lagging          // far behind for the first three minutes
	strayed          // its URL leads to another member for the first four minutes
	dying            // each defragmentation fails
	troubles
)

// random is one random world: a full cluster whose live data fit, and the
// watchdogs beside some of its members.
type random struct {
	*stage
	of     map[cluster.MemberID]trouble
	paused map[cluster.MemberID]bool
	idle   map[cluster.MemberID]time.Time // since when a watchdog with tickets gets nowhere
	story  []string
	last   time.Time // the last step
}

// TestNoDeadEnd is I14: as long as NOSPACE is listed, the live data fit, and some
// watchdog that is able to work reaches a quorum, a step is sent within a bounded
// time. The bound is the longest of the waits that the design knows: ten minutes
// between two tries or takeovers, and what comes before the first.
func TestNoDeadEnd(t *testing.T) {
	t.Parallel()
	const bound = 20 * time.Minute
	met := map[string]int{}
	for seed := range uint64(*deadEndWorlds) {
		w := anyWorld(t, seed)
		if !w.able() {
			met["nobody is able"]++
			continue
		}
		w.live(bound, met)
		if t.Failed() {
			return
		}
	}
	t.Log(met)
	for _, what := range []string{"healed", "by the claim", "by the term"} {
		if met[what] == 0 {
			t.Errorf("no world was %s", what)
		}
	}
}

// anyWorld makes the world of a seed.
func anyWorld(t testing.TB, seed uint64) *random {
	d := &dice{randomBytes(seed, 64)}
	w := &random{stage: newStage(t), of: map[cluster.MemberID]trouble{}, paused: map[cluster.MemberID]bool{}, idle: map[cluster.MemberID]time.Time{}}
	n := pick(d, 1, 3, 3, 3, 5)
	script := fmt.Sprintf("members %d 513/%d/100 of 512;", n, pick(d, 100, 300, 513))
	for id := 1; id <= n; id++ {
		if d.seldom(3) {
			script += fmt.Sprintf("member %d %s;", id, pick(d, "100/100", "480/100", "300/250", "512/512/200"))
		}
	}
	w.leader = cluster.MemberID(1 + d.roll(n))
	script += "alarm " + pick(d, "1", "9") + ";"
	var watched, enrolled []string
	for id := 1; id <= n; id++ {
		if d.seldom(4) {
			continue // nobody watches it
		}
		watched = append(watched, fmt.Sprint(id))
		if d.roll(2) == 0 {
			enrolled = append(enrolled, fmt.Sprint(id))
		}
		w.paused[cluster.MemberID(id)] = d.seldom(6)
		if d.seldom(8) {
			w.apart = append(w.apart, cluster.MemberID(id))
		}
	}
	if len(enrolled) == 0 {
		enrolled = []string{"none"}
	}
	if len(watched) > 0 {
		script += "watch " + strings.Join(watched, " ") + ";enrolled " + strings.Join(enrolled, " ")
	}
	w.run(script)
	for troubled := d.roll((n-1)/2 + 1); troubled > 0; troubled-- {
		id := cluster.MemberID(1 + d.roll(n))
		w.of[id] = trouble(1 + d.roll(int(troubles)-1))
	}
	w.story = append(w.story, fmt.Sprintf("seed %d: %s, leader %s, troubles %v, paused %v, apart %v", seed, script, w.leader, w.of, w.paused, w.apart))
	return w
}

// trouble sets what the members are like now. A leader that is silent, or needs
// seconds for each answer, does not stay one: it is never excused.
func (w *random) trouble() {
	since := w.now.Sub(begin)
	for id, of := range w.of {
		a := w.actor(id)
		a.Contact, a.Took, a.lag = cluster.Answered, 0, 0
		switch {
		case of == down, of == flapping && since%time.Minute < 55*time.Second:
			a.Contact = cluster.Silent
		case of == slow:
			a.Took = 2 * time.Second
		case of == tooSlow:
			a.Took = 5 * time.Second
		case of == lagging && since < 3*time.Minute:
			a.lag = 2000
		case of == strayed && since < 4*time.Minute:
			a.Contact = cluster.Mismatched
		case of == dying:
			a.sick = true
		}
		if id == w.leader && (a.Contact == cluster.Silent || of == tooSlow) {
			w.elect()
		}
	}
}

// elect gives the leadership to the first member that is there.
func (w *random) elect() {
	for _, a := range w.actors {
		if t := w.of[a.ID]; !a.Learner && t != down && t != flapping && t != tooSlow {
			w.leader, w.term = a.ID, w.term+1
			return
		}
	}
}

// works reports that a watchdog's own member is there, all the time or in the end.
func (w *random) works(dog *watchdog) bool {
	t := w.of[dog.local]
	return t != down && t != flapping && t != tooSlow && !w.paused[dog.local]
}

// able reports that some watchdog may work in the end: with tickets, or next to
// its member, since tickets that lead nowhere are given up.
func (w *random) able() bool {
	return slices.ContainsFunc(w.watchdogs, func(dog *watchdog) bool {
		return w.works(dog) && !slices.Contains(w.apart, dog.local)
	})
}

// leave lets the watchdogs give their tickets up as they do (see pkg/watchdog).
func (w *random) leave(dog *watchdog) {
	if !slices.Contains(w.enrolled, dog.local) {
		return
	}
	away := dog.memory.Of(dog.local).AwaySince
	gone := w.paused[dog.local] || !away.IsZero() && w.now.Sub(away) >= w.limits.AdoptAfter
	switch dog.decision.Reason {
	case policy.CoolingDown, policy.IdentityMismatch, policy.DiskTooSmall, policy.AnotherMembersTurn, policy.WaitingForCompaction:
		if since, seen := w.idle[dog.local]; !seen || dog.memory.ProgressAt.After(since) {
			w.idle[dog.local] = w.now
		}
		gone = gone || w.now.Sub(w.idle[dog.local]) >= 3*w.limits.AdoptAfter
	case policy.MemberUnreachable, policy.MemberCatchingUp:
	default:
		delete(w.idle, dog.local)
	}
	if gone {
		w.enrolled = slices.DeleteFunc(w.enrolled, func(id cluster.MemberID) bool { return id == dog.local })
		w.claims.Watched = slices.Clone(w.enrolled)
	}
}

// live lets time pass until the cluster is healed, or cannot be.
func (w *random) live(bound time.Duration, met map[string]int) {
	w.last = w.now
	for w.now.Sub(begin) < time.Hour {
		acted := false
		for _, dog := range w.watchdogs {
			w.trouble()
			if w.actor(dog.local).Contact == cluster.Silent || w.paused[dog.local] {
				w.look(dog)
				w.leave(dog)
				continue
			}
			d := w.look(dog)
			w.leave(dog)
			if !d.Acts() {
				continue
			}
			w.story = append(w.story, fmt.Sprintf("%s %s: %s", w.clock(), dog.local, brief(d)))
			w.count(d, met)
			w.act(dog)
			acted, w.last = true, w.now
		}
		if len(w.alarms) == 0 {
			met["healed"]++
			return
		}
		if w.now.Sub(w.last) > bound {
			for _, dog := range w.watchdogs {
				w.story = append(w.story, fmt.Sprintf("%s %s: %s %s", w.clock(), dog.local, brief(dog.decision), dog.decision.Detail))
			}
			w.t.Errorf("no step for %s: %s\n%s", bound, w.summary(), strings.Join(w.story[:min(60, len(w.story))], "\n"))
			return
		}
		if acted {
			w.pass(time.Second)
		} else {
			w.pass(5 * time.Second)
		}
	}
	met["not healed in an hour"]++
	if !slices.ContainsFunc(w.actors, func(a actor) bool { return w.of[a.ID] == dying || w.of[a.ID] == flapping }) {
		w.t.Errorf("not healed in an hour: %s\n%s", w.summary(), strings.Join(w.story[:min(60, len(w.story))], "\n"))
	}
}

func (w *random) count(d policy.Decision, met map[string]int) {
	if d.Has(cluster.StepDefragment) {
		met[map[policy.Permit]string{policy.Claim: "by the claim", policy.Term: "by the term", policy.SingleVoter: "by the single voter"}[d.Permit]]++
	}
}
