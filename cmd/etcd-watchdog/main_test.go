package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"etcd-watchdog": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// TestStories runs the program as people do. Each file of testdata reads as a
// terminal session.
func TestStories(t *testing.T) {
	runStories(t, "testdata", nil)
}

// status runs a command and demands its exit status: status 64 etcd-watchdog x.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = err.Error()
	}
	if got != "exit status "+args[0] {
		ts.Fatalf("%v ended with %s, want status %s", args[1:], got, args[0])
	}
}
