package event

import (
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// full is an Event in which no field is zero.
func full(k Kind) Event {
	return Event{
		Kind: k, Reason: "nospace_armed", Detail: "the detail", Job: "7f3a-1",
		Member: 0x8e9e05c52164694d, MemberName: "infra1",
		SizeBytes: 210 << 20, InUseBytes: 208 << 20, QuotaBytes: 512 << 20, QuotaFrom: "learnt",
		ConfiguredBytes: 2 << 30, BeforeBytes: 537 << 20, Revision: 100200,
		To: 0xfd422379fda50e48, Alarm: "NOSPACE", Holder: "host2 (pid 812)", Tickets: 16,
		Took: 4100 * time.Millisecond, Expected: 3 * time.Second,
		Condition: "near_quota", Step: "defragment member 8e9e05c52164694d", Version: "0.1.0",
		Endpoint: "http://127.0.0.1:2379", Error: "the error and the next step", Count: 12, WonBytes: 3 << 30, Left: 6 * 24 * time.Hour, Dropped: 3,
	}
}

func TestEachKindHasOneWellFormedRow(t *testing.T) {
	if got, want := len(Table()), int(endOfKinds)-1; got != want {
		t.Errorf("the table has %d rows, there are %d kinds", got, want)
	}
	names, ids := map[string]Kind{}, map[string]Kind{}
	for k := Started; k < endOfKinds; k++ {
		r := k.Row()
		if r.Kind != k {
			t.Errorf("kind %d has no row", k)
			continue
		}
		if !regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(r.Name) {
			t.Errorf("name %q is not snake_case", r.Name)
		}
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(r.ID) {
			t.Errorf("%s: id %q is not 32 lower-case hex digits", r.Name, r.ID)
		}
		if names[r.Name] != 0 || ids[r.ID] != 0 {
			t.Errorf("%s: name or id is used twice", r.Name)
		}
		names[r.Name], ids[r.ID] = k, k
		if r.Level < Err || r.Level > Debug {
			t.Errorf("%s: level %d", r.Name, r.Level)
		}
		if r.Level <= Warning && r.hint == "" && !r.carries(errorText) {
			t.Errorf("%s: a %s whose sentence names no next step", r.Name, r.Level)
		}
		for _, text := range []string{r.Meaning, r.Remedy} {
			if !strings.HasSuffix(text, ".") || strings.Contains(text, "\n") {
				t.Errorf("%s: not whole sentences in one paragraph: %q", r.Name, text)
			}
		}
		if r.Level <= Warning && strings.HasPrefix(r.Remedy, "Nothing is to be done.") {
			t.Errorf("%s: a %s without a next step", r.Name, r.Level)
		}
	}
}

// The reasons that explain a standing state are the names of the conditions.
func TestConditionsAreNamedLikeTheReasons(t *testing.T) {
	reasons := strings.Fields(`near_quota nospace_armed corrupt_armed identity_mismatch not_quorate
		member_unreachable member_catching_up defragmentation_unknown cooling_down outside_window
		stall_budget nothing_to_reclaim live_data_too_large learner_full quota_assumed
		waiting_for_claim another_members_turn`)
	for _, reason := range reasons {
		k, ok := ConditionNamed(reason)
		if !ok || k.String() != reason {
			t.Errorf("no condition is named %s", reason)
		}
	}
	for _, name := range []string{"", "condition_ended", "started", "healed"} {
		if k, ok := ConditionNamed(name); ok {
			t.Errorf("%q is no condition, got %s", name, k)
		}
	}
}

func TestFactsAreWellNamed(t *testing.T) {
	field := regexp.MustCompile(`^(ETCD|WATCHDOG)(_[A-Z]+)+$`)
	byField, byKey := map[string]Fact{}, map[string]string{"ts": "", "message": "", "level": "", "event": "", "message_id": ""}
	for _, r := range Table() {
		seen := map[string]bool{}
		for _, f := range r.Facts {
			if seen[f.Field] {
				t.Errorf("%s lists %s twice", r.Name, f.Field)
			}
			seen[f.Field] = true
			if other, ok := byField[f.Field]; ok && (other.Unit != f.Unit || other.Meaning != f.Meaning) {
				t.Errorf("%s has two meanings", f.Field)
			}
			byField[f.Field] = f
			if other, ok := byKey[f.Key()]; ok && other != f.Field {
				t.Errorf("%s and %s share the key %s", f.Field, other, f.Key())
			}
			byKey[f.Key()] = f.Field
			if !field.MatchString(f.Field) || len(f.Field) > 64 {
				t.Errorf("%s is no name for a journal field", f.Field)
			}
			for _, unit := range []string{"bytes", "seconds"} {
				if (f.Unit == unit) != strings.HasSuffix(f.Key(), "_"+unit) {
					t.Errorf("%s: the name does not say the unit %q", f.Field, f.Unit)
				}
			}
			if name, ok := JournalField(f.Key()); !ok || name != f.Field {
				t.Errorf("JournalField(%s) = %s, want %s", f.Key(), name, f.Field)
			}
		}
	}
}

// written tells everything that an entry of e says, in one comparable value.
func written(e Event) string {
	var b strings.Builder
	next := newEntry(e)
	for _, f := range next.fields {
		b.WriteString(f.Key + "=" + FieldText(f) + "\n")
	}
	return b.String()
}

func TestEachFieldOfAnEventIsAFactOfSomeKind(t *testing.T) {
	for field := range reflect.TypeFor[Event]().Fields() {
		if slices.Contains([]string{"Kind", "Grade", "Source"}, field.Name) { // none is for people
			continue
		}
		used := slices.ContainsFunc(Table(), func(r Row) bool {
			with, without := full(r.Kind), full(r.Kind)
			reflect.ValueOf(&without).Elem().FieldByIndex(field.Index).SetZero()
			return written(with) != written(without)
		})
		if !used {
			t.Errorf("no row writes Event.%s", field.Name)
		}
	}
}

// A fact that the sentence tells is a fact that the entry carries, too, so
// that nobody has to parse sentences.
func TestSentencesTellOnlyWhatTheEntryCarries(t *testing.T) {
	for _, r := range Table() {
		for field := range reflect.TypeFor[Event]().Fields() {
			with, without := full(r.Kind), full(r.Kind)
			reflect.ValueOf(&without).Elem().FieldByIndex(field.Index).SetZero()
			if field.Name != "Kind" && r.Message(with) != r.Message(without) && written(with) == written(without) {
				t.Errorf("%s tells Event.%s in its sentence, but does not carry it as a fact", r.Name, field.Name)
			}
		}
	}
}

func TestMessagesAreSentencesForAPerson(t *testing.T) {
	ugly := regexp.MustCompile(`%!|<nil>|\{|\}|0x|time\.|cluster\.|event\.|Event|\bint64|  |: $|: :|\(\)|: [^:]*: [^:]*: `)
	for _, r := range Table() {
		for name, e := range map[string]Event{"full": full(r.Kind), "zero": {Kind: r.Kind}} {
			m := r.Message(e)
			if bad := ugly.FindString(m); bad != "" {
				t.Errorf("%s, %s: %q in %q", r.Name, name, bad, m)
			}
			if !regexp.MustCompile(`^(etcd |[A-Z0-9]).*[^.]$`).MatchString(m) {
				t.Errorf("%s, %s: no sentence: %q", r.Name, name, m)
			}
		}
	}
}

// Details and errors end as they like, with a question as well: what follows does
// not put a second mark behind theirs.
func TestMarksAreNotDoubled(t *testing.T) {
	doubled := regexp.MustCompile(`[.?!,;:] ?[.?!,;:]`)
	for _, r := range Table() {
		for _, took := range []time.Duration{0, time.Hour} {
			e := Event{Kind: r.Kind, Took: took, Detail: "nobody answers: is etcd running there?"}
			if r.carries(errorText) {
				e.Error, e.Detail = e.Detail, ""
			}
			m := r.Message(e)
			if bad := doubled.FindString(m); bad != "" {
				t.Errorf("%s: %q in %q", r.Name, bad, m)
			}
		}
	}
}

func TestBeginAndEndShareJobMemberAndSizes(t *testing.T) {
	for _, kinds := range [][]Kind{
		{CompactionStarted, CompactionCompleted, CompactionFailed},
		{DefragmentationStarted, DefragmentationLong, DefragmentationCompleted, DefragmentationFailed, DefragmentationSettled},
	} {
		for _, k := range kinds {
			for _, f := range facts(job, memberID, memberName, sizeBytes, inUseBytes, quotaBytes, quotaSource) {
				if !k.Row().carries([]Fact{f}) {
					t.Errorf("%s does not carry %s", k, f.Field)
				}
			}
		}
	}
	for _, kinds := range [][]Kind{{ClaimTaken, ClaimGivenBack, ClaimLost}, {LeaderMoved, LeaderMoveFailed}, {AlarmDisarmed, DisarmFailed}} {
		for _, k := range kinds {
			if !k.Row().carries(job) {
				t.Errorf("%s does not carry the job", k)
			}
		}
	}
}

func TestEntryCarriesItsFactsZeroOrNot(t *testing.T) {
	keys := func(e Event) (keys []string) {
		for _, f := range newEntry(e).fields {
			keys = append(keys, f.Key)
		}
		return keys
	}
	for _, r := range Table() {
		if got, want := keys(Event{Kind: r.Kind}), keys(full(r.Kind)); !slices.Equal(got, want) {
			t.Errorf("%s: an empty event writes %v, a full one %v", r.Name, got, want)
		}
	}
}

func TestConditionNamesItselfAsReason(t *testing.T) {
	if got := written(Event{Kind: NotQuorate}); !strings.Contains(got, "reason=not_quorate\n") {
		t.Errorf("no reason in\n%s", got)
	}
	if got := written(Event{Kind: NotQuorate, Reason: "below_threshold"}); !strings.Contains(got, "reason=below_threshold\n") {
		t.Errorf("the given reason is not in\n%s", got)
	}
}

func TestUnknownKindIsSeen(t *testing.T) {
	for _, k := range []Kind{0, endOfKinds, -1} {
		next := newEntry(Event{Kind: k, Detail: "where from"})
		if next.Level != zapcore.ErrorLevel || !strings.Contains(next.Message, "not in the table was recorded: where from") {
			t.Errorf("kind %d: %v %q", k, next.Level, next.Message)
		}
	}
}

func TestLevels(t *testing.T) {
	for word, level := range map[string]Level{"debug": Debug, "info": Info, "notice": Notice, "warning": Warning, "err": Err, "error": Err} {
		if got, err := ParseLevel(word); err != nil || got != level {
			t.Errorf("ParseLevel(%q) = %v, %v", word, got, err)
		}
	}
	for _, word := range []string{"", "INFO", "warn", "7"} {
		if _, err := ParseLevel(word); err == nil {
			t.Errorf("ParseLevel(%q) is taken", word)
		}
	}
}

func TestMemberIDsAreWrittenAsEtcdctlPrintsThem(t *testing.T) {
	if got := id(cluster.MemberID(0x8e9e05c52164694d)); got != "8e9e05c52164694d" {
		t.Errorf("id = %q", got)
	}
	if got := id(0); got != "" {
		t.Errorf("no member is written as %q", got)
	}
}
