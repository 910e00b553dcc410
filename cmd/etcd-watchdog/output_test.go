package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestOutputTakesTableAndJSONOnly(t *testing.T) {
	for _, c := range []struct {
		args []string
		json bool
		ok   bool
	}{
		{nil, false, true},
		{[]string{"-o", "table"}, false, true},
		{[]string{"--output=json"}, true, true},
		{[]string{"-o", "yaml"}, false, false},
		{[]string{"-o", ""}, false, false},
	} {
		var out output
		cmd := &cobra.Command{}
		out.add(cmd)
		if err := cmd.ParseFlags(c.args); (err == nil) != c.ok || c.ok && out.json() != c.json {
			t.Errorf("%q: json %v, error %v", c.args, out.json(), err)
		}
	}
}

func TestJSONIsPlain(t *testing.T) {
	var b bytes.Buffer
	if err := writeJSON(&b, map[string]string{"prefix": "/a&b<c>/"}); err != nil {
		t.Fatal(err)
	}
	if want := "{\n  \"prefix\": \"/a&b<c>/\"\n}\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestOnlyATerminalIsOne(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := terminalOf(file); got.is || got.color || got.width != 80 {
		t.Errorf("a file: %+v", got)
	}
	if got := terminalOf(&bytes.Buffer{}); got.is || got.color {
		t.Errorf("a buffer: %+v", got)
	}
}

// TestErrorsEndWithTheirStatus also holds for an error that is only a status.
func TestErrorsEndWithTheirStatus(t *testing.T) {
	cause := errors.New("cause")
	for _, c := range []struct {
		err    error
		status int
		want   string
	}{
		{&exitError{exitCritical, nil}, exitCritical, ""},
		{cause, exitFailed, "etcd-watchdog: cause\n"},
		{unreachable("connection refused at x: is etcd running there?"), exitUnknown, "etcd-watchdog: connection refused at x\nis etcd running there?\n"},
		{fmt.Errorf("keys: %w", withHint(cause, "do this")), exitFailed, "etcd-watchdog: keys: cause\ndo this\n"},
	} {
		var stderr bytes.Buffer
		if got := explain(c.err, &stderr); got != c.status || stderr.String() != c.want || c.err.Error() == "" {
			t.Errorf("%v: status %d, printed %q; want %d, %q", c.err, got, stderr.String(), c.status, c.want)
		}
	}
}

// A problem that has no next step of its own gets one.
func TestProblemsAreTwoLines(t *testing.T) {
	for problem, want := range map[string]string{
		"no answer within 5s at http://a:1":                "etcd-watchdog: read the keys: no answer within 5s at http://a:1\n" + checkConnection + "\n",
		"connection refused at http://a:1: is etcd there?": "etcd-watchdog: read the keys: connection refused at http://a:1\nis etcd there?\n",
	} {
		var said strings.Builder
		if status := explain(explained("read the keys", errors.New(problem)), &said); status != exitFailed || said.String() != want {
			t.Errorf("%s: got %d and\n%swant\n%s", problem, status, said.String(), want)
		}
	}
}
