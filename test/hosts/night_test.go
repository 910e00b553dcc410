//go:build linux

package hosts

import (
	"context"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

var update = flag.Bool("update", false, "write the transcript into the documents")

const (
	quota = 128 << 20
	live  = 32 << 20
	// transcript is what the newest line's night is shown in.
	transcript = "../../docs/a-night.md"
)

// TestNight installs the package on three hosts, lets the cluster get full
// behind the watchdogs' backs, and reads in the morning what the hosts say.
func TestNight(t *testing.T) {
	for _, name := range []string{"3.4", "3.6"} {
		t.Run("etcd-"+name, func(t *testing.T) {
			n := &night{Lab: Boot(t, Plan{Hosts: 3, Etcd: line(t, name), QuotaBytes: quota}), t: t}
			n.pass()
			n.judge()
			if *update && name == "3.6" {
				n.write()
			}
		})
	}
}

// night is one night on three hosts, and what was seen of it.
type night struct {
	*Lab
	t       *testing.T
	cluster *realetcd.Cluster
	seen    strings.Builder
}

func (n *night) pass() {
	n.cluster = n.Cluster(quota)
	n.tell("## Installed", "")
	for _, h := range n.Hosts {
		took := h.Install(firstVersion)
		h.Run("systemctl", "enable", "--now", unit)
		n.tell("", fmt.Sprintf("From `dpkg --install` to the end of the first look on %s: %.1f s.", h.Name, took.Seconds()))
	}
	n.Await("every watchdog to hold tickets", func() (bool, string) {
		enrolled := len(Of(n.Journals(), "enrolled"))
		return enrolled >= len(n.Hosts), fmt.Sprintf("%d do", enrolled)
	})
	n.show("systemctl", "status", "--no-pager", "--lines=5", unit)

	n.tell("## Full", "The watchdogs are held still (`systemctl kill -s STOP`) while the keys are overwritten; under their eyes the cluster would not get full.")
	writers := n.fill("night")
	n.show("etcdctl", "endpoint", "status", "--cluster", "--write-out=table")
	n.show("etcdctl", "alarm", "list")

	n.tell("## Healed", "")
	n.Each(func(h *Host) { h.Run("systemctl", "kill", "--signal=CONT", "--kill-who=main", unit) })
	n.Await("work to begin", func() (bool, string) {
		return len(Of(n.Journals(), "claim_taken")) > 0, "nobody has taken the claim"
	})
	n.show("systemctl", "show", "--property=StatusText", unit)
	n.awaitHealed()
	writers.Stop()
	if err := writers.Verify(n.t.Context()); err != nil {
		n.t.Error(err)
	}
	n.show("systemctl", "status", "--no-pager", "--lines=0", unit)
	n.show("etcdctl", "endpoint", "status", "--cluster", "--write-out=table")
}

// fill fills the cluster until it refuses writes, and leaves writers going on, on
// keys below the prefix that nobody has written before.
func (n *night) fill(prefix string) *realetcd.Writers {
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	n.t.Cleanup(cancel)
	writers, err := n.cluster.StartWriters(ctx, realetcd.WritersConfig{Prefix: prefix, Writers: 2, Keys: 20, ValueBytes: 1 << 10, Pause: 20 * time.Millisecond})
	if err != nil {
		n.t.Fatal(err)
	}
	n.Each(func(h *Host) { h.Run("systemctl", "kill", "--signal=STOP", "--kill-who=main", unit) })
	if _, err := n.cluster.Fill(ctx, realetcd.Load{Prefix: "fill/", LiveBytes: live, ValueBytes: 16 << 10, Seed: 1}); err != nil {
		n.t.Fatal(err)
	}
	return writers
}

// awaitHealedOn waits until nobody lists an alarm, every file is small, and writes
// are accepted.
func (l *Lab) awaitHealedOn(c *realetcd.Cluster) {
	l.tb.Helper()
	l.Await("the cluster to be healed", func() (bool, string) {
		for _, m := range c.Members() {
			ctx, cancel := context.WithTimeout(l.tb.Context(), 2*time.Second)
			status, err := m.Client().Status(ctx, m.ClientURL)
			cancel()
			switch {
			case err != nil:
				return false, m.Name + ": " + err.Error()
			case len(status.Errors) > 0:
				return false, fmt.Sprintf("%s: %v", m.Name, status.Errors)
			case status.DbSize > quota*8/10:
				return false, fmt.Sprintf("%s: the file has %s", m.Name, cluster.FormatBytes(status.DbSize))
			}
		}
		_, err := c.Client(0).Put(l.tb.Context(), "healed?", "yes")
		return err == nil, fmt.Sprint(err)
	})
}

func (n *night) awaitHealed() {
	n.awaitHealedOn(n.cluster)
	n.Await("a host to say so", func() (bool, string) {
		return len(Of(n.Journals(), "healed")) > 0, "none has"
	})
}

// judge holds the hosts' journals against each other.
func (n *night) judge() {
	entries := n.Journals()
	for _, fault := range append(Overlaps(entries), Unfinished(entries)...) {
		n.t.Error(fault)
	}
	worked := map[string]bool{}
	for _, e := range Of(entries, "defragmentation_completed") {
		worked[e.Member] = true
		for _, field := range []string{"ETCD_MEMBER_NAME", "ETCD_DB_SIZE_BYTES", "ETCD_DB_SIZE_BEFORE_BYTES", "WATCHDOG_TOOK_SECONDS", "WATCHDOG_JOB"} {
			if e.Fields[field] == "" {
				n.t.Errorf("%s on %s does not say %s", e.Event, e.Host, field)
			}
		}
	}
	if len(worked) != len(n.Hosts) {
		n.t.Errorf("defragmentations of %d members are told, there are %d", len(worked), len(n.Hosts))
	}
	if len(Of(entries, "alarm_disarmed")) == 0 {
		n.t.Error("nobody tells of having disarmed")
	}
	n.explained(entries)
}

// explained demands that the catalog on the hosts knows every entry.
func (n *night) explained(entries []Entry) {
	catalog := n.Hosts[0].Run("journalctl", "--dump-catalog", "--no-pager")
	for _, e := range entries {
		if !strings.Contains(catalog, "-- "+e.ID) {
			n.t.Errorf("journalctl -x knows nothing of %s (%s)", e.Event, e.ID)
		}
	}
	out := n.Hosts[0].Run("journalctl", "--unit="+unit, "--no-pager", "--catalog", "WATCHDOG_EVENT=nospace_armed")
	if !strings.Contains(out, "Subject:") || !strings.Contains(out, "What to do:") {
		n.t.Errorf("journalctl -x says of nospace_armed:\n%s", out)
	}
}

// tell writes a title and a paragraph into the transcript; either may be empty.
func (n *night) tell(title, text string) {
	for _, paragraph := range []string{title, text} {
		if paragraph != "" {
			fmt.Fprintf(&n.seen, "%s\n\n", paragraph)
		}
	}
}

// show runs a command on the first host for the transcript.
func (n *night) show(command ...string) {
	out := n.Hosts[0].Run(command...)
	fmt.Fprintf(&n.seen, "```\nh1# %s\n%s\n```\n\n", strings.Join(command, " "), strings.TrimRight(trailing.ReplaceAllString(out, ""), "\n"))
}

var trailing = regexp.MustCompile(`(?m)[ \t]+$`)

// write puts the transcript into the documents.
func (n *night) write() {
	n.tell("## In the morning", "What the three hosts' journals tell (`journalctl -u etcd-watchdog`), in the order of its time:")
	n.seen.WriteString("```\n")
	for _, e := range n.Journals() {
		if e.Level < 7 {
			fmt.Fprintf(&n.seen, "%s %s: %s\n", e.At.UTC().Format("15:04:05.000"), e.Host, e.Message)
		}
	}
	n.seen.WriteString("```\n\nAn entry explained:\n\n")
	n.show("journalctl", "--unit="+unit, "--no-pager", "--catalog", "--lines=1", "WATCHDOG_EVENT=nospace_armed")
	text := `# A night on three hosts

<!-- Written by "make hosts" with -update from what three systemd hosts showed; do not edit. -->

Three Debian hosts with systemd, etcd 3.6 with a quota of 128 MiB under the
distribution's unit, and the package of etcd-watchdog with its defaults.

` + n.seen.String()
	if err := os.WriteFile(transcript, []byte(strings.TrimRight(text, "\n")+"\n"), 0o644); err != nil {
		n.t.Fatal(err)
	}
}
