package scenario

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	mebibyte = 1 << 20
	quota    = 64 * mebibyte
	// within bounds every wait; a healed cluster needs a few seconds.
	within = 2 * time.Minute
)

// settings is the configuration of the watchdogs beside small clusters on a
// busy machine, but for what a scenario changes.
type settings struct {
	etcd  map[string]string // keys of the section etcd
	other string            // further sections; empty: quick
	flags []string          // of run
}

const quick = "watch:\n  poll-interval: 1s\n"

func TestMain(m *testing.M) {
	flag.Parse()
	// A scenario is up to ten processes; more than two at once disturb each other.
	if flag.Lookup("test.parallel").Value.(flag.Getter).Get().(int) > 2 {
		if err := flag.Set("test.parallel", "2"); err != nil {
			panic(err)
		}
	}
	os.Exit(watchdogs.Run(m))
}

// whole marks a scenario that is left out of the selection.
func whole(t *testing.T) {
	t.Helper()
	if os.Getenv("ETCD_WATCHDOG_E2E") != "1" {
		t.Skip("not in the selection: run `make e2e`, or set ETCD_WATCHDOG_E2E=1")
	}
}

// scene is one cluster with its watchdogs and writers.
type scene struct {
	*realetcd.Cluster
	t       *testing.T
	dogs    *watchdogs.Pack
	held    bool // the watchdogs stand still
	writers *realetcd.Writers
}

// stage starts a cluster of that line. A line that this machine does not have
// is 3.4, and the scenario is left out.
func stage(t *testing.T, line string, members int, edit ...func(*realetcd.Config)) *scene {
	t.Helper()
	t.Parallel()
	l, err := realetcd.FindLine(line)
	if err != nil && line == "3.4" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return stageOn(t, l, members, edit...)
}

func stageOn(t *testing.T, line realetcd.Line, members int, edit ...func(*realetcd.Config)) *scene {
	t.Helper()
	cfg := realetcd.Config{Line: line, Members: members, QuotaBytes: quota}
	for _, e := range edit {
		e(&cfg)
	}
	s := &scene{t: t, dogs: watchdogs.NewPack(t)}
	// Before the cluster, so that it ends after it: the watchdogs go first.
	s.Cluster = realetcd.Start(t, cfg)
	t.Cleanup(func() {
		for _, dog := range s.dogs.Dogs {
			_ = dog.Kill() // the pack reports what is left
		}
	})
	return s
}

// add adds watchdogs beside those members, not started; with none named,
// beside all.
func (s *scene) add(set settings, members ...int) []*watchdogs.Watchdog {
	s.t.Helper()
	if len(members) == 0 {
		for i := range s.Members() {
			members = append(members, i)
		}
	}
	if set.other == "" {
		set.other = quick
	}
	var added []*watchdogs.Watchdog
	for _, i := range members {
		m := s.Member(i)
		config := watchdogs.Config(s.Cluster, m.ClientURL, set.etcd, set.other)
		added = append(added, s.dogs.Add("dog-"+m.Name, config, set.flags...))
	}
	return added
}

// watch starts watchdogs beside those members and waits until they hold
// tickets.
func (s *scene) watch(set settings, members ...int) {
	s.t.Helper()
	s.add(set, members...)
	s.dogs.Start()
	s.eachDog("enrolled", 1)
}

