package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// fast is flags with which a member does not wait for its disk, so that the load
// of a scenario does not depend on that.
func fast(c *realetcd.Config) { c.Args = append(c.Args, "--unsafe-no-fsync") }

// Overwrites of twice the quota, under the eyes of the watchdogs: history
// is given up in time, so that no write is refused and the file stays small.
func TestOverwritesAreCompactedInTime(t *testing.T) {
	const kept = 300
	s := stage(t, "3.6", 3, fast)
	s.watch(settings{other: quick + fmt.Sprintf("maintenance:\n  keep-revisions: %d\n", kept)})
	s.overwrite(realetcd.WritersConfig{Prefix: "w", Writers: 4, Keys: 128, ValueBytes: 32 << 10, Pause: 30 * time.Millisecond}, func() {
		// On a machine that has other work, a look that comes late, or a member that
		// tells late what was freed, has history give way once.
		s.readable(kept / 2)
	})
	s.neverFull()
	if len(s.dogs.Of("routine_compaction")) == 0 {
		t.Error("no watchdog compacted")
	}
	if all := s.defragmentations(); len(all) > len(s.Members()) {
		t.Errorf("%d defragmentations, want hardly any: %v", len(all), all)
	}
}

// Of values of 1 MiB keep-revisions cannot fit: history gives way, and writes do
// not.
func TestHistoryGivesWayToLargeValues(t *testing.T) {
	whole(t)
	s := stage(t, "3.7", 3, fast)
	s.watch(settings{})
	s.overwrite(realetcd.WritersConfig{Prefix: "w", Writers: 2, Keys: 4, ValueBytes: mebibyte, Pause: 500 * time.Millisecond}, func() {})
	s.neverFull()
	now, err := s.Client(0).Get(t.Context(), "w", clientv3.WithCountOnly())
	s.must(err)
	_, err = s.Client(0).Get(t.Context(), "w", clientv3.WithRev(now.Header.Revision-quota/mebibyte))
	if !errors.Is(err, rpctypes.ErrCompacted) {
		t.Errorf("as many revisions as fill the quota are still there: %v", err)
	}
}

// Servers whose own compaction keeps up leave nothing to be done.
func TestServersCompactThemselves(t *testing.T) {
	whole(t)
	for _, line := range []string{"3.5", "3.6"} {
		t.Run(line, func(t *testing.T) {
			s := stage(t, line, 3, fast, func(c *realetcd.Config) {
				c.Args = append(c.Args, "--auto-compaction-mode=periodic", "--auto-compaction-retention=1s")
			})
			s.watch(settings{})
			s.overwrite(realetcd.WritersConfig{Prefix: "w", Writers: 4, Keys: 16, ValueBytes: 32 << 10, Pause: 30 * time.Millisecond}, func() {})
			s.neverFull()
			s.never("routine_compaction", "compaction_started", "defragmentation_started")
			if all, err := s.Member(0).Compactions(); err != nil || len(all) == 0 {
				t.Errorf("the servers have compacted %d times, %v: the scenario shows nothing", len(all), err)
			}
		})
	}
}

// overwrite writes twice the quota, and calls do now and then.
func (s *scene) overwrite(c realetcd.WritersConfig, do func()) {
	s.t.Helper()
	w, err := s.StartWriters(s.t.Context(), c)
	s.must(err)
	s.writers = w
	s.until("twice the quota to be written", func() (bool, string) {
		do()
		n := w.Tally().Acknowledged
		return n*c.ValueBytes >= 2*quota, fmt.Sprintf("%d writes", n)
	})
}

// readable checks that the last revisions, so many, can be read. That of one
// that has left them meanwhile cannot does not come twice.
func (s *scene) readable(revisions int64) {
	s.t.Helper()
	var err error
	for range 2 {
		var now *clientv3.GetResponse
		ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
		now, err = s.Client(1).Get(ctx, "w", clientv3.WithCountOnly())
		if err == nil && now.Header.Revision > revisions {
			_, err = s.Client(1).Get(ctx, "w", clientv3.WithRev(now.Header.Revision-revisions))
		}
		cancel()
		if err == nil {
			return
		}
	}
	s.t.Errorf("reading %d revisions back: %v", revisions, err)
}

