package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/forecast"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

var noon = time.Date(2026, 3, 29, 12, 0, 0, 123456789, time.UTC)

// grown is a history of that many ten minutes.
func grown(slices int) forecast.History {
	var h forecast.History
	for i := range slices {
		h = h.Add(forecast.Sample{At: noon.Add(time.Duration(i) * 10 * time.Minute), SizeBytes: 1 << 30, InUseBytes: int64(1+i) << 20})
	}
	return h
}

func record() state.Record {
	return state.Record{
		ProgramVersion: "v0.1.0",
		Host:           "db1",
		ClusterID:      0xcdf818194e3a8c32,
		LocalMember:    0x8e9e05c52164694d,
		PolledAt:       noon.Add(time.Hour),
		Decision:       state.Decision{At: noon, Reason: policy.CoolingDown, Detail: "until 18:00", Member: 0x8e9e05c52164694d},
		Members: []state.Member{
			{ID: 0xfd422379fda50e48, Name: "etcd-2"},
			{
				ID: 0x8e9e05c52164694d, Name: "etcd-1", DefragmentedAt: noon, WonBytes: 1 << 30,
				BytesPerSecond: 123456789.25, CooldownSeconds: 21600.000000001, Growth: grown(30),
			},
		},
	}
}

func open(t *testing.T, dir string) *state.Store {
	t.Helper()
	s, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func save(t *testing.T, s *state.Store, r state.Record) {
	t.Helper()
	if err := s.Save(r); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// names lists the directory.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, entry := range entries {
		all = append(all, entry.Name())
	}
	return strings.Join(all, " ")
}

func TestARecordComesBackAsItWas(t *testing.T) {
	dir := t.TempDir()
	if got, err := open(t, dir).Load(); err != nil || !reflect.DeepEqual(got, state.Record{}) {
		t.Fatalf("before the first Save: %+v, %v", got, err)
	}
	save(t, open(t, dir), record())
	for name, load := range map[string]func() (state.Record, error){
		"Load": open(t, dir).Load,
		"Read": func() (state.Record, error) { return state.Read(dir) },
	} {
		if got, err := load(); err != nil || !reflect.DeepEqual(got, record()) {
			t.Errorf("%s: got %+v, %v\nwant %+v", name, got, err, record())
		}
	}
	save(t, open(t, dir), state.Record{})
	if got, err := state.Read(dir); err != nil || !reflect.DeepEqual(got, state.Record{}) {
		t.Errorf("an empty record: %+v, %v", got, err)
	}
	if got := names(t, dir); got != "state.json" {
		t.Errorf("the directory holds %s", got)
	}
}

