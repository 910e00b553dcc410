package event

import (
	"fmt"
	"io"
	"strings"
	"time"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
)

// The keys that each entry has besides its facts. The journal has names of its
// own for them; see JournalField.
const (
	KeyLevel     = "level"
	keyEvent     = "event"
	keyMessageID = "message_id"
)

// NewJSONCore returns a sink that writes one JSON object a line: ts (RFC 3339,
// UTC, milliseconds), message, level, event, message_id, and the facts.
func NewJSONCore(w io.Writer) zapcore.Core {
	encoder := zapcore.NewJSONEncoder(zapcore.EncoderConfig{
		TimeKey: "ts", EncodeTime: encodeTime, MessageKey: "message",
	})
	return zapcore.NewCore(encoder, zapcore.AddSync(w), zapcore.DebugLevel)
}

func encodeTime(t time.Time, to zapcore.PrimitiveArrayEncoder) {
	to.AppendString(t.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
}

// NewTextCore returns a sink that writes one line for a person: the time in
// the local zone, the level, the sentence, and then the facts as key=value,
// without what the sentence has told in full.
func NewTextCore(w io.Writer) zapcore.Core {
	encoder := textEncoder{zapcore.NewMapObjectEncoder()}
	return zapcore.NewCore(encoder, zapcore.AddSync(w), zapcore.DebugLevel)
}

// textEncoder encodes entries only; the fields of an entry are all that it
// knows, for a Logger attaches none in advance.
type textEncoder struct{ *zapcore.MapObjectEncoder }

var pool = buffer.NewPool()

// Clone implements zapcore.Encoder.
func (textEncoder) Clone() zapcore.Encoder { return textEncoder{zapcore.NewMapObjectEncoder()} }

// EncodeEntry implements zapcore.Encoder.
func (textEncoder) EncodeEntry(e zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	level := e.Level.String()
	var pairs strings.Builder
	for _, f := range fields {
		switch f.Key {
		case KeyLevel:
			level = f.String
		case keyMessageID: // for machines
		default:
			if text := FieldText(f); !told(f, e.Message, text) {
				fmt.Fprintf(&pairs, " %s=%s", f.Key, quoted(text))
			}
		}
	}
	line := pool.Get()
	line.AppendString(e.Time.Local().Format("2006-01-02T15:04:05.000Z07:00"))
	fmt.Fprintf(line, " %-7s %s%s\n", level, printable(e.Message), pairs.String())
	return line, nil
}

// told reports that a detail or an error, long as they are, stand in the
// sentence already.
func told(f zapcore.Field, message, text string) bool {
	return (f.Key == detail[0].Key() || f.Key == errorText[0].Key()) && strings.Contains(message, text)
}

// FieldText writes the value of a field of an entry as text.
func FieldText(f zapcore.Field) string {
	values := zapcore.NewMapObjectEncoder()
	f.AddTo(values)
	return fmt.Sprint(values.Fields[f.Key])
}

// quoted writes a value so that it can't be taken for two, or for a key.
func quoted(s string) string {
	s = printable(s)
	if s == "" || strings.ContainsAny(s, ` ="`) {
		return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"`
	}
	return s
}

// JournalField returns the journal's name of the entry's key, and whether the
// Table knows it.
func JournalField(key string) (string, bool) {
	name, ok := journalFields[key]
	return name, ok
}

var journalFields = func() map[string]string {
	names := map[string]string{keyEvent: "WATCHDOG_EVENT", keyMessageID: "MESSAGE_ID"}
	for _, r := range rows {
		for _, f := range r.Facts {
			names[f.Key()] = f.Field
		}
	}
	return names
}()
