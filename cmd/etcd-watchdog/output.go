package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// output is how a reading command writes its answer: -o table, for people, or
// -o json, one documented object for programs.
type output struct{ format string }

// add declares the flag on a command. Anything but the two is a usage error.
func (o *output) add(cmd *cobra.Command) {
	o.format = "table"
	cmd.Flags().VarP((*outputFormat)(&o.format), "output", "o", "`form` of the answer: table or json")
}

func (o *output) json() bool { return o.format == "json" }

// outputFormat is the value of the flag.
type outputFormat string

func (f *outputFormat) String() string { return string(*f) }

func (f *outputFormat) Type() string { return "form" }

func (f *outputFormat) Set(s string) error {
	if s != "table" && s != "json" {
		return errors.New("want table or json")
	}
	*f = outputFormat(s)
	return nil
}

// writeJSON writes one object, indented, with a line end behind it.
func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

// terminal is what the place that is written to can show. Where it is none,
// nothing but plain text is written: no colour, no progress, no control character.
type terminal struct {
	is    bool
	color bool // as NO_COLOR and TERM allow
	width int  // columns; 80 where it is not known
}

// terminalOf looks at w.
func terminalOf(w io.Writer) terminal {
	t := terminal{width: 80}
	file, ok := w.(*os.File)
	if !ok {
		return t
	}
	if _, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS); err != nil {
		return t
	}
	t.is = true
	t.color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		t.width = int(size.Col)
	}
	return t
}
