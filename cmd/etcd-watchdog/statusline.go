package main

import "sync"

// statusLine is what systemctl status shows: what the loop says of the cluster,
// and behind it what there is to say of the process itself.
type statusLine struct {
	send func(line string)
	told chan struct{} // closed once the loop has said something

	mu       sync.Mutex
	sentence string // of the loop
	notice   string // of the process; empty: none
}

func newStatusLine(send func(string)) *statusLine {
	return &statusLine{send: send, told: make(chan struct{}), sentence: "looking at the cluster for the first time"}
}

// tell replaces what the loop says.
func (l *statusLine) tell(sentence string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sentence = sentence
	l.show()
	select {
	case <-l.told:
	default:
		close(l.told)
	}
}

// note replaces what there is to say of the process.
func (l *statusLine) note(notice string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.notice = notice
	l.show()
}

// show sends both. Under the lock, so that the last word is the last one sent.
func (l *statusLine) show() {
	if l.notice == "" {
		l.send(l.sentence)
		return
	}
	l.send(l.sentence + "; " + l.notice)
}
