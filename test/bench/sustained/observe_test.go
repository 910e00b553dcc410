package main

import (
	"errors"
	"strconv"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// TestReadBack compacts a real server as far as is allowed, and by one revision
// more.
func TestReadBack(t *testing.T) {
	c := realetcd.Start(t, realetcd.Config{Line: realetcd.MustLine(t, "3.6"), Members: 1})
	ctx, client := t.Context(), c.Client(0)
	if err := readBack(ctx, client, "k"); !errors.Is(err, errTooYoung) {
		t.Fatalf("a new cluster: got %v, want %v", err, errTooYoung)
	}
	var revision int64
	for i := range keptRevisions + 10 {
		put, err := client.Put(ctx, "k", strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		revision = put.Header.Revision
	}
	for _, step := range []struct {
		at   int64
		want error
	}{
		{revision - keptRevisions, nil},
		{revision - keptRevisions + 1, rpctypes.ErrCompacted},
	} {
		if _, err := client.Compact(ctx, step.at); err != nil {
			t.Fatal(err)
		}
		if err := readBack(ctx, client, "k"); !errors.Is(err, step.want) {
			t.Errorf("compacted at %d of %d: got %v, want %v", step.at, revision, err, step.want)
		}
	}
}
