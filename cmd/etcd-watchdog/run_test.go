package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/systemd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// stuck is an observer that never answers, whatever its context says: what a
// deadlock in the loop looks like from outside.
type stuck struct {
	release chan struct{}
	entered chan struct{} // takes one word of each look that begins, if anybody listens
}

func newStuck() stuck { return stuck{make(chan struct{}), make(chan struct{}, 1)} }

func (s stuck) Observe(context.Context, time.Time) cluster.View {
	select {
	case s.entered <- struct{}{}:
	default:
	}
	<-s.release
	return cluster.View{}
}

// hasty says of every deadline that it is now, which spares the tests the wait.
type hasty struct{ progress *systemd.Progress }

func (h hasty) Extend(time.Time) { h.progress.Extend(time.Now()) }

func programWith(observer stuck) *program {
	p := &program{passive: true, notifier: systemd.NewNotifier("")}
	p.recorder = event.NewLogger(event.NewTextCore(io.Discard), event.Err)
	p.line = newStatusLine(p.notifier.Status)
	p.progress = systemd.NewProgress(10*time.Millisecond, p.notifier.Alive)
	p.dog = &watchdog.Watchdog{
		Limits: policy.DefaultLimits(), RequestTimeout: 5 * time.Second, Observer: observer,
		Recorder: p.recorder, Status: p.line.tell, Alive: hasty{p.progress},
	}
	return p
}

func TestLoopThatHangsEndsTheProcess(t *testing.T) {
	observer := newStuck()
	defer close(observer.release)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := programWith(observer).supervise(ctx, source{}, nil)
	if err == nil || !strings.Contains(err.Error(), "makes no progress") || !strings.Contains(err.Error(), "goroutine") {
		t.Errorf("a hanging loop ended with %v, want an error with the stacks", err)
	}
}

func TestHangWhileStoppingEndsTheProcessToo(t *testing.T) {
	observer := newStuck()
	defer close(observer.release)
	stopped, stop := context.WithCancel(t.Context())
	stop()
	err := programWith(observer).supervise(stopped, source{}, nil)
	if err != nil && !strings.Contains(err.Error(), "makes no progress") {
		t.Errorf("stopping ended with %v, want the word that the loop hangs", err)
	}
}
