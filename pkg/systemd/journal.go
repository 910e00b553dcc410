package systemd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.uber.org/zap/zapcore"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// JournalSocket is where journald takes entries with fields.
const JournalSocket = "/run/systemd/journal/socket"

// identifier is the SYSLOG_IDENTIFIER of every entry.
const identifier = "etcd-watchdog"

// maxField is the length at which a value is cut. An entry of the largest
// event then fits several times into a datagram, so that none has to go
// through a file.
const maxField = 4096

// journalCore writes entries as datagrams of the native protocol. Write may
// block as long as journald does; a Logger expects that.
//
// go-systemd could send them, but does it through a socket that it does not
// connect. On such a socket a refused datagram makes the kernel report room
// again at once, so that a blocked writer takes a whole core for as long as
// journald is stuck. On a connected one it sleeps.
type journalCore struct {
	zapcore.LevelEnabler
	socket string
	fields []zapcore.Field // of With
	link   *link
}

// link is the connection, shared by a core and those made from it.
type link struct {
	mu   sync.Mutex
	conn *net.UnixConn
}

// NewJournalCore connects to journald, normally at JournalSocket.
func NewJournalCore(socket string) (zapcore.Core, error) {
	c := &journalCore{LevelEnabler: zapcore.DebugLevel, socket: socket, link: &link{}}
	if err := c.connect(); err != nil {
		return nil, fmt.Errorf("connect to the journal, or choose log.format text or json: %w", err)
	}
	return c, nil
}

func (c *journalCore) connect() error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: c.socket})
	if err != nil {
		return err
	}
	if c.link.conn != nil {
		_ = c.link.conn.Close() // it is of no use any more
	}
	c.link.conn = conn
	return nil
}

// With implements zapcore.Core.
func (c *journalCore) With(fields []zapcore.Field) zapcore.Core {
	with := *c
	with.fields = slices.Concat(c.fields, fields)
	return &with
}

// Check implements zapcore.Core.
func (c *journalCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

// Sync implements zapcore.Core. A datagram is delivered when Write returns.
func (c *journalCore) Sync() error { return nil }

// Write implements zapcore.Core. A journald that was started anew is connected
// to again.
func (c *journalCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	data := datagram(e, slices.Concat(c.fields, fields))
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	_, err := c.link.conn.Write(data)
	if err == nil {
		return nil
	}
	if err := c.connect(); err != nil {
		return fmt.Errorf("connect to the journal again: %w", err)
	}
	if _, err := c.link.conn.Write(data); err != nil {
		return fmt.Errorf("write to the journal: %w", err)
	}
	return nil
}

// priorities gives the syslog priority of zap's levels, for entries that do
// not carry one of event's levels.
var priorities = map[zapcore.Level]event.Level{
	zapcore.DebugLevel: event.Debug,
	zapcore.InfoLevel:  event.Info,
	zapcore.WarnLevel:  event.Warning,
}

// datagram encodes an entry: MESSAGE, PRIORITY and SYSLOG_IDENTIFIER, then the
// fields in their order.
func datagram(e zapcore.Entry, fields []zapcore.Field) []byte {
	priority, ok := priorities[e.Level]
	if !ok {
		priority = event.Err
	}
	var facts bytes.Buffer
	for _, f := range fields {
		if f.Key == event.KeyLevel {
			if level, err := event.ParseLevel(f.String); err == nil {
				priority = level
			}
			continue
		}
		name, text := fieldName(f.Key), event.FieldText(f)
		assign(&facts, name, text)
		if name == "WATCHDOG_EVENT" {
			assign(&facts, "DOCUMENTATION", event.Documentation(text))
		}
	}
	var all bytes.Buffer
	assign(&all, "MESSAGE", e.Message)
	assign(&all, "PRIORITY", strconv.Itoa(int(priority)))
	assign(&all, "SYSLOG_IDENTIFIER", identifier)
	all.Write(facts.Bytes())
	return all.Bytes()
}

// assign writes one field. A value with a line break is preceded by its
// length, so that it can't begin another field.
func assign(to *bytes.Buffer, name, value string) {
	if len(value) > maxField {
		value = strings.ToValidUTF8(value[:maxField], "")
	}
	to.WriteString(name)
	if strings.Contains(value, "\n") {
		to.WriteByte('\n')
		_ = binary.Write(to, binary.LittleEndian, uint64(len(value))) // a Buffer takes everything
	} else {
		to.WriteByte('=')
	}
	to.WriteString(value)
	to.WriteByte('\n')
}

// fieldName returns the journal's name for a key of an entry: that of the
// Table, or else one made from the key, which journald will accept.
func fieldName(key string) string {
	if name, ok := event.JournalField(key); ok {
		return name
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(key))
	name = "WATCHDOG_" + name
	return name[:min(len(name), 64)]
}