// Ids are as etcdctl prints them, units are in the names, and nothing is there
// that is not known: other programs read this.
func TestTheFile(t *testing.T) {
	dir := t.TempDir()
	r := record()
	r.Members[1].Growth = forecast.History{}
	save(t, open(t, dir), r)
	text, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"version":1,"program_version":"v0.1.0","host":"db1","cluster_id":"cdf818194e3a8c32","local_member":"8e9e05c52164694d",` +
		`"polled_at":"2026-03-29T13:00:00.123456789Z",` +
		`"decision":{"at":"2026-03-29T12:00:00.123456789Z","reason":"cooling_down","detail":"until 18:00","member":"8e9e05c52164694d"},` +
		`"members":[{"id":"fd422379fda50e48","name":"etcd-2"},` +
		`{"id":"8e9e05c52164694d","name":"etcd-1","defragmented_at":"2026-03-29T12:00:00.123456789Z",` +
		`"won_bytes":1073741824,"bytes_per_second":123456789.25,"cooldown_seconds":21600.000000001}]}` + "\n"
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestEverybodyMayReadTheFile(t *testing.T) {
	old := unix.Umask(0o077)
	defer unix.Umask(old)
	dir := t.TempDir()
	save(t, open(t, dir), record())
	info, err := os.Stat(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("mode %v, want 0644", info.Mode())
	}
}

func TestNothingIsKeptWithoutADirectory(t *testing.T) {
	t.Chdir(t.TempDir())
	s := open(t, "")
	save(t, s, record())
	if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, state.Record{}) {
		t.Errorf("Load: %+v, %v", got, err)
	}
	if got := names(t, "."); got != "" {
		t.Errorf("wrote %s", got)
	}
}

func TestWhatCannotBeUnderstoodIsMovedAside(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "no valid JSON"},
		{"cut short", `{"version":1,"host":"db`, "no valid JSON"},
		{"two documents", `{"version":1}{"version":1}`, "no valid JSON"},
		{"no version", `{"host":"db1"}`, "version 0, this etcd-watchdog reads version 1"},
		{"a later version", `{"version":2,"members":{"another":"form"}}`, "version 2, this etcd-watchdog reads version 1"},
		{"a list", `[]`, "the whole is a JSON array"},
		{"a wrong type", `{"version":1,"members":[{"id":"1","won_bytes":"many"}]}`, "members.won_bytes is a JSON string"},
		{"no time", `{"version":1,"polled_at":"yesterday"}`, "no valid JSON"},
		{"no id", `{"version":1,"cluster_id":"0"}`, `"0" is not an id`},
		{"a member without an id", `{"version":1,"members":[{"name":"etcd-1"}]}`, "a member has no id"},
		{"a member twice", `{"version":1,"members":[{"id":"a"},{"id":"a"}]}`, "member a is there twice"},
		{"less than nothing won", `{"version":1,"members":[{"id":"a","won_bytes":-1}]}`, "member a has won -1 bytes"},
		{"backwards", `{"version":1,"members":[{"id":"a","bytes_per_second":-1}]}`, "at -1 bytes a second"},
		{"longer than a life", `{"version":1,"members":[{"id":"a","cooldown_seconds":1e300}]}`, "cooldown of 1e+300 seconds"},
		{"too long", `{"version":1}` + strings.Repeat(" ", 2<<20), "more than 2097152 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "state.json")
			write(t, path, c.text)
			if _, err := state.Read(dir); err == nil || !strings.Contains(err.Error(), c.want) || names(t, dir) != "state.json" {
				t.Errorf("Read: %v, want %q in it; the directory holds %s", err, c.want, names(t, dir))
			}

			s := open(t, dir)
			got, err := s.Load()
			if err == nil || !reflect.DeepEqual(got, state.Record{}) {
				t.Fatalf("got %+v, %v", got, err)
			}
			aside := names(t, dir)
			if !strings.HasPrefix(aside, "state.json.bad-") || strings.Contains(aside, " ") {
				t.Fatalf("the directory holds %s", aside)
			}
			for _, want := range []string{c.want, "is started anew", filepath.Join(dir, aside)} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if kept, err := os.ReadFile(filepath.Join(dir, aside)); err != nil || string(kept) != c.text {
				t.Errorf("aside is %.100q, %v", kept, err)
			}
			save(t, s, record())
			if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, record()) {
				t.Errorf("after it: %+v, %v", got, err)
			}
		})
	}
}

func TestSaveRefusesWhatItCouldNotLoad(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, record())
	for name, spoil := range map[string]func(*state.Record){
		"a member twice": func(r *state.Record) { r.Members[0].ID = r.Members[1].ID },
		"too long":       func(r *state.Record) { r.Decision.Detail = strings.Repeat("x", 2<<20) },
	} {
		r := record()
		spoil(&r)
		if err := s.Save(r); err == nil {
			t.Errorf("%s: saved", name)
		}
		if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, record()) {
			t.Errorf("%s: the record before is gone: %+v, %v", name, got, err)
		}
	}
}

// The bound on the file must not be in the way of a cluster of any real size.
func TestManyMembersFit(t *testing.T) {
	growth := grown(24 * 6 * 8) // more than a week
	r := record()
	r.Members = nil
	for id := range state.ID(50) {
		r.Members = append(r.Members, state.Member{ID: 1<<63 + id, Name: strings.Repeat("n", 60), DefragmentedAt: noon, Growth: growth})
	}
	save(t, open(t, t.TempDir()), r)
}

// A writer replaces the record over and over, while a reader must find a whole
// one whenever it looks, and others come and go.
func TestAReaderNeverSeesHalfAFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	long, short := record(), record()
	long.Decision.Detail = strings.Repeat("long ", 20_000)
	save(t, s, short)
	done := make(chan error, 1)
	go func() {
		for i := range 60 {
			r := short
			if i%2 == 0 {
				r = long
			}
			if err := s.Save(r); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for {
		got, err := state.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got.Decision.Detail != long.Decision.Detail && got.Decision.Detail != short.Decision.Detail {
			t.Fatalf("got a detail of %d bytes", len(got.Decision.Detail))
		}
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
		}
	}
}

