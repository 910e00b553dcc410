package config

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// flaw is what keeps the file from being read as YAML at all.
type flaw struct {
	line, column    int
	found, expected string
}

// unreadable finds what the YAML parser would refuse without telling where.
func unreadable(data []byte) (flaw, bool) {
	if len(data) > maxFileBytes {
		return flaw{1, 1, "more than " + writeSize(maxFileBytes), "a configuration file"}, true
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			line, column := position(data, i)
			return flaw{line, column, fmt.Sprintf("the byte 0x%02x, which is not UTF-8", data[i]), "a file in UTF-8"}, true
		}
		if control(r) {
			line, column := position(data, i)
			return flaw{line, column, fmt.Sprintf("the control character U+%04X", r), "text"}, true
		}
		i += size
	}
	return flaw{}, false
}

// control tells the characters that YAML does not allow.
func control(r rune) bool {
	switch {
	case r == '\t' || r == '\n' || r == '\r' || r == 0x85:
		return false
	default:
		return r < 0x20 || r >= 0x7F && r < 0xA0 || r == 0xFFFE || r == 0xFFFF
	}
}

// position returns the line and column, from 1, of the byte at offset i.
func position(data []byte, i int) (line, column int) {
	before := data[:i]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

var (
	yamlError = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)
	// countsFromZero matches the errors in which the library counts lines from
	// 0; in the others it counts from 1. Without a line both mean the first.
	countsFromZero = regexp.MustCompile(`^(did not find expected|found undefined tag handle|found duplicate %|found incompatible)`)
	unknownAnchor  = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntaxFlaw finds the place of an error of the YAML library, which tells the
// line at best, and says it in words.
func syntaxFlaw(data []byte, err error) flaw {
	parts := yamlError.FindStringSubmatch(err.Error())
	if parts == nil {
		return flaw{1, 1, "text that is not YAML", "keys and values in YAML"}
	}
	message := parts[2]
	if anchor := unknownAnchor.FindStringSubmatch(message); anchor != nil {
		// Its name is not repeated: it may be a password that begins with a star.
		line, column := position(data, max(0, bytes.Index(data, []byte("*"+anchor[1]))))
		return flaw{line, column, "an alias", "the value itself; in quotes if it begins with *"}
	}
	number, _ := strconv.Atoi(parts[1]) // no number: 0
	if countsFromZero.MatchString(message) {
		number++
	}
	lines := strings.Split(strings.TrimRight(string(data), " \t\r\n"), "\n")
	number = min(max(number, 1), len(lines))
	for i, line := range lines[number-1 : min(number+1, len(lines))] {
		indentation := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
		if tab := strings.IndexByte(indentation, '\t'); tab >= 0 {
			return flaw{number + i, tab + 1, "a tab in the indentation", "spaces"}
		}
	}
	line := lines[number-1]
	column := 1 + len(line) - len(strings.TrimLeft(line, " "))
	expected := "keys and values in YAML: check colons, quotes and indentation here and in the line before"
	if strings.Contains(message, "cannot start any token") {
		expected = "quotes around a value that begins with a character such as % or @"
	}
	return flaw{number, column, "text that is not YAML (" + message + ")", expected}
}
