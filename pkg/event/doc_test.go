package event

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// docs/events.md is written from the Table.
func TestDocumentation(t *testing.T) {
	golden(t, filepath.Join("..", "..", "docs", "events.md"), documentation())
}

// introduction wants the longest text and the rates of repetition.
const introduction = `# Events

<!-- Written from the table in pkg/event by "go test ./pkg/event -update"; do not edit. -->

Everything that etcd-watchdog reports is one of the events below. Names, ids
and fields stay as they are; a change of one stands in the changelog.

In the journal each entry has MESSAGE (a sentence), PRIORITY, MESSAGE_ID,
SYSLOG_IDENTIFIER=etcd-watchdog, WATCHDOG_EVENT (the event's name), DOCUMENTATION
(where more is said about it), and the fields that its section lists: all of
them, also when they are zero or empty.

    journalctl -t etcd-watchdog WATCHDOG_EVENT=healed
    journalctl -t etcd-watchdog WATCHDOG_JOB=…        # one piece of work, from beginning to end
    journalctl -t etcd-watchdog -p warning

With ` + "`log.format: json`" + ` there is one object a line: ts, message, level,
event, message_id, and the same facts under the keys below. With
` + "`log.format: text`" + ` there is one line for a person: time, level, sentence, and
the facts as key=value; a detail or an error that the sentence tells already is
not repeated.

In facts that come from a server, characters that do not print are escaped, and
texts of more than %d bytes are cut.

## Levels

| level | PRIORITY | meaning |
|---|---|---|
| err | 3 | something needs a person |
| warning | 4 | something will need a person |
| notice | 5 | work was done |
| info | 6 | start, stop, changes |
| debug | 7 | every poll |

## Conditions

Events marked as conditions are states that last. One is reported when it
begins, again after %s, then every %s while it lasts, and once more when it
has ended, as condition_ended. A change of its figures alone is not reported.

## Fields

| journal field | key in text and JSON | unit | what it states |
|---|---|---|---|
`

func documentation() string {
	var b strings.Builder
	fmt.Fprintf(&b, introduction, maxText, length(firstRepeat), length(nextRepeat))
	known := map[string]bool{}
	for _, r := range Table() {
		for _, f := range r.Facts {
			if !known[f.Field] {
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Field, f.Key(), f.Unit, f.Meaning)
			}
			known[f.Field] = true
		}
	}
	b.WriteString("\n## The events\n\n| event | level | message id |\n|---|---|---|\n")
	for _, r := range Table() {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s |\n", r.Name, r.Name, r.Level, r.ID)
	}
	for _, r := range Table() {
		section(&b, r)
	}
	return b.String()
}

func section(b *strings.Builder, r Row) {
	kind := ""
	if r.Kind.Condition() {
		kind = ", a condition"
	}
	var fields []string
	for _, f := range r.Facts {
		fields = append(fields, f.Field)
	}
	fmt.Fprintf(b, "\n### %s\n\n%s%s, `%s`\n\n> %s\n\n%s\n\n**What to do.** %s\n\nFields: %s.\n",
		r.Name, r.Level, kind, r.ID, r.Message(example(r.Kind)), r.Meaning, r.Remedy, strings.Join(fields, ", "))
}

// example is an event as a reader may meet it.
func example(k Kind) Event {
	e := full(k)
	e.Detail, e.Error, e.Reason = "", "", ""
	switch {
	case k.Condition():
		e.Took = 0
	case k == Started:
		e.Version = "1.0.0"
	}
	if k.Row().carries(sizeBytes) && k != CompactionCompleted && k != DefragmentationCompleted {
		e.SizeBytes = 500 << 20
	}
	return e
}
