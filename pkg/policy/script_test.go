package policy_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// The script moves a stage, one command in a line (or before a semicolon).
// Sizes are in MiB: file/in use/live, where live may be left out if it is what
// is in use.
//
//	members 3 513/400/100 of 512   members 1 to 3, all alike
//	member 2 90/90 of none         one member, or what changes of it: of N,
//	                               of none, assumed, configured, learnt, real N,
//	                               silent, answers, mismatched, learner, lost,
//	                               gone, lag N, version V, downgrade V, sick, well,
//	                               took DURATION, blocked (answers: it is so no more),
//	                               each KiB (of one revision of history)
//	write 100                      so many revisions; write 100 20: and 20 MiB more that live
//	disk 1 300                     MiB free where watchdog 1's member is; unknown
//	leader 2                       0: none; each change begins a new term
//	apart 1 2                      those watchdogs are not next to their member
//	revision 9000
//	alarm 1                        NOSPACE of member 1; alarm 1 corrupt, alarm 1 other
//	no-alarms
//	watch 1 2 3                    whose watchdogs there are; all are enrolled
//	enrolled 1                     those of them that have tickets, and their books; none
//	books 1 2                      whose books there are, whoever is enrolled
//	claims unknown                 the claim can't be read; known: it can again
//	holder 2                       the claim is held by member 2's watchdog; none
//	limit adopt-after 2m           one of the limits
//	restart 1                      that watchdog has no memory any more
//	doubt 1 2                      watchdog 1 does not know how a defragmentation of 2 has ended
//	settled 1 2                    it knows now
//	indoubt 1                      it finds a busy ticket that it does not remember; no-indoubt 1
//	problem unreachable            there is no member list; problem none
//	wait 5m
//	look                           every watchdog looks, or those that are named
//	do 1                           watchdog 1 carries out what it decided last
//	compacted                      all look, and carry out what is a compaction alone
//	run 5m                         all look, act and wait; shown is what changes
//	load leak 10                   what happens as time passes, see load_test.go
//	drive 168h                     as run, but each looks when it wants to; shown is what a
//	                               journal would, and how often what was done
var commands = map[string]func(*stage, []string) (string, error){
	"members": (*stage).scriptMembers, "member": (*stage).scriptMember,
	"watch": (*stage).scriptWatch, "limit": (*stage).scriptLimit, "alarm": (*stage).scriptAlarm,
	"look": (*stage).scriptLook, "compacted": (*stage).scriptCompacted, "run": (*stage).scriptRun,
	"write": (*stage).scriptWrite, "disk": (*stage).scriptDisk, "load": (*stage).scriptLoad, "drive": (*stage).scriptDrive,
	"leader":     set(func(s *stage, ids []cluster.MemberID) { s.leader = ids[0]; s.term++ }),
	"apart":      set(func(s *stage, ids []cluster.MemberID) { s.apart = ids }),
	"enrolled":   set(func(s *stage, ids []cluster.MemberID) { s.enrolled, s.claims.Watched = ids, ids }),
	"books":      set(func(s *stage, ids []cluster.MemberID) { s.claims.Watched = ids }),
	"restart":    set(func(s *stage, ids []cluster.MemberID) { s.watchdog(ids[0]).memory = policy.Memory{} }),
	"no-alarms":  set(func(s *stage, _ []cluster.MemberID) { s.alarms = nil }),
	"indoubt":    set(func(s *stage, ids []cluster.MemberID) { s.watchdog(ids[0]).inDoubt = true }),
	"no-indoubt": set(func(s *stage, ids []cluster.MemberID) { s.watchdog(ids[0]).inDoubt = false }),
	"proven": set(func(s *stage, _ []cluster.MemberID) { // everybody saw every file shrink a little
		for _, w := range s.watchdogs {
			for i := range w.memory.Members {
				w.memory.Members[i].ShrankAt = s.now
			}
		}
	}),
	"do": set(func(s *stage, ids []cluster.MemberID) { s.act(s.watchdog(ids[0])) }),
	"doubt": set(func(s *stage, ids []cluster.MemberID) {
		w := s.watchdog(ids[0])
		w.memory = w.memory.WithDoubt(policy.Doubt{Member: ids[1], Closed: s.now, Cause: "the connection was lost"})
	}),
	"settled": set(func(s *stage, ids []cluster.MemberID) {
		w := s.watchdog(ids[0])
		w.memory = w.memory.WithoutDoubt(ids[1])
	}),
	"holder": set(func(s *stage, ids []cluster.MemberID) {
		s.claims.Holder, s.claims.HolderMember = "", 0
		if len(ids) > 0 {
			s.claims.Holder, s.claims.HolderMember = fmt.Sprintf("host%d", ids[0]), ids[0]
		}
	}),
	"claims":   word(func(s *stage, w string) error { s.claims.Known = w == "known"; return nil }),
	"problem":  word(func(s *stage, w string) error { s.problem = strings.TrimPrefix(w, "none"); return nil }),
	"revision": word(func(s *stage, w string) (err error) { s.revision, err = strconv.ParseInt(w, 10, 64); return err }),
	"wait": word(func(s *stage, w string) error {
		d, err := time.ParseDuration(w)
		s.pass(d)
		return err
	}),
}

