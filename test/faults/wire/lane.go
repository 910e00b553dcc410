package wire

import "sync"

// lane is one direction of one stream: what is to be written waits in it until
// it is opened, and is dropped once it is blocked.
type lane struct {
	mu      sync.Mutex
	open    bool
	blocked bool
	waiting []passage
}

// passage is something to be written. Of the two exactly one is called.
type passage struct {
	pass func()
	drop func()
}

func (l *lane) push(p passage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.blocked:
		p.drop()
	case l.open:
		p.pass()
	default:
		l.waiting = append(l.waiting, p)
	}
}

// unblock lets pass what waits and what will come.
func (l *lane) unblock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blocked {
		return
	}
	l.open = true
	for _, p := range l.waiting {
		p.pass()
	}
	l.waiting = nil
}

// block drops what waits and what will come.
func (l *lane) block() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocked = true
	for _, p := range l.waiting {
		p.drop()
	}
	l.waiting = nil
}

// hold has what will come wait again.
func (l *lane) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = false
}
