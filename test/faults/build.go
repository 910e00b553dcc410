package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

// change is one text in one source file that another one takes the place of. A
// file that is not there yet is made.
type change struct {
	file     string // absolute, or below the repository
	old, new string
}

// buildChanged builds the program from sources with changes, in dir. That a text
// is not found exactly once is an error: then the change says nothing any more.
func buildChanged(ctx context.Context, dir string, changes ...change) (string, error) {
	root, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for i, c := range changes {
		file := c.file
		if !filepath.IsAbs(file) {
			file = filepath.Join(root, file)
		}
		text := c.new
		if c.old != "" {
			source, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			if n := strings.Count(string(source), c.old); n != 1 {
				return "", fmt.Errorf("change %s: the text to be replaced stands there %d times, not once: %q", c.file, n, c.old)
			}
			text = strings.Replace(string(source), c.old, c.new, 1)
		}
		changed := filepath.Join(dir, fmt.Sprintf("changed-%d.go", i))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[file] = changed
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(file, overlay, 0o600); err != nil {
		return "", err
	}
	return watchdogs.Build(ctx, dir, "-overlay", file)
}

func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}

// stepFile is where a watchdog with a clock that can be stepped reads, at
// SIGUSR1, by how many seconds its wall clock is off. It is in the runtime
// directory.
const stepFile = "clock-step"

// buildStepping builds a program whose wall clock can be stepped, and whose
// monotonic clock cannot.
func buildStepping(ctx context.Context, dir string) (string, error) {
	root, err := output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	return buildChanged(ctx, dir,
		change{filepath.Join(root, "src", "time", "time.go"), "\tsec, nsec, mono := runtimeNow()\n", "\tsec, nsec, mono := runtimeNow()\n\tsec += WallStep\n"},
		change{filepath.Join(root, "src", "time", "wallstep.go"), "", "package time\n\n// WallStep is how many seconds Now is off.\nvar WallStep int64\n"},
		change{"cmd/etcd-watchdog/wallstep.go", "", `package main

import (
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func init() {
	steps := make(chan os.Signal, 1)
	signal.Notify(steps, syscall.SIGUSR1)
	go func() {
		for range steps {
			text, _ := os.ReadFile(os.Getenv("RUNTIME_DIRECTORY") + "/` + stepFile + `")
			time.WallStep, _ = strconv.ParseInt(string(text), 10, 64)
		}
	}()
}
`})
}