// set makes a command of a function that takes member ids.
func set(f func(*stage, []cluster.MemberID)) func(*stage, []string) (string, error) {
	return func(s *stage, args []string) (string, error) {
		ids, err := parseIDs(args)
		if err == nil {
			f(s, ids)
		}
		return "", err
	}
}

// word makes a command of a function that takes one word.
func word(f func(*stage, string) error) func(*stage, []string) (string, error) {
	return func(s *stage, args []string) (string, error) { return "", f(s, strings.Join(args, " ")) }
}

func parseIDs(args []string) (ids []cluster.MemberID, err error) {
	for _, arg := range args {
		switch id, err := cluster.ParseMemberID(arg); {
		case arg == "none":
		case arg == "0": // nobody's
			ids = append(ids, 0)
		case err != nil:
			return nil, err
		default:
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// run executes a script and returns what it shows.
func (s *stage) run(script string) string {
	s.t.Helper()
	var out strings.Builder
	for line := range strings.FieldsFuncSeq(script, func(r rune) bool { return r == '\n' || r == ';' }) {
		shown, err := s.command(line)
		if err != nil {
			s.t.Fatalf("%s: %v", strings.TrimSpace(line), err)
		}
		out.WriteString(shown)
	}
	return out.String()
}

func (s *stage) command(line string) (string, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return "", nil
	}
	command, ok := commands[fields[0]]
	if !ok {
		return "", fmt.Errorf("no such command; there are %s", slices.Sorted(maps.Keys(commands)))
	}
	return command(s, fields[1:])
}

func (s *stage) scriptMembers(args []string) (string, error) {
	n, err := strconv.Atoi(args[0])
	for id := 1; err == nil && id <= n; id++ {
		_, err = s.scriptMember(append([]string{strconv.Itoa(id)}, args[1:]...))
	}
	return "", err
}

func (s *stage) scriptMember(args []string) (string, error) {
	id, err := cluster.ParseMemberID(args[0])
	if err != nil {
		return "", err
	}
	for i := 1; i < len(args); i++ {
		arg, value := args[i], ""
		if slices.Contains([]string{"of", "real", "lag", "version", "downgrade", "each", "took"}, arg) && i+1 < len(args) {
			i++
			value = args[i]
		}
		if arg == "gone" {
			s.actors = slices.DeleteFunc(s.actors, func(a actor) bool { return a.ID == id })
			return "", nil
		}
		if err := s.actor(id).change(arg, value); err != nil {
			return "", err
		}
	}
	return "", nil
}

// change is one change of a member.
func (a *actor) change(what, value string) (err error) {
	sources := map[string]cluster.QuotaSource{"assumed": cluster.QuotaAssumed, "configured": cluster.QuotaConfigured, "learnt": cluster.QuotaLearnt}
	contacts := map[string]cluster.Contact{"silent": cluster.Silent, "answers": cluster.Answered, "mismatched": cluster.Mismatched}
	switch what {
	case "of":
		a.Quota.Bytes, err = parseMiB(value)
		a.Quota.Source = cluster.QuotaLearnt
	case "assumed", "configured", "learnt":
		a.Quota.Source = sources[what]
	case "real":
		a.real, err = parseMiB(value)
	case "silent", "answers", "mismatched":
		a.Contact, a.Blocked = contacts[what], false
	case "blocked":
		a.Contact, a.Blocked = cluster.Silent, true
	case "took":
		a.Took, err = time.ParseDuration(value)
	case "learner":
		a.Learner = true
	case "lost":
		a.lost = true
	case "lag":
		a.lag, err = strconv.ParseUint(value, 10, 64)
	case "version":
		a.Version = value
	case "downgrade":
		a.DowngradeTo = strings.TrimPrefix(value, "none")
	case "each":
		a.each, err = strconv.ParseInt(value, 10, 64)
		a.each *= 1 << 10
	case "sick", "well":
		a.sick = what == "sick"
	default:
		err = a.resize(what)
	}
	return err
}

func (a *actor) resize(sizes string) error {
	parts := strings.Split(sizes, "/")
	if len(parts) < 2 {
		return fmt.Errorf("%q is no change of a member", sizes)
	}
	size, err1 := parseMiB(parts[0])
	inUse, err2 := parseMiB(parts[1])
	live, err3 := parseMiB(parts[len(parts)-1])
	a.SizeBytes, a.InUseBytes, a.kept, a.live = size, inUse, inUse, live
	return errors.Join(err1, err2, err3)
}

func parseMiB(s string) (int64, error) {
	if s == "none" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n * mib, err
}

func (s *stage) scriptWatch(args []string) (string, error) {
	ids, err := parseIDs(args)
	s.watchdogs, s.enrolled, s.claims.Watched = nil, ids, ids
	for _, id := range ids {
		s.watchdogs = append(s.watchdogs, &watchdog{local: id})
	}
	return "", err
}

func (s *stage) scriptAlarm(args []string) (string, error) {
	ids, err := parseIDs(args[:1])
	if err != nil {
		return "", err
	}
	kind := cluster.AlarmNoSpace
	if len(args) > 1 {
		kind = map[string]cluster.AlarmKind{"corrupt": cluster.AlarmCorrupt, "other": cluster.AlarmOther}[args[1]]
	}
	s.alarms = append(s.alarms, cluster.Alarm{Member: ids[0], Kind: kind})
	slices.SortFunc(s.alarms, func(a, b cluster.Alarm) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Kind, b.Kind))
	})
	return "", nil
}

