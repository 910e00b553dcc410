package event

import (
	"fmt"

	"go.uber.org/zap/zapcore"
)

// Level says how much an entry matters. Its value is the priority that syslog
// and the journal use: the smaller, the more urgent.
type Level int

// The levels, and what each of them means.
const (
	Err     Level = 3 // something needs a person
	Warning Level = 4 // something will need a person
	Notice  Level = 5 // work was done
	Info    Level = 6 // start, stop, changes
	Debug   Level = 7 // every poll
)

// String returns the word that stands in the entries.
func (l Level) String() string {
	switch l {
	case Err:
		return "err"
	case Warning:
		return "warning"
	case Notice:
		return "notice"
	case Info:
		return "info"
	case Debug:
		return "debug"
	default:
		return fmt.Sprintf("level_%d", int(l))
	}
}

// ParseLevel reads a level as the configuration writes it.
func ParseLevel(s string) (Level, error) {
	switch s {
	case "debug":
		return Debug, nil
	case "info":
		return Info, nil
	case "notice":
		return Notice, nil
	case "warning":
		return Warning, nil
	case "err", "error":
		return Err, nil
	default:
		return 0, fmt.Errorf("%q is not a level: want debug, info, notice, warning or err", s)
	}
}

// zap returns the nearest of zap's levels. Zap knows no notice, so the level
// itself travels in the field "level".
func (l Level) zap() zapcore.Level {
	switch l {
	case Err:
		return zapcore.ErrorLevel
	case Warning:
		return zapcore.WarnLevel
	case Notice, Info:
		return zapcore.InfoLevel
	default:
		return zapcore.DebugLevel
	}
}
