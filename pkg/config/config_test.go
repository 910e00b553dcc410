package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the windows below, on any host

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/policy"
)

// Every key that can be changed is, each to a value of its own, so that two
// keys that share a field are found out.
const everythingElse = `
etcd:
  endpoint: https://db1.example.org:23790
  cacert: /etc/etcd-watchdog/ca.pem
  cert: /etc/etcd-watchdog/client.pem
  key: /etc/etcd-watchdog/client.key
  tls-server-name: etcd.example.org
  insecure-skip-tls-verify: true
  user: watchdog
  password-file: /run/credentials/etcd-watchdog.service/password
  dial-timeout: 1s
  keepalive-time: 21s
  keepalive-timeout: 6s
  request-timeout: 2500ms
  compact-timeout: 3m
  defragment-timeout: 1h30m
  quota-backend-bytes: 8GiB
  metrics-url: http://127.0.0.1:2381/metrics
  data-dir: /srv/etcd
watch:
  poll-interval: 7s
  min-poll-interval: 250ms
  unreachable-grace: 11m
thresholds:
  warn-at: 61.5%
  compact-at: 55%
  defragment-at: 71%
  urgent-at: 99%
  disarm-below: 85%
maintenance:
  mode: observe
  keep-revisions: 17
  min-reclaim: 33%
  cooldown: 13h
  stall-budget: 0s
  move-leader: false
  windows:
    - Fri-Mon 22:00-04:00 Europe/Amsterdam
    - daily 00:00-24:00 UTC
  adopt-after: 17m
claim:
  prefix: /ops/etcd-watchdog
  ttl: 37s
  tickets: 23
log:
  level: warning
  format: json
metrics:
  listen: 192.0.2.11:9979
  web-config: /etc/etcd-watchdog/web.yml
  textfile: /var/lib/prometheus/node-exporter/etcd-watchdog.prom
`

func everythingElseParsed(t *testing.T) Config {
	amsterdam, err := time.LoadLocation("Europe/Amsterdam")
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Etcd: etcd.Options{
			Endpoint:           "https://db1.example.org:23790",
			CACert:             "/etc/etcd-watchdog/ca.pem",
			Cert:               "/etc/etcd-watchdog/client.pem",
			Key:                "/etc/etcd-watchdog/client.key",
			ServerName:         "etcd.example.org",
			InsecureSkipVerify: true,
			KeepAliveTime:      21 * time.Second,
			KeepAliveTimeout:   6 * time.Second,
			User:               "watchdog",
			PasswordFile:       "/run/credentials/etcd-watchdog.service/password",
			DialTimeout:        time.Second,
			RequestTimeout:     2500 * time.Millisecond,
			CompactTimeout:     3 * time.Minute,
			DefragmentTimeout:  90 * time.Minute,
			QuotaBackendBytes:  8 << 30,
			MetricsURL:         "http://127.0.0.1:2381/metrics",
		},
		Disk: Disk{DataDir: "/srv/etcd"},
		Limits: policy.Limits{
			WarnAt: 0.615, CompactAt: 0.55, DefragmentAt: 0.71, UrgentAt: 0.99, DisarmBelow: 0.85,
			Observe:       true,
			KeepRevisions: 17,
			MinReclaim:    0.33,
			Cooldown:      13 * time.Hour,
			MoveLeader:    false,
			Windows: []policy.Window{
				{Days: [7]bool{true, true, false, false, false, true, true}, From: 22 * 60, To: 4 * 60, Location: amsterdam},
				{Days: [7]bool{true, true, true, true, true, true, true}, To: 24 * 60, Location: time.UTC},
			},
			AdoptAfter:       17 * time.Minute,
			UnreachableGrace: 11 * time.Minute,
			PollInterval:     7 * time.Second,
			MinPollInterval:  250 * time.Millisecond,
			AssumedSpeed:     policy.DefaultLimits().AssumedSpeed,
			SendWithin:       policy.DefaultLimits().SendWithin,
			DeliveryBound:    policy.DefaultLimits().DeliveryBound,
		},
		Claim: claim.Options{Prefix: "/ops/etcd-watchdog", TTL: 37 * time.Second, Tickets: 23},
		Log:   Log{Level: "warning", Format: "json"},
		Metrics: metrics.Options{
			Listen: "192.0.2.11:9979", WebConfig: "/etc/etcd-watchdog/web.yml", TextFile: "/var/lib/prometheus/node-exporter/etcd-watchdog.prom",
		},
	}
}