func (s *stage) scriptLimit(args []string) (string, error) {
	l, value := &s.limits, strings.Join(args[1:], " ")
	durations := map[string]*time.Duration{
		"adopt-after": &l.AdoptAfter, "unreachable-grace": &l.UnreachableGrace, "cooldown": &l.Cooldown, "stall-budget": &l.StallBudget,
		"poll-interval": &l.PollInterval,
	}
	if d, ok := durations[args[0]]; ok {
		var err error
		*d, err = time.ParseDuration(value)
		return "", err
	}
	switch args[0] {
	case "move-leader":
		l.MoveLeader = value == "true"
	case "alone":
		l.Alone = value == "true"
	case "immediate":
		l.Immediate = value == "true"
	case "observe":
		l.Observe = value == "true"
	case "keep-revisions":
		_, err := fmt.Sscan(value, &l.KeepRevisions)
		return "", err
	case "assumed-speed": // MiB a second
		n, err := parseMiB(value)
		l.AssumedSpeed = n
		return "", err
	case "only":
		id, err := cluster.ParseMemberID(value)
		l.Only = id
		return "", err
	case "window": // minutes after midnight, every day
		var w policy.Window
		_, err := fmt.Sscanf(value, "%d-%d", &w.From, &w.To)
		w.Days, w.Location = [7]bool{true, true, true, true, true, true, true}, time.UTC
		l.Windows = append(l.Windows, w)
		return "", err
	default:
		return "", fmt.Errorf("no such limit")
	}
	return "", nil
}

func (s *stage) scriptLook(args []string) (string, error) {
	ids, err := parseIDs(args)
	var out strings.Builder
	for _, w := range s.watchdogs {
		if len(ids) > 0 && !slices.Contains(ids, w.local) {
			continue
		}
		s.look(w)
		w.shown, w.standing = "", ""
		out.WriteString(s.show(w))
	}
	return out.String(), err
}

// show returns what is new about one watchdog.
func (s *stage) show(w *watchdog) string {
	d := w.decision
	var standing []string
	for _, c := range d.Standing {
		standing = append(standing, strings.TrimSuffix(fmt.Sprintf("%s %s", c.Reason, c.Member), " 0"))
	}
	words, lasting := brief(d), strings.Join(standing, ", ")
	if d.Detail != "" {
		words += "\n           " + d.Detail
	}
	if d.Risk != "" {
		words += "\n           risk: " + d.Risk
	}
	var out strings.Builder
	if words != w.shown {
		fmt.Fprintf(&out, "%8s %s: %s\n", s.clock(), w.local, words)
	}
	if lasting != w.standing {
		fmt.Fprintf(&out, "%8s %s  standing: %s\n", "", w.local, cmp.Or(lasting, "nothing"))
	}
	w.shown, w.standing = words, lasting
	return out.String()
}

// scriptCompacted lets every watchdog do what comes before all work.
func (s *stage) scriptCompacted([]string) (string, error) {
	for again := true; again; {
		again = false
		for _, w := range s.watchdogs {
			if d := s.look(w); len(d.Steps) == 1 && d.Has(cluster.StepCompact) {
				s.act(w)
				again = true
			}
		}
	}
	return "", nil
}

// scriptRun lets every watchdog look and act for a while.
func (s *stage) scriptRun(args []string) (string, error) {
	span, err := time.ParseDuration(args[0])
	var out strings.Builder
	for end := s.now.Add(span); s.now.Before(end); {
		next := time.Hour
		for _, w := range s.watchdogs {
			d := s.look(w)
			out.WriteString(s.show(w))
			for range 10 { // who has done something looks again at once
				if !d.Acts() {
					break
				}
				s.act(w)
				d = s.look(w)
				out.WriteString(s.show(w))
			}
			next = min(next, d.Next)
		}
		s.pass(next)
	}
	fmt.Fprintf(&out, "%8s %s\n", s.clock(), s.summary())
	return out.String(), err
}

// clock is how much time has passed.
func (s *stage) clock() string { return "+" + s.now.Sub(begin).Round(100*time.Millisecond).String() }

// summary is the cluster in one line.
func (s *stage) summary() string {
	var b strings.Builder
	for _, a := range s.actors {
		fmt.Fprintf(&b, "%s %d/%d, ", a.Name, a.SizeBytes/mib, a.InUseBytes/mib)
	}
	fmt.Fprintf(&b, "leader %s, alarms %v", s.leader, s.alarms)
	return b.String()
}
