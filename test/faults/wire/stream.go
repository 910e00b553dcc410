package wire

import (
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxMessageBytes is how much of a message is looked at. A longer one is
// forwarded before it is complete, or the member would never widen the window
// that its sender waits for; it is none of a watchdog's.
const maxMessageBytes = 32 << 10

// stream is one call on a link, from its headers to its end.
type stream struct {
	link   *link
	id     uint32
	method string

	requests lane // opens when the call is known and its rule lets it pass
	answers  lane // open, but for what a rule wants to see first

	mu       sync.Mutex
	message  []byte // what has come of the first one
	known    bool   // the call is, and its rule
	armed    *Armed // nil: no rule
	call     Call
	busy     bool // the rule is at work on the message
	gone     bool // the client went while it was; the message lands all the same
	answered bool // the member has begun to
}

func newStream(l *link, id uint32, method string) *stream {
	s := &stream{link: l, id: id, method: method}
	s.answers.open = true
	return s
}

// request takes a DATA frame of the client.
func (s *stream) request(f frame) {
	up, down := s.link.up, s.link.down
	s.requests.push(passage{pass: func() { up.write(f) }, drop: func() { down.writeCredit(f) }})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known {
		return
	}
	s.message = append(s.message, f.data()...)
	if message, whole := firstMessage(s.message); whole || f.endsStream() || len(s.message) > maxMessageBytes {
		s.recognise(message)
	}
}

// firstMessage returns what has come of gRPC's first message: a byte that says
// whether it is compressed, four of its length, and the message.
func firstMessage(data []byte) (message []byte, whole bool) {
	if len(data) < 5 {
		return nil, false
	}
	length := int(binary.BigEndian.Uint32(data[1:5]))
	if data = data[5:]; len(data) < length {
		return nil, false
	}
	return data[:length], true
}

// recognise finds the rule for the call. The caller holds mu.
func (s *stream) recognise(message []byte) {
	p := s.link.proxy
	s.known, s.message = true, nil
	s.call = Call{
		Member: p.config.Name,
		Caller: s.link.callerName(),
		Method: s.method,
		Kind:   kindOf(s.method, message, p.tickets),
	}
	s.armed = p.config.Rules.match(s.call)
	if s.armed == nil {
		s.requests.unblock()
		return
	}
	if action := s.armed.rule.Action; action.After != nil || action.Reply != Pass {
		s.answers.hold()
	}
	s.busy = true
	s.link.jobs.Go(s.apply)
}

// apply does to the message what the rule says.
func (s *stream) apply() {
	action := s.armed.rule.Action
	if action.Before != nil {
		action.Before(s.call)
	}
	if action.Delay > 0 && !await(s.link, time.After(action.Delay)) {
		return
	}
	if action.Hold && !await(s.link, s.armed.released) {
		return
	}
	if action.Request != Forward {
		s.lose(action.Request)
		return
	}
	s.mu.Lock()
	s.requests.unblock()
	s.busy = false
	s.mu.Unlock()
	if !s.link.over() {
		s.armed.land()
	}
}

// lose ends the stream on the member's side before its message was sent.
func (s *stream) lose(how Request) {
	s.requests.block()
	s.answers.block()
	s.link.up.writeReset(s.id)
	if how == Refuse {
		s.link.down.writeHeaders(s.id, []hpack.HeaderField{
			{Name: ":status", Value: "200"},
			{Name: "content-type", Value: "application/grpc"},
			{Name: "grpc-status", Value: "14"}, // Unavailable
			{Name: "grpc-message", Value: "refused by a rule of the proxy"},
		}, true)
	}
	s.link.remove(s.id)
}

// abandon notes that the client waits for the answer no more. A message that a
// rule is at work on lands all the same.
func (s *stream) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || s.gone {
		s.gone = true
		s.answers.block()
		return
	}
	s.requests.block()
	s.answers.block()
	s.link.up.writeReset(s.id)
	s.link.remove(s.id)
}

// answer takes a frame of the member.
func (s *stream) answer(f frame, write func()) {
	drop := func() {}
	if f.Type == http2.FrameData {
		drop = func() { s.link.up.writeCredit(f) }
	}
	s.answers.push(passage{pass: write, drop: drop})
	ends := f.Type == http2.FrameRSTStream || f.endsStream()
	if f.Type == http2.FrameData || ends {
		s.noteAnswer()
	}
	if ends {
		s.link.remove(s.id)
	}
}

// noteAnswer lets the rule go on when the answer has come.
func (s *stream) noteAnswer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered || s.armed == nil {
		return
	}
	if s.busy { // an answer to the headers alone: an error
		s.answers.unblock()
		return
	}
	s.answered = true
	s.link.jobs.Go(s.conclude)
}

// conclude does to the answer what the rule says.
func (s *stream) conclude() {
	action := s.armed.rule.Action
	if action.After != nil {
		action.After(s.call)
	}
	switch action.Reply {
	case Pass:
		s.answers.unblock()
	case Swallow:
		s.answers.block()
	case Sever:
		s.answers.block()
		s.link.pair.sever()
	}
}
