package scenario

import (
	"os"
	"strings"
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

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
			dog, err := watchdogs.New(watchdogs.Broken(t, of.statement), t.TempDir(), "broken", config)
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
