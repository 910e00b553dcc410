package metrics_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event/eventtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

var update = flag.Bool("update", false, "write docs/metrics.md")

var noon = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

// growing is a history of two days of steady growth.
var growing = func() forecast.History {
	var h forecast.History
	for i := range 288 {
		h = h.Add(forecast.Sample{At: noon.Add(time.Duration(i-288) * 10 * time.Minute), SizeBytes: 1 << 30, InUseBytes: 500<<20 + int64(i)<<20})
	}
	return h
}()

// observation is one in which everything there is to show is there.
func observation(at time.Time, ids ...cluster.MemberID) metrics.Observation {
	o := metrics.Observation{
		View: cluster.View{
			At: at, ClusterID: 0xcdf818194e3a8c32, Local: ids[0],
			Alarms: []cluster.Alarm{{Member: ids[0], Kind: cluster.AlarmNoSpace}, {Member: 0xdead, Kind: cluster.AlarmNoSpace}},
			Claims: cluster.Claims{Known: true, Watched: ids[:1], Enrolled: true, Tickets: 15, Holder: "host db1", HolderMember: ids[0]},
			Disk:   cluster.Disk{Known: true, FreeBytes: 1 << 40, StaleFiles: []string{"db.tmp.1"}, StaleBytes: 1 << 20},
			Pause:  cluster.Pause{Since: at.Add(-time.Hour), Until: at.Add(time.Hour)},
		},
		Decision: policy.Decision{Reason: policy.NospaceArmed},
		Conditions: []event.Event{
			{Kind: event.NospaceArmed}, {Kind: event.NearQuota, Member: ids[0]}, {Kind: event.NearQuota, Member: ids[0]}, {Kind: event.StaleFiles, Member: ids[0]},
		},
		Memory: policy.Memory{HeldSince: at.Add(-time.Minute)},
	}
	for i, id := range ids {
		m := cluster.Member{
			ID: id, Name: fmt.Sprintf("m%d", i), Contact: cluster.Answered, Version: "3.5.35", Leader: ids[0], RaftTerm: 2,
			SizeBytes: 1800 << 20, InUseBytes: 800 << 20, Quota: cluster.Quota{Bytes: 2 << 30, Source: cluster.QuotaLearnt},
		}
		o.View.Members = append(o.View.Members, m)
		o.Memory.Members = append(o.Memory.Members, policy.MemberMemory{
			ID: id, WorkedAt: at.Add(-time.Hour), WonBytes: 1 << 20, Cooldown: 6 * time.Hour, CompactedRevision: 500, KeptRevisions: 100, Growth: growing,
		})
	}
	return o
}

func newState() *metrics.State {
	return metrics.NewState(metrics.Build{Version: "v0.1.0", Commit: "abc", GoVersion: "go1.26"}, &event.Losses{})
}

func gather(t *testing.T, s *metrics.State) map[string]*dto.MetricFamily {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(s)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range families {
		all[f.GetName()] = f
	}
	return all
}

