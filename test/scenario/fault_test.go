package scenario

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// faulty builds the program with one statement more at the beginning of each
// tick. The program itself has no such hook: the source is changed while it is
// compiled.
func faulty(t *testing.T, statement string) string {
	t.Helper()
	const tick = "func (w *Watchdog) Tick(ctx context.Context) policy.Decision {\n"
	source, err := filepath.Abs("../../pkg/watchdog/watchdog.go")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), tick, tick+statement+"\n", 1)
	if changed == string(text) {
		t.Fatalf("%s has no line %q to put the fault behind", source, tick)
	}
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, "watchdog.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{replacement: []byte(changed), overlay: list} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := watchdogs.Build(t.Context(), dir, "-overlay", overlay)
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// What a process that is broken ends with is restarted by systemd: anything
// but 0, 64 and 78.
func TestBrokenProcessEnds(t *testing.T) {
	whole(t)
	for _, of := range []struct {
		name, statement string
		status          int
		says            string
	}{
		{"a goroutine that panics", `if !w.previous.At.IsZero() { go panic("broken on purpose") }`, 2, "broken on purpose"},
		{"a loop that hangs", `if !w.previous.At.IsZero() { select {} }`, 1, "makes no progress"},
	} {
		t.Run(of.name, func(t *testing.T) {
			s := stage(t, "3.6", 1)
			config := watchdogs.Config(s.Cluster, s.Member(0).ClientURL, map[string]string{"request-timeout": "1s"}, quick+"claim:\n  ttl: 12s\n")
			dog, err := watchdogs.New(faulty(t, of.statement), t.TempDir(), "broken", config)
			s.must(err)
			s.must(dog.Start())
			t.Cleanup(func() { s.must(dog.Kill()) })
			if status := s.exit(dog); status != of.status {
				t.Errorf("it ended with %d, want %d", status, of.status)
			}
			text, err := os.ReadFile(dog.LogPath)
			s.must(err)
			for _, part := range []string{of.says, "goroutine "} {
				if !strings.Contains(string(text), part) {
					t.Errorf("it does not say %q:\n%s", part, text)
				}
			}
		})
	}
}
