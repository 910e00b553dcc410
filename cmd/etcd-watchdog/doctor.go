package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// doctorCommand is the command's flags.
type doctorCommand struct {
	target
	output
	stateDir
	unit string
}

func newDoctor() *cobra.Command {
	var d doctorCommand
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the whole installation, with a remedy for each finding",
		Long: `doctor checks what the watchdog of this host stands on: the configuration, the
connection and who answers it, certificates and their ends, the user's rights,
quotas, versions with known faults, the disk, settings of the etcd on this host,
the systemd unit, the daemon and its state, windows against backups, the tickets
in etcd, and members that nobody watches. It changes nothing. A check that can't
be made says so, and why; as root, on the member's host, all can be made.

Exit status: 0 fine, 1 warning, 2 critical, 3 unknown since the cluster could
not be asked, 78 the configuration has faults (all are findings).`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return d.run(cmd) },
	}
	d.target.add(cmd)
	d.unresolved = exitUnknown
	d.output.add(cmd)
	d.stateDir.add(cmd)
	cmd.Flags().Lookup("state-directory").Usage = "`directory` in which the daemon keeps its state (default $STATE_DIRECTORY, else that of --unit)"
	cmd.Flags().StringVar(&d.unit, "unit", "etcd-watchdog.service", "systemd `unit` of this host's watchdog")
	return cmd
}

func (d *doctorCommand) run(cmd *cobra.Command) error {
	facts, err := d.gather(cmd)
	if err != nil {
		return err
	}
	findings := doctor.Examine(facts)
	verdict := doctor.Verdict(facts, findings)
	out := cmd.OutOrStdout()
	if d.machine() {
		err = d.write(out, examination(facts, findings, verdict))
	} else {
		_, err = io.WriteString(out, examinationTable(findings, terminalOf(out)))
	}
	if err != nil {
		return &exitError{exitUnknown, fmt.Errorf("write the answer: %w", err)}
	}
	status := map[doctor.Severity]int{doctor.OK: exitFine, doctor.Warning: exitWarning, doctor.Critical: exitCritical, doctor.Unknown: exitUnknown}[verdict]
	if len(facts.Configuration.Faults) > 0 {
		status = exitConfig
	}
	if status == exitFine {
		return nil
	}
	return &exitError{status: status}
}

// The JSON of doctor; docs/schemas/doctor.json describes it.
type (
	doctorJSON struct {
		Status   string        `json:"status"`
		At       time.Time     `json:"at"`
		Endpoint string        `json:"endpoint"`
		Findings []findingJSON `json:"findings"`
	}
	findingJSON struct {
		Check    string `json:"check"`
		Severity string `json:"severity"`
		MemberID string `json:"member_id,omitempty"`
		Finding  string `json:"finding"`
		Meaning  string `json:"meaning,omitempty"`
		Remedy   string `json:"remedy,omitempty"`
	}
)

func examination(f doctor.Facts, findings []doctor.Finding, verdict doctor.Severity) doctorJSON {
	answer := doctorJSON{At: f.At.UTC(), Status: statusWord(verdict), Endpoint: f.Endpoint.URL}
	for _, finding := range findings {
		answer.Findings = append(answer.Findings, findingJSON{
			Check: finding.Check, Severity: finding.Severity.String(), MemberID: hexOf(finding.Member),
			Finding: finding.Finding, Meaning: finding.Meaning, Remedy: finding.Remedy,
		})
	}
	return answer
}

// statusWord is the word that the reading commands have for an exit status.
func statusWord(s doctor.Severity) string {
	if s == doctor.OK {
		return "fine"
	}
	return s.String()
}

func hexOf(id cluster.MemberID) string {
	if id == 0 {
		return ""
	}
	return id.String()
}

// examinationTable writes one line for each finding, below it what it means and
// what to do, and at the end how many there are of each severity.
func examinationTable(findings []doctor.Finding, t terminal) string {
	checkWidth := 0
	for _, f := range findings {
		checkWidth = max(checkWidth, len(f.Check))
	}
	var b strings.Builder
	counts := map[doctor.Severity]int{}
	last, told := "", map[string]bool{} // what several findings share is told once
	for _, f := range findings {
		counts[f.Severity]++
		check := f.Check
		if check == last {
			check = ""
		}
		last = f.Check
		fmt.Fprintf(&b, "%s %-*s  %s\n", mark(f.Severity, t), checkWidth, check, event.Escape(f.Finding))
		indent := strings.Repeat(" ", markWidth+1+checkWidth+2)
		if told[f.Meaning+f.Remedy] {
			continue
		}
		told[f.Meaning+f.Remedy] = true
		if f.Meaning != "" {
			fmt.Fprintf(&b, "%smeaning: %s\n", indent, event.Escape(f.Meaning))
		}
		if f.Remedy != "" {
			fmt.Fprintf(&b, "%sremedy:  %s\n", indent, event.Escape(f.Remedy))
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d warning, %d critical, %d unknown\n", counts[doctor.OK], counts[doctor.Warning], counts[doctor.Critical], counts[doctor.Unknown])
	return b.String()
}

const markWidth = len("critical")

// mark is the severity, in colour where there is any.
func mark(s doctor.Severity, t terminal) string {
	word := fmt.Sprintf("%-*s", markWidth, s)
	if !t.color {
		return word
	}
	color := map[doctor.Severity]string{doctor.OK: "32", doctor.Warning: "33", doctor.Critical: "31", doctor.Unknown: "36"}[s]
	return "\x1b[" + color + "m" + word + "\x1b[0m"
}
