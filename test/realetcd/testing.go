package realetcd

import (
	"testing"
)

// tailLines is how much of each member's log a failed test shows.
const tailLines = 15

// Start is Launch in a test: the cluster lives in a temporary directory and
// ends with the test, which fails if a process is left; if the test has
// failed, the end of each member's log is shown.
func Start(tb testing.TB, cfg Config) *Cluster {
	tb.Helper()
	if cfg.Logf == nil {
		cfg.Logf = tb.Logf
	}
	c, err := Launch(tb.Context(), tb.TempDir(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := c.Close(); err != nil {
			tb.Error(err)
		}
		if !tb.Failed() {
			return
		}
		for _, m := range c.Members() {
			tb.Logf("the end of the log of %s (%s):\n%s", m.Name, m.whyEnded(), m.LogTail(tailLines))
		}
	})
	return c
}

// EachLine runs the test on every server line that this machine has.
func EachLine(t *testing.T, test func(t *testing.T, line Line)) {
	lines, err := Lines()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		t.Run(line.String(), func(t *testing.T) { test(t, line) })
	}
}

// MustLine is FindLine in a test.
func MustLine(tb testing.TB, name string) Line {
	tb.Helper()
	line, err := FindLine(name)
	if err != nil {
		tb.Fatal(err)
	}
	return line
}
