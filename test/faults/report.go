package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// String is the line of a run.
func (res result) String() string {
	line := fmt.Sprintf("seed %d: %s", res.seed, res.plan)
	switch {
	case res.err != nil:
		line += ": NOT RUN: " + res.err.Error()
	case res.missed != "":
		line += fmt.Sprintf(": missed, in a run of %.1f s: %s", res.took.Seconds(), res.missed)
	case len(res.obeyed) > 0:
		line += fmt.Sprintf(": healed after %.1f s, once etcd was restarted on %s, run of %.1f s", res.healed.Seconds(), strings.Join(res.obeyed, ", "), res.took.Seconds())
	default:
		line += fmt.Sprintf(": healed after %.1f s, run of %.1f s", res.healed.Seconds(), res.took.Seconds())
	}
	for _, v := range res.violations {
		word := "VIOLATION"
		if v.Unclosable {
			word = "not to be closed"
		}
		line += fmt.Sprintf("\n    %s %s", word, v)
	}
	if res.kept != "" {
		line += "\n    kept: " + res.kept
	}
	return line
}

// tally is a cell of the table.
type tally struct {
	runs, obeyed, violations, unclosable, missed, failed int
	healed                                               []time.Duration
}

func (t *tally) add(o outcome) {
	switch o.word {
	case wordNotRun:
		t.failed++
		return
	case wordMissed:
		t.missed++
		return
	case wordViolation:
		t.violations++
		if o.healed == 0 { // and the heal was over before the fault
			t.missed++
			return
		}
	case wordUnclosable:
		t.unclosable++
	case wordObeyed:
		t.obeyed++
	}
	t.runs++
	t.healed = append(t.healed, o.healed)
}

func (t *tally) median() string {
	if len(t.healed) == 0 {
		return "–"
	}
	slices.Sort(t.healed)
	return fmt.Sprintf("%.1f s", t.healed[len(t.healed)/2].Seconds())
}

// table is the results by fault and by line.
func table(outcomes []outcome) (header []string, rows [][]string) {
	var lines []string
	for _, o := range outcomes {
		if !slices.Contains(lines, o.line) {
			lines = append(lines, o.line)
		}
	}
	slices.Sort(lines)
	header = append(append([]string{"fault"}, lines...), "runs", "violations", "median time to healed")
	for _, f := range append(faultNames(), "all") {
		row := []string{f}
		var sum tally
		for _, l := range lines {
			var cell tally
			for _, o := range outcomes {
				if o.line == l && (f == "all" || o.fault == f) {
					cell.add(o)
					sum.add(o)
				}
			}
			row = append(row, fmt.Sprint(cell.runs))
		}
		rows = append(rows, append(row, fmt.Sprint(sum.runs), fmt.Sprint(sum.violations), sum.median()))
	}
	return header, rows
}

// report prints the table and the sums.
func report(out io.Writer, outcomes []outcome, took time.Duration, parallel int) {
	if len(outcomes) == 0 {
		return
	}
	header, rows := table(outcomes)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush() // to the terminal
	fmt.Fprintln(out, summary(outcomes))
	fmt.Fprintf(out, "%v, %.1f runs a minute, %d clusters at once\n", took.Round(time.Second), float64(len(outcomes))/took.Minutes(), parallel)
}

func summary(outcomes []outcome) string {
	var sum tally
	for _, o := range outcomes {
		sum.add(o)
	}
	return fmt.Sprintf("Seeds %d to %d: %d runs whose fault met a heal, %d with a violation, %d with an overlap that no client can close, %d healed after etcd was restarted where the watchdogs said so; in %d more the heal was over before the fault; %d could not be carried out.",
		outcomes[0].seed, outcomes[len(outcomes)-1].seed, sum.runs, sum.violations, sum.unclosable, sum.obeyed, sum.missed, sum.failed)
}

// verdict is 1 if any run has a violation that a client can close, or failed.
func verdict(outcomes []outcome) int {
	var sum tally
	for _, o := range outcomes {
		sum.add(o)
	}
	if sum.violations > 0 || sum.failed > 0 || len(outcomes) == 0 {
		return 1
	}
	return 0
}

const (
	tableBegin = "<!-- Written by \"go run ./test/faults -table\"; do not edit. -->"
	tableEnd   = "<!-- The end of the table. -->"
)

// writeTable puts the table between the markers of the file.
func writeTable(path string, outcomes []outcome) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(data), tableBegin)
	_, after, ends := strings.Cut(rest, tableEnd)
	if !begins || !ends {
		return fmt.Errorf("%s has no place for the table; it begins with %s and ends with %s", path, tableBegin, tableEnd)
	}
	header, rows := table(outcomes)
	var b strings.Builder
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	row(header)
	row(slices.Repeat([]string{"---"}, len(header)))
	for _, r := range rows {
		row(r)
	}
	text := before + tableBegin + "\n\n" + b.String() + "\n" + summary(outcomes) + "\n\n" + tableEnd + after
	return os.WriteFile(path, []byte(text), 0o644)
}