// neverFull ends the writers, and checks that none of their writes was refused.
func (s *scene) neverFull() {
	s.t.Helper()
	s.safe()
	s.notRefused()
	s.never("poll_failed", "compaction_failed", "claim_lost", "live_data_too_large")
}

func (s *scene) notRefused() {
	s.t.Helper()
	if tally := s.writers.Tally(); tally.Refused > 0 {
		s.t.Errorf("%d writes were refused", tally.Refused)
	}
	s.never("nospace_armed")
}

// A watchdog that only observes says what it would do, and does nothing.
func TestObserveTouchesNothing(t *testing.T) {
	s := stage(t, "3.7", 3)
	s.fill()
	s.add(settings{other: quick + "maintenance:\n  mode: observe\n"})
	s.dogs.Start()
	s.eachDog("observing", 1)
	s.polls(10)
	s.untouched()
	s.once("observing", 1)
	s.once("nospace_armed", 1)
	if keys := s.tickets(); len(keys) > 0 {
		t.Errorf("there are keys in etcd: %v", keys)
	}
	if alarms, err := s.Alarms(t.Context()); err != nil || len(alarms) == 0 {
		t.Errorf("alarms at the end: %v, %v", alarms, err)
	}
}

// A disk without room is seen before the server is touched, and the member is
// healed once there is some.
func TestDiskWithoutRoom(t *testing.T) {
	whole(t)
	disk := tmpfs(t, 256)
	s := stage(t, "3.6", 3, func(c *realetcd.Config) {
		c.MemberArgs = func(i int) []string {
			if i > 0 {
				return nil
			}
			// The log is written somewhere else: it would fill the disk by itself.
			return []string{"--data-dir=" + filepath.Join(disk, "data"), "--wal-dir=" + filepath.Join(filepath.Dir(disk), "wal")}
		}
	})
	const patient = quick + "maintenance:\n  adopt-after: 30m\n"
	dog := s.add(settings{etcd: map[string]string{"data-dir": filepath.Join(disk, "data")}, other: patient}, 0)[0]
	s.watch(settings{other: patient}, 1, 2)
	s.write()
	ballast := filepath.Join(disk, "ballast")
	s.unwatched(func() {
		s.fill()
		s.must(os.WriteFile(ballast, make([]byte, 150*mebibyte), 0o600))
	})
	s.said(dog, `"disk_too_small"`, "free some")
	s.polls(10)
	if all, err := s.Member(0).Defragmentations(); err != nil || len(all) > 0 {
		t.Errorf("the member was touched: %v, %v", all, err)
	}
	s.never("alarm_disarmed")
	if n := len(s.of(dog, "disk_too_small")); n > 2 { // anew after a compaction through another member
		t.Errorf("%d entries disk_too_small, want it told once", n)
	}
	s.must(os.Remove(ballast))
	s.healed()
	s.unclaimed()
	s.end(s.each())
}

