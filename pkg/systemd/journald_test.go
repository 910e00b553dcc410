package systemd

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// besideJournald is set where this test binary runs beside a journald that was
// started for it.
const besideJournald = "ETCD_WATCHDOG_TEST_BESIDE_JOURNALD"

// TestRealJournald runs this test binary again, beside a real journald in a
// mount namespace of its own.
func TestRealJournald(t *testing.T) {
	if os.Getenv(besideJournald) != "" {
		t.Skip("this is the inner run")
	}
	if os.Getuid() != 0 {
		t.Skip("a journald of its own needs root")
	}
	for _, program := range []string{"/lib/systemd/systemd-journald", "journalctl", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("there is no %s here", program)
		}
	}
	if out, err := exec.Command("unshare", "--mount", "true").CombinedOutput(); err != nil {
		t.Skipf("mount namespaces are not allowed here: %s", out)
	}
	inner := exec.CommandContext(t.Context(), "testdata/journald.sh", os.Args[0], "-test.run=^TestBesideJournald$", "-test.v")
	inner.Env = append(os.Environ(), besideJournald+"=1")
	out, err := inner.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestBesideJournald") {
		t.Errorf("beside a real journald: %v\n%s", err, out)
	}
}

// TestBesideJournald is run by TestRealJournald.
func TestBesideJournald(t *testing.T) {
	if os.Getenv(besideJournald) == "" {
		t.Skip("it is run by TestRealJournald")
	}
	l := event.NewLogger(connected(t, JournalSocket), event.Info)
	l.Record(event.Event{
		Kind: event.LiveDataTooLarge, Member: 0x8e9e05c52164694d, MemberName: "infra1",
		SizeBytes: 512 << 20, InUseBytes: 208 << 20, QuotaBytes: 512 << 20, QuotaFrom: "learnt", Detail: "line\x1b\nbreak",
	})
	closed(t, l)
	want := map[string]string{
		"MESSAGE": `The data of member infra1 (8e9e05c52164694d) are too large for its quota, ` +
			`file 512 MiB, in use 208 MiB, quota 512 MiB, 100 % full: line\x1b\nbreak; delete keys or raise the quota`,
		"PRIORITY":                  "3",
		"MESSAGE_ID":                event.LiveDataTooLarge.Row().ID,
		"SYSLOG_IDENTIFIER":         "etcd-watchdog",
		"WATCHDOG_EVENT":            "live_data_too_large",
		"DOCUMENTATION":             "https://github.com/etcd-watchdog/etcd-watchdog/blob/main/docs/runbook.md#live_data_too_large",
		"WATCHDOG_REASON":           "live_data_too_large",
		"WATCHDOG_DETAIL":           `line\x1b\nbreak`,
		"WATCHDOG_LASTED_SECONDS":   "0",
		"ETCD_MEMBER_ID":            "8e9e05c52164694d",
		"ETCD_MEMBER_NAME":          "infra1",
		"ETCD_DB_SIZE_BYTES":        "536870912",
		"ETCD_DB_SIZE_IN_USE_BYTES": "218103808",
		"ETCD_QUOTA_BYTES":          "536870912",
		"ETCD_QUOTA_SOURCE":         "learnt",
		"_TRANSPORT":                "journal",
	}
	got := entry(t)
	for field, value := range want {
		if got[field] != value {
			t.Errorf("%s = %q, want %q", field, got[field], value)
		}
	}
	for field := range got {
		if _, ok := want[field]; !ok && (strings.HasPrefix(field, "ETCD_") || strings.HasPrefix(field, "WATCHDOG_")) {
			t.Errorf("%s is not expected", field)
		}
	}
}

// entry waits for the first entry of ours in the journal.
func entry(t *testing.T) map[string]any {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		out, err := exec.Command("journalctl", "--all", "-o", "json", "-n", "1", "-t", "etcd-watchdog").Output()
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if json.Unmarshal(out, &fields) == nil {
			return fields
		}
	}
	t.Fatal("no entry of etcd-watchdog came into the journal")
	return nil
}
