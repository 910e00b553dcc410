package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// The forms of an answer, by the names that etcdctl gives them.
const (
	formTable  = "table"  // for people
	formSimple = "simple" // a line for each row
	formWide   = "wide"   // the table, with more columns
	formFields = "fields" // a line for each field
	formJSON   = "json"   // one documented object for programs
)

// writeOut is etcdctl's variable for the form.
const writeOut = "ETCDCTL_WRITE_OUT"

// output is how a reading command writes its answer. Anything but the forms that
// it has is a usage error; in the environment, which is etcdctl's too, a warning.
type output struct {
	format  string
	further []string // forms besides table, fields and json
}

// add declares the flags on a command: etcdctl's, and an alias.
func (o *output) add(cmd *cobra.Command) {
	o.format = formTable
	cmd.Flags().VarP((*outputForm)(o), "write-out", "w", "`form` of the answer: "+strings.Join(o.forms(), ", "))
	cmd.Flags().VarP((*outputForm)(o), "output", "o", "the same as --write-out, a `form`")
	cmd.MarkFlagsMutuallyExclusive("write-out", "output")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) { o.fromEnvironment(cmd) }
}

// forms returns those that the command has.
func (o *output) forms() []string {
	return slices.Concat([]string{formTable}, o.further, []string{formFields, formJSON})
}

// fromEnvironment takes etcdctl's variable, if no flag says anything else.
func (o *output) fromEnvironment(cmd *cobra.Command) {
	value := os.Getenv(writeOut)
	if value == "" || cmd.Flags().Changed("write-out") || cmd.Flags().Changed("output") {
		return
	}
	if err := (*outputForm)(o).Set(value); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s: %q is no form of this command (%v); writing a table\n", writeOut, value, err)
	}
}

// machine reports that the answer is for programs.
func (o *output) machine() bool { return o.format == formJSON || o.format == formFields }

// write writes an answer for programs.
func (o *output) write(w io.Writer, v any) error {
	if o.format == formFields {
		return writeFields(w, v)
	}
	return writeJSON(w, v)
}

// outputForm is the value of the flags.
type outputForm output

func (f *outputForm) String() string { return f.format }

func (f *outputForm) Type() string { return "form" }

func (f *outputForm) Set(s string) error {
	forms := (*output)(f).forms()
	if !slices.Contains(forms, s) {
		return errors.New("want " + strings.Join(forms[:len(forms)-1], ", ") + " or " + forms[len(forms)-1])
	}
	f.format = s
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
