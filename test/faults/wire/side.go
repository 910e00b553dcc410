package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// maxFrameBytes is HTTP/2's default for the largest frame, which neither gRPC
// nor etcd changes.
const maxFrameBytes = 16 << 10

// frame is a frame of HTTP/2 as it was read.
type frame struct {
	http2.FrameHeader
	payload []byte
}

func (f frame) endsStream() bool { return f.Flags.Has(http2.FlagDataEndStream) } // of DATA and HEADERS

// data is the payload of a DATA frame without its padding.
func (f frame) data() []byte {
	data, _ := unpad(f)
	return data
}

// unpad returns the payload of a DATA or HEADERS frame without its padding.
func unpad(f frame) ([]byte, error) {
	if !f.Flags.Has(http2.FlagDataPadded) { // the same bit in both
		return f.payload, nil
	}
	if len(f.payload) == 0 || int(f.payload[0]) >= len(f.payload) {
		return nil, errors.New("a frame has more padding than payload")
	}
	return f.payload[1 : len(f.payload)-int(f.payload[0])], nil
}

// side is one of the two connections of a link. One goroutine reads from it;
// any may write.
type side struct {
	conn    net.Conn
	in      *bufio.Reader
	decoder *hpack.Decoder

	mu      sync.Mutex
	framer  *http2.Framer // for writing alone
	encoder *hpack.Encoder
	block   bytes.Buffer // what the encoder has written
}

func newSide(conn net.Conn, in *bufio.Reader) *side {
	s := &side{conn: conn, in: in, decoder: hpack.NewDecoder(4096, nil)} // HTTP/2's default
	s.framer = http2.NewFramer(conn, nil)
	s.encoder = hpack.NewEncoder(&s.block)
	s.encoder.SetMaxDynamicTableSize(0) // right whatever the reader's limit is
	return s
}

func (s *side) read() (frame, error) {
	header, err := http2.ReadFrameHeader(s.in)
	if err != nil {
		return frame{}, err
	}
	if header.Length > maxFrameBytes {
		return frame{}, fmt.Errorf("a frame of %d bytes", header.Length)
	}
	f := frame{header, make([]byte, header.Length)}
	_, err = io.ReadFull(s.in, f.payload)
	return f, err
}

// fields decodes the headers that begin with that frame, and reads what
// continues them.
func (s *side) fields(f frame) ([]hpack.HeaderField, error) {
	block, err := unpad(f)
	if err != nil {
		return nil, err
	}
	if f.Flags.Has(http2.FlagHeadersPriority) {
		block = block[min(5, len(block)):]
	}
	for end := f.Flags; !end.Has(http2.FlagHeadersEndHeaders); {
		next, err := s.read()
		if err != nil {
			return nil, err
		}
		if next.Type != http2.FrameContinuation {
			return nil, fmt.Errorf("%v within headers", next.Type)
		}
		block, end = append(block, next.payload...), next.Flags
	}
	return s.decoder.DecodeFull(block)
}

// The writers below return no error: a connection that can't be written to
// can't be read from either, and whoever reads ends the link.

func (s *side) write(f frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.framer.WriteRawFrame(f.Type, f.Flags, f.StreamID, f.payload)
}

func (s *side) writeHeaders(id uint32, fields []hpack.HeaderField, endStream bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.block.Reset()
	for _, f := range fields {
		_ = s.encoder.WriteField(f) // to memory
	}
	block := s.block.Bytes()
	first := block[:min(len(block), maxFrameBytes)]
	rest := block[len(first):]
	_ = s.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: first, EndStream: endStream, EndHeaders: len(rest) == 0,
	})
	for len(rest) > 0 {
		part := rest[:min(len(rest), maxFrameBytes)]
		rest = rest[len(part):]
		_ = s.framer.WriteContinuation(id, len(rest) == 0, part)
	}
}

func (s *side) writeReset(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.framer.WriteRSTStream(id, http2.ErrCodeCancel)
}

// writeCredit gives back what a frame that goes no further took of its
// sender's window for the connection.
func (s *side) writeCredit(f frame) {
	if f.Length == 0 {
		return
	}
	s.write(frame{
		http2.FrameHeader{Type: http2.FrameWindowUpdate},
		binary.BigEndian.AppendUint32(nil, f.Length),
	})
}
