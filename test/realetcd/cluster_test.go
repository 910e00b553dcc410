package realetcd_test

import (
	"testing"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestMembersSurviveEveryWayOfEnding(t *testing.T) {
	realetcd.EachLine(t, func(t *testing.T, line realetcd.Line) {
		c := realetcd.Start(t, realetcd.Config{Line: line, Members: 3})
		m := c.Member(0)
		id := m.ID()
		if _, err := c.Client(0).Put(t.Context(), "key", "before"); err != nil {
			t.Fatal(err)
		}
		for _, end := range []func() error{m.Kill, m.Stop} {
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if m.Running() {
				t.Fatal("the member runs after it was ended")
			}
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			if err := m.AwaitReady(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if m.ID() != id {
			t.Errorf("the member's id is %x after a restart, was %x", m.ID(), id)
		}
		answer, err := c.Client(0).Get(t.Context(), "key")
		if err != nil {
			t.Fatal(err)
		}
		if len(answer.Kvs) != 1 || string(answer.Kvs[0].Value) != "before" {
			t.Errorf("read %v, want what was written before", answer.Kvs)
		}
	})
}