// write starts writers that go on until the end.
func (s *scene) write() {
	s.t.Helper()
	w, err := s.StartWriters(s.t.Context(), realetcd.WritersConfig{
		Prefix: "w", Writers: 2, Keys: 20, ValueBytes: 1024, Pause: 5 * time.Millisecond,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.writers = w
}

func (s *scene) fill() {
	s.t.Helper()
	s.fillWith(20 * mebibyte)
}

// fillWith fills the cluster with so much live data, and history. The watchdogs
// are held meanwhile, for they would not let it happen.
func (s *scene) fillWith(liveBytes int64) {
	s.t.Helper()
	load := realetcd.Load{Prefix: "data", LiveBytes: liveBytes, ValueBytes: 16 << 10, Seed: 1}
	s.unwatched(func() {
		_, err := s.Fill(s.t.Context(), load)
		s.must(err)
	})
}

// unwatched does something while the watchdogs stand still, as if they were
// all between two polls. Within it they stand still until its end.
func (s *scene) unwatched(do func()) {
	s.t.Helper()
	if s.held {
		do()
		return
	}
	s.held = true
	s.must(watchdogs.WhileHeld(s.dogs.Dogs, func() error {
		do()
		return nil
	}))
	s.held = false
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// until waits until the condition holds.
func (s *scene) until(what string, condition realetcd.Condition) {
	s.t.Helper()
	realetcd.Eventually(s.t, within, what, condition)
}

// healed waits until no alarm is listed and a write is accepted.
func (s *scene) healed() {
	s.t.Helper()
	s.until("the cluster to be healed", func() (bool, string) {
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		defer cancel()
		alarms, err := s.Alarms(ctx)
		if err != nil || len(alarms) > 0 {
			return false, fmt.Sprint(alarms, err)
		}
		for _, m := range s.Running() {
			if _, err = m.Client().Put(ctx, "probe", "x"); err == nil {
				return true, ""
			}
		}
		return false, fmt.Sprint(err)
	})
}

// of returns the entries of that event by one watchdog.
func (s *scene) of(dog *watchdogs.Watchdog, event string) []watchdogs.Entry {
	s.t.Helper()
	entries, err := dog.Entries()
	s.must(err)
	return slices.DeleteFunc(entries, func(e watchdogs.Entry) bool { return e.Event != event })
}

// eachDog waits until every watchdog that runs has reported the event so often.
func (s *scene) eachDog(event string, times int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d entries %s of every watchdog", times, event), func() (bool, string) {
		for _, dog := range s.running() {
			if n := len(s.of(dog, event)); n < times {
				return false, fmt.Sprintf("%s has %d", dog.Name, n)
			}
		}
		return true, ""
	})
}

// once checks that a standing state was reported exactly once by each watchdog
// that runs, for each member that it is about.
func (s *scene) once(event string, members int) {
	s.t.Helper()
	for _, dog := range s.running() {
		entries := s.of(dog, event)
		about := map[string]int{}
		for _, e := range entries {
			about[e.MemberID]++
		}
		if len(entries) != members || len(about) != members {
			s.t.Errorf("%s reports %s of members and times %v, want %d, each once", dog.Name, event, about, members)
		}
	}
}

func (s *scene) running() []*watchdogs.Watchdog {
	return slices.DeleteFunc(slices.Clone(s.dogs.Dogs), func(d *watchdogs.Watchdog) bool {
		select {
		case <-d.Ended():
			return true
		default:
			return false
		}
	})
}

// polls waits until every watchdog that runs has polled so many times more.
func (s *scene) polls(times int) {
	s.t.Helper()
	before := map[*watchdogs.Watchdog]int{}
	for _, dog := range s.running() {
		before[dog] = len(s.of(dog, "polled"))
	}
	s.until(fmt.Sprintf("%d polls of every watchdog", times), func() (bool, string) {
		for dog, n := range before {
			if more := len(s.of(dog, "polled")) - n; more < times {
				return false, fmt.Sprintf("%d of %s", more, dog.Name)
			}
		}
		return true, ""
	})
}

// eachWaits waits until the latest decision of every watchdog that runs is to
// wait, for that reason.
func (s *scene) eachWaits(reason string) {
	s.t.Helper()
	s.until("every watchdog to wait because of "+reason, func() (bool, string) {
		for _, dog := range s.running() {
			polled := s.of(dog, "polled")
			if len(polled) == 0 {
				return false, dog.Name + " has not polled"
			}
			if last := polled[len(polled)-1]; last.Reason != reason {
				return false, dog.Name + ": " + last.Line
			}
		}
		return true, ""
	})
}

// never checks that no watchdog has reported any of the events.
func (s *scene) never(events ...string) {
	s.t.Helper()
	for _, e := range events {
		if entries := s.dogs.Of(e); len(entries) > 0 {
			s.t.Errorf("%d entries %s, want none, such as: %s", len(entries), e, entries[0].Line)
		}
	}
}

// defragmentations returns those that the members' logs tell.
func (s *scene) defragmentations() []realetcd.Defragmentation {
	s.t.Helper()
	all, err := s.Cluster.Defragmentations()
	s.must(err)
	return all
}

// freeze waits until a member is being defragmented, and suspends it in the
// middle of that.
func (s *scene) freeze() (frozen *realetcd.Member) {
	s.t.Helper()
	s.until("a member to be frozen while it is defragmented", func() (bool, string) {
		for _, m := range s.Members() {
			if !s.defragmenting(m) {
				continue
			}
			s.must(m.Suspend())
			if s.defragmenting(m) {
				frozen = m
				return true, ""
			}
			s.must(m.Resume())
		}
		return false, fmt.Sprint(s.defragmentations())
	})
	return frozen
}

// midway is freeze, and also returns the watchdog that works on the member.
func (s *scene) midway() (*realetcd.Member, *watchdogs.Watchdog) {
	s.t.Helper()
	frozen := s.freeze()
	id := fmt.Sprintf("%x", frozen.ID())
	var doing *watchdogs.Watchdog
	s.until("the watchdog to say that it does it", func() (bool, string) {
		for _, dog := range s.dogs.Dogs {
			for _, e := range s.of(dog, "defragmentation_started") {
				if e.MemberID == id {
					doing = dog
				}
			}
		}
		return doing != nil, "none does"
	})
	return frozen, doing
}

// defragmenting reports that the member's log tells of one that lasts still.
func (s *scene) defragmenting(m *realetcd.Member) bool {
	s.t.Helper()
	all, err := m.Defragmentations()
	s.must(err)
	return len(all) > 0 && all[len(all)-1].End.IsZero()
}

// alone checks that nothing else was begun than the defragmentation of the
// frozen member, since that one began.
func (s *scene) alone(frozen *realetcd.Member) {
	s.t.Helper()
	all := s.defragmentations()
	if last := all[len(all)-1]; last.Member != frozen.Name {
		s.t.Errorf("%s began while %s was blocked", last, frozen.Name)
	}
}

// raise lists an alarm of the member with that id; 0: of none.
func (s *scene) raise(kind pb.AlarmType, id uint64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	s.must(s.RaiseAlarm(ctx, kind, id))
}

// disarm does by hand what a watchdog must not do.
func (s *scene) disarm(kind pb.AlarmType, id uint64) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	s.must(s.DisarmAlarm(ctx, kind, id))
}

