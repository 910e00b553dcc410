package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// outcome is what is left of a run in the ledger and in the table.
type outcome struct {
	seed    uint64
	fault   string
	line    string
	members int
	word    string        // one of the words below
	healed  time.Duration // from the fault to the healed cluster; 0 if there was no fault
}

// The words for how a run ended.
const (
	wordHealed     = "healed"
	wordObeyed     = "obeyed" // healed after etcd was restarted where the watchdogs said so
	wordViolation  = "violation"
	wordUnclosable = "unclosable" // an overlap that no client can close, and nothing else
	wordMissed     = "missed"     // the heal was over before the fault
	wordNotRun     = "not-run"    // the suite could not carry it out
)

var words = []string{wordHealed, wordObeyed, wordViolation, wordUnclosable, wordMissed, wordNotRun}

// outcome is what came of the run, the worst of it.
func (res result) outcome() outcome {
	o := outcome{seed: res.seed, fault: res.fault.name, line: res.line, members: res.members, word: wordHealed}
	if res.missed == "" && res.err == nil {
		o.healed = res.healed
	}
	if len(res.obeyed) > 0 {
		o.word = wordObeyed
	}
	for _, v := range res.violations {
		if !v.Unclosable {
			o.word = wordViolation
			return o
		}
		o.word = wordUnclosable
	}
	switch {
	case res.err != nil:
		o.word = wordNotRun
	case res.missed != "":
		o.word = wordMissed
	}
	return o
}

// outcomes carries out the runs that the ledger does not hold yet, and returns
// what came of all of them in the order of their seeds.
func (s *suite) outcomes(ctx context.Context) ([]outcome, error) {
	var err error
	if s.done, err = readLedger(s.ledger); err != nil {
		return nil, err
	}
	results, err := s.run(ctx)
	all := s.done
	for _, res := range results {
		all = append(all, res.outcome())
	}
	slices.SortStableFunc(all, bySeed)
	return all, err
}

// ledgerHeader is the first line of a ledger.
const ledgerHeader = "seed\tfault\tline\tmembers\toutcome\thealed_seconds"

func (o outcome) row() string {
	return fmt.Sprintf("%d\t%s\t%s\t%d\t%s\t%.1f", o.seed, o.fault, o.line, o.members, o.word, o.healed.Seconds())
}

// enter adds the run to the ledger, a file of tab-separated values, one line for
// each run, so that a table of a thousand runs can be made in more than one go.
func enter(path string, o outcome) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	text := o.row() + "\n"
	if info, err := file.Stat(); err == nil && info.Size() == 0 {
		text = ledgerHeader + "\n" + text
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}

// readLedger returns the runs of the ledger in the order of their seeds: none if
// there is no ledger.
func readLedger(path string) ([]outcome, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var outcomes []outcome
	lines := bufio.NewScanner(file)
	for n := 1; lines.Scan(); n++ {
		if n == 1 && lines.Text() == ledgerHeader {
			continue
		}
		o, err := parseRow(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		outcomes = append(outcomes, o)
	}
	slices.SortStableFunc(outcomes, bySeed)
	return outcomes, lines.Err()
}

func bySeed(a, b outcome) int { return int(int64(a.seed) - int64(b.seed)) }

// parseRow reads one line of a ledger.
func parseRow(text string) (outcome, error) {
	cells := strings.Split(text, "\t")
	if len(cells) != strings.Count(ledgerHeader, "\t")+1 {
		return outcome{}, fmt.Errorf("%d cells instead of those of %q", len(cells), ledgerHeader)
	}
	o := outcome{fault: cells[1], line: cells[2], word: cells[4]}
	seconds, err := strconv.ParseFloat(cells[5], 64)
	o.healed = time.Duration(seconds * float64(time.Second))
	var errSeed, errMembers error
	o.seed, errSeed = strconv.ParseUint(cells[0], 10, 64)
	o.members, errMembers = strconv.Atoi(cells[3])
	if err := errors.Join(errSeed, errMembers, err); err != nil {
		return outcome{}, err
	}
	if !known(o.fault) || !slices.Contains(words, o.word) {
		return outcome{}, fmt.Errorf("no fault %q, or no outcome %q", o.fault, o.word)
	}
	return o, nil
}
