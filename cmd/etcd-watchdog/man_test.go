package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the manual pages of the commands")

const manualPages = "../../docs/man"

// Each command has a page of its own, written from its definition, beside the
// one that is written by hand, etcd-watchdog(8).
func TestManPages(t *testing.T) {
	want := map[string]string{}
	for _, cmd := range commands(newRoot()) {
		want[pageName(cmd)+".8"] = manPage(cmd)
	}
	if *update {
		writePages(t, want)
	}
	found, err := filepath.Glob(filepath.Join(manualPages, "etcd-watchdog-*.8"))
	if err != nil {
		t.Fatal(err)
	}
	const remedy = "; go test ./cmd/etcd-watchdog -run TestManPages -update writes the pages anew"
	for _, file := range found {
		if _, known := want[filepath.Base(file)]; !known {
			t.Errorf("%s is of no command%s", file, remedy)
		}
	}
	for name, text := range want {
		if got, err := os.ReadFile(filepath.Join(manualPages, name)); err != nil || string(got) != text {
			t.Errorf("docs/man/%s is not what its command says (%v)%s", name, err, remedy)
		}
	}
}

func writePages(t *testing.T, pages map[string]string) {
	old, err := filepath.Glob(filepath.Join(manualPages, "etcd-watchdog-*.8"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(manualPages, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// commands returns all that are shown, in the order of their names.
func commands(parent *cobra.Command) []*cobra.Command {
	var all []*cobra.Command
	for _, cmd := range parent.Commands() {
		if cmd.IsAvailableCommand() {
			all = append(append(all, cmd), commands(cmd)...)
		}
	}
	return all
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func manPage(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	name := pageName(cmd)
	fmt.Fprintf(&b, ".\\\" Written from the command's definition by \"go test ./cmd/etcd-watchdog -run TestManPages -update\"; do not edit.\n"+
		".TH %s 8 \"\" \"etcd-watchdog\" \"System Manager's Manual\"\n.SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.nf\n%s\n.fi\n.SH DESCRIPTION\n",
		roff(strings.ToUpper(name)), roff(name), roff(cmd.Short), roff(cmd.UseLine()))
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	b.WriteString(paragraphs(text))
	b.WriteString(".SH OPTIONS\n")
	cmd.Flags().VisitAll(func(f *pflag.Flag) { b.WriteString(option(f)) })
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(cmd.Example))
	}
	fmt.Fprintf(&b, ".SH SEE ALSO\n.BR etcd\\-watchdog (8)\n")
	return b.String()
}

// paragraphs sets prose as prose, and what is indented as it stands.
func paragraphs(text string) string {
	var b strings.Builder
	for i, p := range strings.Split(strings.TrimSpace(text), "\n\n") {
		if i > 0 {
			b.WriteString(".PP\n")
		}
		if strings.HasPrefix(p, "  ") || strings.Contains(p, "\n  ") {
			p = ".nf\n" + roff(p) + "\n.fi"
		} else {
			p = roff(p)
		}
		b.WriteString(p + "\n")
	}
	return b.String()
}

// option tells a flag with its argument and, where it says something, its default.
func option(f *pflag.Flag) string {
	argument, usage := pflag.UnquoteUsage(f)
	tag := `\fB` + roff("--"+f.Name) + `\fR`
	if f.Shorthand != "" {
		tag = `\fB` + roff("-"+f.Shorthand) + `\fR, ` + tag
	}
	if argument != "" {
		tag += ` \fI` + roff(argument) + `\fR`
	}
	if !slices.Contains([]string{"", "false", "0", "0s", "[]"}, f.DefValue) {
		usage += " (default " + f.DefValue + ")"
	}
	return fmt.Sprintf(".TP\n%s\n%s\n", tag, roff(usage))
}

// roff keeps a text from being taken for a request or an escape.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