// tmpfs mounts a file system in memory of so many MiB.
func tmpfs(t *testing.T, mebibytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("only root can mount the small file system that this needs")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", mebibytes), "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no small file system can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() { // after the cluster's
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// What a watchdog has learnt outlives it; a file that it cannot read is set
// aside.
func TestLearntOutlivesARestart(t *testing.T) {
	whole(t)
	s := stage(t, "3.7", 1)
	s.watch(settings{other: quick + "maintenance:\n  keep-revisions: 0\n"})
	dog := s.dogs.Dogs[0]
	s.fill()
	s.healed()
	s.polls(2)
	s.must(dog.Stop())
	before := s.state(dog)
	if before.DefragmentedAt.IsZero() || before.CooldownSeconds == 0 || before.BytesPerSecond == 0 || before.Growth.LastAt == 0 {
		t.Fatalf("kept of the member: %+v", before)
	}

	for range 2 {
		_, err := s.WriteLive(t.Context(), realetcd.Load{Prefix: "data", LiveBytes: 14 * mebibyte, ValueBytes: 16 << 10, Seed: 1})
		s.must(err)
	}
	s.must(dog.Start())
	s.eachWaits("cooling_down") // and not outside_window, as if nothing were known
	s.must(dog.Stop())
	after := s.state(dog)
	if after.learnt != before.learnt || after.Growth.LastAt <= before.Growth.LastAt || len(after.Growth.Slices) < len(before.Growth.Slices) {
		t.Errorf("kept after a restart: %+v, before: %+v", after, before)
	}

	name := filepath.Join(dog.Dir, "state.json")
	s.must(os.WriteFile(name, []byte(`{"version": 1, "mem`), 0o644))
	s.must(dog.Start())
	s.said(dog, name, "no valid JSON", "started anew")
	s.eachWaits("outside_window")
	s.must(dog.Stop())
	if aside, err := filepath.Glob(name + ".bad-*"); err != nil || len(aside) != 1 {
		t.Errorf("set aside: %v, %v", aside, err)
	}
	if anew := s.state(dog); !anew.DefragmentedAt.IsZero() {
		t.Errorf("kept after the file was set aside: %+v", anew)
	}
	if n := len(s.defragmentations()); n != 1 {
		t.Errorf("%d defragmentations, want 1", n)
	}
}

// kept is what the state of a watchdog tells of its own member.
type kept struct {
	learnt
	Growth struct {
		LastAt int64             `json:"last_unix_milliseconds"`
		Slices []json.RawMessage `json:"ten_minute_slices"`
	} `json:"growth"`
}

type learnt struct {
	ID              string    `json:"id"`
	DefragmentedAt  time.Time `json:"defragmented_at"`
	WonBytes        int64     `json:"won_bytes"`
	BytesPerSecond  float64   `json:"bytes_per_second"`
	CooldownSeconds float64   `json:"cooldown_seconds"`
}

// state reads what a watchdog beside a single member has kept.
func (s *scene) state(dog *watchdogs.Watchdog) kept {
	s.t.Helper()
	name := filepath.Join(dog.Dir, "state.json")
	info, err := os.Stat(name)
	s.must(err)
	if info.Mode().Perm() != 0o644 {
		s.t.Errorf("%s has mode %v, want one that everybody can read", name, info.Mode())
	}
	text, err := os.ReadFile(name)
	s.must(err)
	var file struct{ Members []kept }
	s.must(json.Unmarshal(text, &file))
	if len(file.Members) != 1 || file.Members[0].ID != fmt.Sprintf("%x", s.Member(0).ID()) {
		s.t.Fatalf("%s tells of %+v", name, file.Members)
	}
	return file.Members[0]
}

// Live data that grow to 97 % of the quota under the eyes of the watchdogs: one
// verdict, before anything is refused, and an end of it once keys are deleted.
func TestLiveDataGrowTooLarge(t *testing.T) {
	whole(t)
	s := stage(t, "3.5", 3)
	s.watch(settings{})
	s.live(0.95) // and the file is somewhat larger
	s.eachDog("live_data_too_large", 1)
	s.eachWaits("live_data_too_large")
	compactions, defragmentations := len(s.dogs.Of("routine_compaction")), len(s.defragmentations())
	s.polls(20)
	if n := len(s.dogs.Of("routine_compaction")) - compactions; n > len(s.Members()) {
		t.Errorf("%d compactions after the verdict", n)
	}
	if n := len(s.defragmentations()) - defragmentations; n > 0 {
		t.Errorf("%d defragmentations after the verdict", n)
	}
	s.once("live_data_too_large", 1)
	s.never("nospace_armed", "alarm_disarmed")

	_, err := s.Client(0).Delete(t.Context(), "live/", clientv3.WithPrefix())
	s.must(err)
	s.write() // there is room for little of it until history is given up
	for _, m := range s.Members() {
		s.until(m.Name+" to be small again", func() (bool, string) {
			status, err := m.Client().Status(t.Context(), m.ClientURL)
			if err != nil {
				return false, err.Error()
			}
			return status.DbSize < quota/2, fmt.Sprintf("%d bytes", status.DbSize)
		})
	}
	s.eachWaits("below_threshold")
	s.unclaimed()
	s.safe()
	s.notRefused()
	s.once("live_data_too_large", 1)
	s.never("poll_failed", "claim_lost", "defragmentation_failed", "compaction_failed")
	if n := len(s.defragmentations()) - defragmentations; n != len(s.Members()) {
		t.Errorf("%d defragmentations after the deletion, want one of each member", n)
	}
}
