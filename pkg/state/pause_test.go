package state_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/state"
)

func TestPauseIsKeptUntilItIsRemoved(t *testing.T) {
	dir := t.TempDir()
	if got, err := state.ReadPause(dir); err != nil || got != (cluster.Pause{}) {
		t.Fatalf("where nobody has paused: %+v, %v", got, err)
	}
	want := cluster.Pause{Since: noon, Until: noon.Add(2 * time.Hour), Reason: "disk is being replaced"}
	for _, p := range []cluster.Pause{{Since: noon, Until: noon.Add(time.Minute)}, want} {
		if err := state.SavePause(dir, p); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := state.ReadPause(dir); err != nil || got != want {
		t.Errorf("read %+v, %v; want %+v", got, err, want)
	}
	if got, _ := os.Stat(filepath.Join(dir, "pause.json")); got.Mode().Perm() != 0o644 {
		t.Errorf("the file has mode %v; the daemon is another user than the person who paused it", got.Mode())
	}
	for range 2 { // the second time there is none
		if err := state.RemovePause(dir); err != nil {
			t.Fatal(err)
		}
	}
	if got := names(t, dir); got != "" {
		t.Errorf("the directory holds %s", got)
	}
}

func TestPauseThatCannotBeUnderstood(t *testing.T) {
	for text, want := range map[string]string{
		``: "JSON", `[]`: "array", `{"version":2,"until":"2026-03-29T12:00:00Z"}`: "version 2",
		`{"version":1}`: "no time at which it ends", `{"version":1,"until":"soon"}`: "JSON",
		strings.Repeat(" ", 70_000): "more than",
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "pause.json"), text)
		p, err := state.ReadPause(dir)
		if p != (cluster.Pause{}) || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pause again, or delete the file") || strings.Contains(err.Error(), "state.") {
			t.Errorf("%.40q: %+v, %v; want %q", text, p, err, want)
		}
	}
}

func TestRunningSeesAnOpenStoreAlone(t *testing.T) {
	dir := t.TempDir()
	running := func(want bool, when string) {
		t.Helper()
		if got, err := state.Running(dir); err != nil || got != want {
			t.Errorf("%s: %t, %v", when, got, err)
		}
	}
	running(false, "before")
	first, second := open(t, dir), open(t, dir)
	running(true, "with two")
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	running(true, "with one")
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	running(false, "after")
	save(t, second, record())
	running(true, "after another save")
	if got, err := state.Running(filepath.Join(dir, "none")); got || err != nil {
		t.Errorf("without a directory: %t, %v", got, err)
	}
}
