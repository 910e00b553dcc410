package watchdogs

import (
	"context"
	"os"
	"sync"
	"testing"
)

// built is the program as the tests of this process run it, built when the
// first of them needs it.
var built struct {
	sync.Mutex
	dir, binary string
}

// Binary returns the path of the program, built from this source. Run takes it
// away.
func Binary(tb testing.TB) string {
	tb.Helper()
	built.Lock()
	defer built.Unlock()
	if built.binary != "" {
		return built.binary
	}
	dir, err := os.MkdirTemp("", "etcd-watchdog-test")
	if err != nil {
		tb.Fatal(err)
	}
	built.dir = dir
	binary, err := Build(context.Background(), dir)
	if err != nil {
		tb.Fatal(err)
	}
	built.binary = binary
	return binary
}

// Run is what a TestMain of tests that use Binary exits with: it runs them and
// takes the binary away.
func Run(m *testing.M) int {
	defer func() {
		if built.dir != "" {
			_ = os.RemoveAll(built.dir) // a leftover is no reason to fail
		}
	}()
	return m.Run()
}