// value returns the sum of the samples of a series that carry those labels.
func value(t *testing.T, s *metrics.State, name string, labels ...string) float64 {
	t.Helper()
	sum := 0.0
	for _, m := range gather(t, s)["etcd_watchdog_"+name].GetMetric() {
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && slices.ContainsFunc(m.Label, func(l *dto.LabelPair) bool { return l.GetName() == labels[i] && l.GetValue() == labels[i+1] })
		}
		if matches {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}

func count(t *testing.T, s *metrics.State) int {
	t.Helper()
	n := 0
	for _, f := range gather(t, s) {
		n += len(f.Metric)
	}
	return n
}

// full is a state in which every series has a sample.
func full(t *testing.T, ids ...cluster.MemberID) *metrics.State {
	t.Helper()
	s := newState()
	s.Observe(observation(noon, ids...))
	s.Recorder(&eventtest.Memory{}, func() time.Time { return noon }).
		Record(event.Event{Kind: event.DefragmentationStarted, Member: ids[0], Expected: 3 * time.Second})
	return s
}

func TestEverySeriesIsShownAndKeepsToTheConventions(t *testing.T) {
	s := full(t, 1, 2, 3)
	shown := gather(t, s)
	for _, d := range metrics.All() {
		if _, there := shown[d.Name]; !there && d.Name != "etcd_watchdog_certificate_not_after_timestamp_seconds" {
			t.Errorf("%s is declared and never shown", d.Name)
		}
		if d.Unit == "seconds" && !strings.Contains(d.Name, "_seconds") || d.Unit == "bytes" && !strings.Contains(d.Name, "_bytes") {
			t.Errorf("%s has the unit %s, and its name does not", d.Name, d.Unit)
		}
		if !strings.HasSuffix(d.Help, ".") {
			t.Errorf("%s: the help is no sentence: %q", d.Name, d.Help)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("the linter of Prometheus says %+v, %v", problems, err)
	}
}

func TestBeforeTheFirstPollNothingIsInvented(t *testing.T) {
	s := newState()
	for name := range gather(t, s) {
		if strings.Contains(name, "member") || name == "etcd_watchdog_last_poll_timestamp_seconds" {
			t.Errorf("%s is shown before the first poll", name)
		}
	}
	if ready, why := s.Ready(); ready || !strings.Contains(why, "first poll") {
		t.Errorf("ready %v: %s", ready, why)
	}
}

func TestWhatAPollShows(t *testing.T) {
	s := full(t, 0xa, 0xb, 0xc)
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"last_poll_timestamp_seconds", nil, float64(noon.Unix())},
		{"last_good_poll_timestamp_seconds", nil, float64(noon.Unix())},
		{"polls_total", []string{"result", "good"}, 1},
		{"decisions_total", []string{"reason", "nospace_armed"}, 1},
		{"alarms", []string{"alarm", "NOSPACE"}, 2},
		{"member_alarm", []string{"alarm", "NOSPACE", "member_id", "a"}, 1},
		{"member_alarm", []string{"alarm", "NOSPACE", "member_id", "b"}, 0},
		{"member_db_size_bytes", []string{"member_name", "m1"}, 1800 << 20},
		{"member_quota_bytes", []string{"member_id", "c"}, 2 << 30},
		{"member_watched", nil, 1},
		{"member_info", []string{"role", "leader", "local", "true", "quota_source", "learnt", "version", "3.5.35"}, 1},
		{"condition", []string{"condition", "near_quota", "level", "warning"}, 1},
		{"condition", []string{"condition", "corrupt_armed", "level", "err"}, 0},
		{"condition", []string{"condition", "stale_files"}, 1},
		{"member_condition", []string{"condition", "nospace_armed", "member_id", ""}, 1},
		{"tickets", nil, 15},
		{"quorum", nil, 1},
		{"paused", nil, 1},
		{"work_in_progress", []string{"kind", "defragment"}, 1},
		{"work_predicted_seconds", []string{"member_id", "a"}, 3},
	} {
		if got := value(t, s, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %g, want %g", c.name, c.labels, got, c.want)
		}
	}
	if left := value(t, s, "member_time_to_quota_seconds", "member_id", "a"); left < 3600 || left > 1e7 {
		t.Errorf("%g s to the quota, with 1 MiB in ten minutes", left)
	}
}

func TestAPollThatFailedIsNoGoodOne(t *testing.T) {
	s := newState()
	s.Observe(observation(noon, 1))
	late := observation(noon.Add(time.Hour), 1)
	late.View.Members[0].Contact, late.View.Members[0].Problem = cluster.Silent, "connection refused"
	s.Observe(late)
	s.Observe(late) // after its work
	if got := value(t, s, "last_good_poll_timestamp_seconds"); got != float64(noon.Unix()) {
		t.Errorf("the last good poll is %g, want %d", got, noon.Unix())
	}
	if got := value(t, s, "polls_total", "result", "failed"); got != 1 {
		t.Errorf("%g failed polls, want 1", got)
	}
	if _, shown := gather(t, s)["etcd_watchdog_member_db_size_bytes"]; shown {
		t.Error("a member that does not answer has a size")
	}
}

// The story of two pieces of work, as the loop records it.
func TestWorkIsCounted(t *testing.T) {
	s := newState()
	now := noon
	var log eventtest.Memory
	r := s.Recorder(&log, func() time.Time { return now })
	s.Observe(observation(noon, 1, 2, 3))
	story := []event.Event{
		{Kind: event.ClaimTaken, Reason: "nospace_armed", Member: 2},
		{Kind: event.CompactionStarted, Member: 2},
		{Kind: event.CompactionCompleted, Reason: "nospace_armed", Member: 2, Took: 2 * time.Second, WonBytes: 5 << 20},
		{Kind: event.LeaderMoved, Reason: "nospace_armed", Member: 2, Took: time.Second},
		{Kind: event.DefragmentationStarted, Reason: "nospace_armed", Member: 2, Expected: 3 * time.Second},
		{Kind: event.DefragmentationLong, Reason: "nospace_armed", Member: 2},
		{Kind: event.DefragmentationCompleted, Reason: "nospace_armed", Member: 2, Took: 12 * time.Second, BeforeBytes: 8 << 20, SizeBytes: 3 << 20},
		{Kind: event.DefragmentationStarted, Reason: "near_quota", Member: 3},
		{Kind: event.DefragmentationUnknown, Member: 1}, // of an earlier process
		{Kind: event.DefragmentationUnknown, Member: 3},
		{Kind: event.AlarmDisarmed, Reason: "nospace_armed", Member: 1},
		{Kind: event.DisarmFailed, Reason: "what a server may say", Member: 1},
		{Kind: event.PollFailed, Source: "state"}, {Kind: event.PollFailed, Source: "unheard of"},
		{Kind: event.Healed, Took: 40 * time.Second},
	}
	for _, e := range story {
		r.Record(e)
		now = now.Add(time.Second)
	}
	if got := len(log.Events()); got != len(story) {
		t.Errorf("%d of %d events were handed on", got, len(story))
	}
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"work_total", []string{"kind", "compact", "outcome", "done", "reason", "nospace_armed"}, 1},
		{"work_total", []string{"kind", "move_leader", "outcome", "done"}, 1},
		{"work_total", []string{"kind", "defragment", "outcome", "done"}, 1},
		{"work_total", []string{"kind", "defragment", "outcome", "unknown", "reason", "near_quota"}, 1},
		{"work_total", []string{"kind", "disarm", "outcome", "failed", "reason", "other"}, 1},
		{"work_seconds_total", []string{"kind", "defragment"}, 14},
		{"freed_bytes_total", []string{"kind", "defragment"}, 5 << 20},
		{"freed_bytes_total", []string{"kind", "compact"}, 5 << 20},
		{"defragmentations_long_total", nil, 1},
		{"heals_total", nil, 1},
		{"heal_seconds_total", nil, 40},
		{"claims_taken_total", nil, 1},
		{"errors_total", []string{"category", "state"}, 1},
		{"errors_total", []string{"category", "other"}, 1},
		{"errors_total", []string{"category", "disarm"}, 1},
		{"work_in_progress", nil, 0},
	} {
		if got := value(t, s, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %g, want %g", c.name, c.labels, got, c.want)
		}
	}
}

