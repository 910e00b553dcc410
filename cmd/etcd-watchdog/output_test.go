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

func TestOutputForms(t *testing.T) {
	for _, c := range []struct {
		args        []string
		environment string
		form        string // empty: a usage error
		warns       bool
	}{
		{nil, "", "table", false},
		{[]string{"-o", "table"}, "", "table", false},
		{[]string{"--output=json"}, "", "json", false},
		{[]string{"-w", "fields"}, "", "fields", false},
		{[]string{"--write-out", "simple"}, "", "simple", false},
		{[]string{"-o", "yaml"}, "", "", false},
		{[]string{"-o", ""}, "", "", false},
		{[]string{"-w", "wide"}, "", "", false}, // this command does not have it
		{[]string{"-w", "json", "-o", "table"}, "", "", false},
		{nil, "json", "json", false},
		{[]string{"-o", "table"}, "json", "table", false},
		{nil, "protobuf", "table", true},
	} {
		t.Setenv(writeOut, c.environment)
		out, got := output{further: []string{formSimple}}, ""
		var stderr bytes.Buffer
		cmd := &cobra.Command{SilenceErrors: true, SilenceUsage: true, RunE: func(*cobra.Command, []string) error {
			got = out.format
			return nil
		}}
		out.add(cmd)
		cmd.SetArgs(append([]string{}, c.args...))
		cmd.SetErr(&stderr)
		if err := cmd.Execute(); (err != nil) != (c.form == "") || got != c.form || (stderr.Len() > 0) != c.warns {
			t.Errorf("%q with %s=%s: form %q, error %v, said %q", c.args, writeOut, c.environment, got, err, stderr.String())
		}
	}
}

func TestFieldsAreThoseOfTheJSON(t *testing.T) {
	var b bytes.Buffer
	err := writeFields(&b, map[string]any{"a": []any{map[string]any{"name": "m0", "n": 12345678901234}, true, nil}, "b": map[string]any{}, "c": "x\n\"y"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `"a[0].n" : 12345678901234
"a[0].name" : "m0"
"a[1]" : true
"a[2]" : null
"c" : "x\n\"y"
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
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
