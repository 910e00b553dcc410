package watchdogs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Broken builds the program with one statement more at the beginning of each
// tick. The program itself has no such hook: the source is changed while it is
// compiled.
func Broken(tb testing.TB, statement string) string {
	tb.Helper()
	const tick = "func (w *Watchdog) Tick(ctx context.Context) policy.Decision {\n"
	source, err := filepath.Abs("../../pkg/watchdog/watchdog.go")
	if err != nil {
		tb.Fatal(err)
	}
	text, err := os.ReadFile(source)
	if err != nil {
		tb.Fatal(err)
	}
	changed := strings.Replace(string(text), tick, tick+statement+"\n", 1)
	if changed == string(text) {
		tb.Fatalf("%s has no line %q to put the fault behind", source, tick)
	}
	dir := tb.TempDir()
	replacement, overlay := filepath.Join(dir, "watchdog.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {source: replacement}})
	if err != nil {
		tb.Fatal(err)
	}
	for name, text := range map[string][]byte{replacement: []byte(changed), overlay: list} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	binary, err := Build(tb.Context(), dir, "-overlay", overlay)
	if err != nil {
		tb.Fatal(err)
	}
	return binary
}