// What a writer that was killed has left goes; what a living one writes stays,
// and so does all that is not ours.
func TestOpenRemovesLeftovers(t *testing.T) {
	dir := t.TempDir()
	save(t, open(t, dir), record())
	write(t, filepath.Join(dir, "state.json.tmp-1"), `{"version":1,"ho`)
	write(t, filepath.Join(dir, "state.json.tmp-2"), "")
	write(t, filepath.Join(dir, "state.json.bad-3"), "?")
	write(t, filepath.Join(dir, "pause.json"), "{}")
	if err := os.Mkdir(filepath.Join(dir, "state.json.tmp-4"), 0o755); err != nil {
		t.Fatal(err)
	}
	living, err := os.Create(filepath.Join(dir, "state.json.tmp-5"))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(living.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}

	s := open(t, dir)
	const others = "pause.json state.json state.json.bad-3 state.json.tmp-4"
	if got := names(t, dir); got != others+" state.json.tmp-5" {
		t.Errorf("the directory holds %s", got)
	}
	if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, record()) {
		t.Errorf("the record: %+v, %v", got, err)
	}
	if err := living.Close(); err != nil {
		t.Fatal(err)
	}
	if open(t, dir); names(t, dir) != others {
		t.Errorf("after the writer's end the directory holds %s", names(t, dir))
	}
}

func TestOpenSaysWhyNothingCanBeKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	for dir, want := range map[string]error{
		filepath.Join(t.TempDir(), "missing"): syscall.ENOENT,
		file:                                  syscall.ENOTDIR,
		readOnly(t):                           nil, // EROFS or EACCES
	} {
		s, err := state.Open(dir)
		if err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), "StateDirectory=") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v", dir, err)
		}
		save(t, s, record())
		if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, state.Record{}) {
			t.Errorf("%s: kept %+v, %v", dir, got, err)
		}
	}
}

// readOnly returns a directory that this process can't write to.
func readOnly(t *testing.T) string {
	t.Helper()
	if os.Geteuid() == 0 { // permissions mean nothing to root
		return mount(t, unix.MS_RDONLY, "size=64k")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mount(t *testing.T, flags uintptr, options string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may mount the file system that this needs")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("no tmpfs can be mounted here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestAFullDiskLeavesTheRecordBefore(t *testing.T) {
	dir := mount(t, 0, "size=96k")
	s := open(t, dir)
	save(t, s, record())
	large := record()
	large.Decision.Detail = strings.Repeat("x", 100_000)
	err := s.Save(large)
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "free space in that directory") {
		t.Errorf("got %v, want ENOSPC and the next step", err)
	}
	if got := names(t, dir); got != "state.json" {
		t.Errorf("the directory holds %s", got)
	}
	if got, err := s.Load(); err != nil || !reflect.DeepEqual(got, record()) {
		t.Errorf("the record before: %+v, %v", got, err)
	}
	save(t, s, record())
}

func TestMemoryComesBack(t *testing.T) {
	const one, two, three = cluster.MemberID(1), cluster.MemberID(2), cluster.MemberID(3)
	worked := policy.MemberMemory{ID: two, WorkedAt: noon, WonBytes: 7, BytesPerSecond: 0.5, Cooldown: 6*time.Hour + time.Nanosecond}
	seen := worked // of the look before the restart: found out anew
	seen.SizeBytes, seen.AwaySince, seen.CompactedRevision = 9, noon, 5
	mem := policy.Memory{Members: []policy.MemberMemory{{ID: one}, seen, {ID: three, Growth: grown(3)}}}
	view := cluster.View{Members: []cluster.Member{{ID: one, Name: "a"}, {ID: two, Name: "b"}}}

	kept := state.FromMemory(mem, view)
	if len(kept) != 3 || kept[0].Name != "a" || kept[1].Name != "b" || kept[2].Name != "" {
		t.Fatalf("kept %+v", kept)
	}
	slices.Reverse(kept)
	got := state.ToMemory(kept)
	want := policy.Memory{Members: []policy.MemberMemory{{ID: one}, worked, {ID: three, Growth: grown(3)}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// The record of another cluster is kept: the endpoint may lead to that one again.
func TestTheRecordOfAnotherClusterIsMovedAside(t *testing.T) {
	dir := t.TempDir()
	s, r := open(t, dir), record()
	aside := func() []string {
		found, err := filepath.Glob(filepath.Join(dir, "*.bad-*"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for range 2 {
		if err := s.Save(r); err != nil || len(aside()) != 0 {
			t.Fatalf("%v, aside %v", err, aside())
		}
	}
	r.ClusterID++
	for range 2 {
		if err := s.Save(r); err != nil || len(aside()) != 1 {
			t.Fatalf("%v, aside %v", err, aside())
		}
	}
	_ = s.Close()
	later := open(t, dir)
	if _, err := later.Load(); err != nil {
		t.Fatal(err)
	}
	r.ClusterID++
	if err := later.Save(r); err != nil || len(aside()) != 2 {
		t.Fatalf("after a restart: %v, aside %v", err, aside())
	}
}