// The series of a daemon are bounded by the present member list.
func TestCardinality(t *testing.T) {
	for _, size := range []int{3, 5, 9} {
		ids := func(from int) []cluster.MemberID {
			var all []cluster.MemberID
			for i := range size {
				all = append(all, cluster.MemberID(from+i))
			}
			return all
		}
		s := full(t, ids(1)...)
		before := count(t, s)
		r := s.Recorder(&eventtest.Memory{}, func() time.Time { return noon })
		for change := range 1000 {
			o := observation(noon.Add(time.Duration(change)*time.Minute), ids(change+1)...)
			s.Observe(o)
			r.Record(event.Event{Kind: event.DefragmentationStarted, Reason: "near_quota", Member: o.View.Local})
			r.Record(event.Event{Kind: event.DefragmentationFailed, Reason: fmt.Sprint("reason", change), Member: o.View.Local, Error: fmt.Sprint(change)})
		}
		r.Record(event.Event{Kind: event.DefragmentationStarted, Member: 1})
		after := count(t, s)
		t.Logf("%d members: %d series, %d after 1000 changes of members", size, before, after)
		if after > before+2 { // work_total with another reason, decisions_total has them all
			t.Errorf("%d members: %d series have become %d", size, before, after)
		}
	}
}

func TestNamesOfMembersAreEscapedAndCut(t *testing.T) {
	o := observation(noon, 1)
	o.View.Members[0].Name = "a\xff\n\"" + strings.Repeat("ä", 100)
	s := newState()
	s.Observe(o)
	for _, f := range gather(t, s) {
		for _, m := range f.Metric {
			for _, l := range m.Label {
				if len(l.GetValue()) > 64 || strings.Contains(l.GetValue(), "\n") || !utf8.ValidString(l.GetValue()) {
					t.Fatalf("%s has the label %q", f.GetName(), l.GetValue())
				}
			}
		}
	}
}

// docs/metrics.md is written from the declarations.
func TestDocumentation(t *testing.T) {
	const file = "../../docs/metrics.md"
	text := introduction
	for _, d := range metrics.All() {
		text += fmt.Sprintf("| `%s` | %s | %s | %s | %s |\n", d.Name, d.Kind, d.Unit, strings.Join(d.Labels, ", "), d.Help)
	}
	text += "\nThe listener also has the `process_*` series of the Go client library; the file has not, since node_exporter\n" +
		"has series of these names itself.\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != text {
		t.Errorf("docs/metrics.md is not what the declarations say (%v); go test ./pkg/metrics -update writes it", err)
	}
}

// What a scrape is answered with is what promtool wants to see.
func TestPromtoolFindsNothing(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("there is no promtool here (package prometheus): the metrics are not checked by it")
	}
	path := filepath.Join(t.TempDir(), "etcd-watchdog.prom")
	registry := prometheus.NewRegistry()
	registry.MustRegister(full(t, 1, 2, 3))
	if err := prometheus.WriteToTextfile(path, registry); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	check := func(text string) string {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return string(out) + err.Error()
		}
		return string(out)
	}
	if out := check(string(text)); out != "" {
		t.Errorf("promtool check metrics says:\n%s", out)
	}
	if check("# TYPE sizeMB gauge\nsizeMB 1\n") == "" {
		t.Error("promtool is silent about a name against all conventions, so its silence proves nothing")
	}
}