func TestEveryKeyReachesItsField(t *testing.T) {
	for _, k := range keys {
		if !strings.Contains(everythingElse, "\n  "+k.name()+":") {
			t.Errorf("%s is not tried", k.path)
		}
	}
	got, err := Parse("f", []byte(everythingElse))
	if err != nil {
		t.Fatal(err)
	}
	if want := everythingElseParsed(t); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// A field that no key sets stays what it is for ever, but for these.
func TestEveryFieldHasAKey(t *testing.T) {
	without := map[string]bool{
		"Limits.AssumedSpeed": true, "Limits.SendWithin": true, "Limits.DeliveryBound": true, "Claim.Settle": true,
		"Limits.TakeAtOnce": true, "Limits.Alone": true, // of heal
		"Etcd.Password": true, "Limits.Only": true, "Limits.Immediate": true, // for a person's command line
	}
	set, defaults := reflect.ValueOf(everythingElseParsed(t)), reflect.ValueOf(Default())
	for i := range set.NumField() {
		for j := range set.Field(i).NumField() {
			name := set.Type().Field(i).Name + "." + set.Type().Field(i).Type.Field(j).Name
			same := reflect.DeepEqual(set.Field(i).Field(j).Interface(), defaults.Field(i).Field(j).Interface())
			if same != without[name] {
				t.Errorf("%s: is the default: %v, want %v", name, same, without[name])
			}
		}
	}
}

func TestValuesThatAreFine(t *testing.T) {
	for _, file := range []string{
		"", "\n", "# nothing but a comment\n", "---\n", "---\n# nothing\n...\n", "{}", "etcd: {}\n", "\ufeff",
		"etcd: {endpoint: 'http://[::1]:2379'}",
		"etcd:\n  endpoint: \"https://127.0.0.1:2379\"\n",
		"etcd: {quota-backend-bytes: 536870912}",
		"etcd: {quota-backend-bytes: 536870912B}",
		"etcd: {quota-backend-bytes: 512MiB}",
		"etcd: {metrics-url: 'http://localhost:2381'}",
		"etcd: {request-timeout: 20s}",
		"maintenance: {cooldown: 168h, stall-budget: 0s, windows: []}",
		"maintenance: {windows: ['Mon,Wed-Fri 00:00-24:00 Local']}",
		"thresholds: {compact-at: 60.0%, defragment-at: 60.1%}",
		"claim: {tickets: 1, ttl: 30s}",
		"log:\n  level: >-\n    debug\n",
		"log:\r\n  level: debug\r\n",
	} {
		if _, err := Parse("f", []byte(file)); err != nil {
			t.Errorf("%q:\n%v", file, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, bad := range []string{
		`""`, "http://127.0.0.1", "'http://127.0.0.1:'", "http://:2379", "http://127.0.0.1:0", "http://127.0.0.1:65536",
		"http://a:2379,http://b:2379", "ftp://127.0.0.1:2379", "https://db1:2379/", "https://db1:2379/v3",
		"http://db1:2379?x=y", "'http://db1:2379#x'", "unix:///run/etcd.sock", "http://db1:http", "'http://[::1:2379'", "//db1:2379", "'http://db 1:2379'",
	} {
		faults := parseFaults(t, "f", []byte("etcd:\n  endpoint: "+bad+"\n"))
		if len(faults) != 1 || faults[0].Key != "etcd.endpoint" || faults[0].Line != 2 || faults[0].Column != 13 {
			t.Errorf("%s:\n%v", bad, faults)
		}
	}
}

func TestTooLarge(t *testing.T) {
	faults := parseFaults(t, "f", []byte(strings.Repeat("# 345678\n", maxFileBytes/9+1)))
	if got, want := faults.Error(), "f:1:1: found more than 1MiB, expected a configuration file"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDefaultsHaveNoSharedState(t *testing.T) {
	if _, err := Parse("f", []byte(everythingElse)); err != nil {
		t.Fatal(err)
	}
	if got := Default(); got.Limits.Windows != nil || got.Etcd.User != "" {
		t.Errorf("parsing a file has changed the defaults: %+v", got)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(filepath.Join(dir, "absent.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	var faults Faults
	if _, err := Load(dir); err == nil || errors.As(err, &faults) {
		t.Errorf("a directory: %v", err)
	}
	file := filepath.Join(dir, "etcd-watchdog.yaml")
	for content, want := range map[string]string{
		"log:\n  level: debug\n": "",
		"log:\n  level: loud\n":  file + `:2:10: log.level: found "loud", expected debug, info, notice, warning or err`,
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(file)
		if want == "" && (err != nil || c.Log.Level != "debug") || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%q: got %+v, %v, want %q", content, c.Log, err, want)
		}
	}
}

func TestCheckWatchdog(t *testing.T) {
	for _, test := range []struct {
		file     string
		interval time.Duration
		want     string
	}{
		{"", 0, ""},
		{"", 30 * time.Second, ""},
		{"", 30*time.Second - 1, "WatchdogSec=29.999999999s of the unit is too short for watch.poll-interval, which is 10s: raise WatchdogSec to at least 30s, or lower watch.poll-interval"},
		{"etcd: {request-timeout: 20s}", time.Minute, ""},
		{"etcd: {request-timeout: 20s}", 45 * time.Second, "WatchdogSec=45s of the unit is too short for etcd.request-timeout, which is 20s: raise WatchdogSec to at least 1m, or lower etcd.request-timeout"},
	} {
		c, err := Parse("f", []byte(test.file))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := c.CheckWatchdog(test.interval); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%q, %s:\n got %q\nwant %q", test.file, test.interval, got, test.want)
		}
	}
}
