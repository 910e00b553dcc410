package wire

import (
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// link is a client's connection and the one to the member that belongs to it.
type link struct {
	proxy    *Proxy
	pair     *pair
	down, up *side
	jobs     sync.WaitGroup // rules at work
	ended    chan struct{}  // closed when the member's side has

	// Of the goroutine that reads from the client.
	lastID uint32         // of the streams so far
	caller string         // "": not known
	tried  map[string]int // the processes that are not the caller

	mu      sync.Mutex
	streams map[uint32]*stream
	orphan  bool // the client's side has ended
}

// run forwards frames until the member's side has ended, or the client's has
// and nothing of it is still to land.
func (l *link) run() {
	var reading sync.WaitGroup
	reading.Go(func() {
		l.fromClient()
		l.clientGone()
	})
	l.fromMember()
	close(l.ended)
	l.pair.close()
	reading.Wait()
	l.jobs.Wait()
}

func (l *link) fromClient() {
	for {
		f, err := l.down.read()
		if err != nil {
			return
		}
		switch f.Type {
		case http2.FrameHeaders:
			fields, err := l.down.fields(f)
			if err != nil {
				return
			}
			l.begin(f, fields)
		case http2.FrameData:
			if s := l.stream(f.StreamID); s != nil {
				s.request(f)
			} else {
				l.down.writeCredit(f)
			}
		case http2.FrameRSTStream:
			if s := l.stream(f.StreamID); s != nil {
				s.abandon()
			}
		default:
			l.up.write(f)
		}
	}
}

// begin opens the stream at the member at once, since streams have to be opened
// in order. The client's deadline stays here: a client that gives up resets the
// stream, and one that a rule holds is to land later.
func (l *link) begin(f frame, fields []hpack.HeaderField) {
	if f.StreamID <= l.lastID {
		return // trailers, which gRPC's clients do not send
	}
	l.lastID = f.StreamID
	var method string
	for _, field := range fields {
		if field.Name == ":path" {
			method = field.Value
		}
	}
	s := newStream(l, f.StreamID, method)
	l.mu.Lock()
	l.streams[f.StreamID] = s
	l.mu.Unlock()
	fields = slices.DeleteFunc(fields, func(h hpack.HeaderField) bool { return h.Name == "grpc-timeout" })
	l.up.writeHeaders(f.StreamID, fields, f.endsStream())
}

func (l *link) fromMember() {
	for {
		f, err := l.up.read()
		if err != nil {
			return
		}
		switch f.Type {
		case http2.FrameHeaders:
			fields, err := l.up.fields(f)
			if err != nil {
				return
			}
			l.answer(f, func() { l.down.writeHeaders(f.StreamID, fields, f.endsStream()) })
		case http2.FrameData, http2.FrameRSTStream:
			l.answer(f, func() { l.down.write(f) })
		case http2.FramePing:
			l.ping(f)
		default:
			l.down.write(f)
		}
	}
}

func (l *link) answer(f frame, write func()) {
	if s := l.stream(f.StreamID); s != nil {
		s.answer(f, write)
	} else if f.Type == http2.FrameData {
		l.up.writeCredit(f)
	}
}

// ping is the client's to answer, as long as there is one.
func (l *link) ping(f frame) {
	l.mu.Lock()
	orphan := l.orphan
	l.mu.Unlock()
	if orphan && !f.Flags.Has(http2.FlagPingAck) {
		f.Flags |= http2.FlagPingAck
		l.up.write(f)
		return
	}
	l.down.write(f)
}

func (l *link) stream(id uint32) *stream {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams[id]
}

// remove forgets a stream, and ends a link whose client has gone with the last.
func (l *link) remove(id uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.streams, id)
	if l.orphan && len(l.streams) == 0 {
		l.pair.close()
	}
}

// clientGone ends every stream but those that are still to land.
func (l *link) clientGone() {
	l.mu.Lock()
	l.orphan = true
	left := slices.Collect(maps.Values(l.streams))
	if len(left) == 0 {
		l.pair.close()
	}
	l.mu.Unlock()
	for _, s := range left {
		s.abandon()
	}
}

// asks is how often the kernel is asked who a client is: its tables are read piece
// by piece, and while connections come and go a line can be missed.
const (
	asks     = 4
	askAgain = 5 * time.Millisecond
)

// callerName returns who the client is, and asks anew only when there are other
// processes than before.
func (l *link) callerName() string {
	if l.caller != "" || l.proxy.config.Processes == nil {
		return l.caller
	}
	processes := l.proxy.config.Processes()
	if l.tried == nil || !maps.Equal(l.tried, processes) {
		l.tried = processes
		l.caller = callerOf(l.pair.down.RemoteAddr(), processes)
		for n := 1; n < asks && l.caller == ""; n++ {
			time.Sleep(askAgain)
			l.caller = callerOf(l.pair.down.RemoteAddr(), processes)
		}
	}
	return l.caller
}

// await waits for something, and reports whether it came before the end of the
// member's side.
func await[T any](l *link, what <-chan T) bool {
	select {
	case <-what:
		return true
	case <-l.ended:
		return false
	}
}

// over reports that the member's side has ended.
func (l *link) over() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}
