// Package eventtest holds a recorder for the tests of those who record.
package eventtest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// Memory is an event.Recorder that keeps what it gets. The zero value is
// ready. Safe for concurrent use.
type Memory struct {
	mu     sync.Mutex
	events []event.Event
}

// Record implements event.Recorder. It panics at a Kind that has no row in the
// Table, which in a test is a fault of the code under test.
func (m *Memory) Record(e event.Event) {
	if e.Kind.Row().ID == "" {
		panic(fmt.Sprintf("recorded an event of unknown kind %d", int(e.Kind)))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = append(m.events, e)
}

// Events returns everything recorded so far, in order.
func (m *Memory) Events() []event.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Of returns the events of one kind recorded so far, in order.
func (m *Memory) Of(k event.Kind) []event.Event {
	return slices.DeleteFunc(m.Events(), func(e event.Event) bool { return e.Kind != k })
}