// untouched checks that the members' own logs tell of no defragmentation and no
// compaction.
func (s *scene) untouched() {
	s.t.Helper()
	if all := s.defragmentations(); len(all) > 0 {
		s.t.Errorf("members were defragmented: %v", all)
	}
	for _, m := range s.Members() {
		if all, err := m.Compactions(); err != nil || len(all) > 0 {
			s.t.Errorf("%s was compacted: %v, %v", m.Name, all, err)
		}
	}
	s.never("alarm_disarmed", "defragmentation_started", "compaction_started")
}

// end checks what holds at the end of every scenario in which nothing goes
// wrong but what it is about: safe, each member defragmented so often, and no
// failure reported.
func (s *scene) end(times map[int]int) {
	s.t.Helper()
	s.safe()
	all := s.defragmentations()
	for i, m := range s.Members() {
		n := 0
		for _, d := range all {
			if d.Member == m.Name && d.Completed {
				n++
			}
		}
		if want := times[i]; n != want {
			s.t.Errorf("%s was defragmented %d times, want %d: %v", m.Name, n, want, all)
		}
	}
	s.never("poll_failed", "claim_lost", "defragmentation_failed", "compaction_failed", "disarm_failed", "disarm_repeated", "live_data_too_large")
}

// safe checks what holds at the end of every scenario: no alarm, no
// acknowledged write lost, no two defragmentations at once, and nothing in the
// logs of the watchdogs but entries.
func (s *scene) safe() {
	s.t.Helper()
	if s.writers != nil {
		tally := s.writers.Stop()
		s.t.Logf("writers: %+v", tally)
		if err := s.writers.Verify(s.t.Context()); err != nil {
			s.t.Error(err)
		}
	}
	if alarms, err := s.Alarms(s.t.Context()); err != nil || len(alarms) > 0 {
		s.t.Errorf("alarms at the end: %v, %v", alarms, err)
	}
	if overlaps := realetcd.Overlaps(s.defragmentations()); len(overlaps) > 0 {
		s.t.Errorf("defragmentations at once: %v", overlaps)
	}
	for _, e := range s.dogs.Entries() {
		if e.Event == "" {
			s.t.Errorf("%s wrote a line that is no entry: %s", e.Watchdog, e.Line)
		}
	}
}

// each is one defragmentation of each member.
func (s *scene) each() map[int]int {
	times := map[int]int{}
	for i := range s.Members() {
		times[i] = 1
	}
	return times
}

// tickets returns the keys below the claim's prefix, as another member than the
// frozen ones knows them.
func (s *scene) tickets(frozen ...*realetcd.Member) []string {
	s.t.Helper()
	asked := slices.DeleteFunc(s.Running(), func(m *realetcd.Member) bool { return slices.Contains(frozen, m) })[0]
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	got, err := asked.Client().Get(ctx, "/etcd-watchdog", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	s.must(err)
	var keys []string
	for _, kv := range got.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys
}

// unclaimed waits until no ticket is busy: a claim that was taken is given back.
func (s *scene) unclaimed() {
	s.t.Helper()
	s.until("the claim to be free", func() (bool, string) {
		keys := s.tickets()
		for _, key := range keys {
			end, is := strings.CutSuffix(key, "/end")
			if is && !slices.Contains(keys, end+"/begin") {
				return false, key
			}
		}
		return true, ""
	})
}

func (s *scene) alarms() []string {
	s.t.Helper()
	alarms, err := s.Alarms(s.t.Context())
	s.must(err)
	return alarms
}

// stillListed checks that no alarm was taken from the list. A full member raises
// one more when a write is refused by it, which may be late.
func (s *scene) stillListed(before []string) {
	s.t.Helper()
	after := s.alarms()
	for _, alarm := range before {
		if !slices.Contains(after, alarm) {
			s.t.Errorf("the alarms were %v, now %v", before, after)
		}
	}
}
