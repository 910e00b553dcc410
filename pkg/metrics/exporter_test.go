package metrics_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event/eventtest"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
)

// running is an exporter that runs until the test ends.
func running(t *testing.T, o metrics.Options) (*metrics.Exporter, *eventtest.Memory) {
	t.Helper()
	e, err := metrics.NewExporter(newState(), o)
	if err != nil {
		t.Fatal(err)
	}
	var log eventtest.Memory
	e.Recorder = &log
	start(t, e)
	return e, &log
}

func start(t *testing.T, e *metrics.Exporter) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		e.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatal("not within 30 s: " + what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// free is an address that nobody listens at.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var answer *http.Response
	eventually(t, url+" answers", func() bool {
		var err error
		answer, err = client.Get(url)
		return err == nil
	})
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestTheListenerHasThreePaths(t *testing.T) {
	address := free(t)
	e, _ := running(t, metrics.Options{Listen: address})
	base := "http://" + address
	if status, body := get(t, base+"/-/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "first poll") {
		t.Errorf("before the first poll /-/ready says %d %s", status, body)
	}
	e.Observe(observation(noon, 1, 2, 3))
	for _, c := range []struct {
		path   string
		status int
		has    string
	}{
		{"/metrics", 200, "etcd_watchdog_members 3\n"},
		{"/metrics", 200, "process_resident_memory_bytes "},
		{"/-/healthy", 200, "running"},
		{"/-/ready", 200, "watching"},
		{"/", 404, ""},
		{"/debug/pprof/", 404, ""},
	} {
		if status, body := get(t, base+c.path); status != c.status || !strings.Contains(body, c.has) {
			t.Errorf("%s: %d, want %d and %q in\n%.300s", c.path, status, c.status, c.has, body)
		}
	}
	answer, err := http.Post(base+"/metrics", "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /metrics: %s", answer.Status)
	}
}

// A thousand clients that send nothing keep neither the loop from observing nor,
// once their time is over, Prometheus from scraping.
func TestSlowClientsHoldNobodyUp(t *testing.T) {
	address := free(t)
	e, _ := running(t, metrics.Options{Listen: address})
	get(t, "http://"+address+"/-/healthy")
	for range 1000 {
		c, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			break // the backlog is full, which is the same for this test
		}
		defer c.Close()
		_, _ = io.WriteString(c, "GET /metrics HTTP/1.1\r\nX-Slow: ")
	}
	began := time.Now()
	for i := range 1000 {
		e.Observe(observation(noon.Add(time.Duration(i)*time.Second), 1))
	}
	t.Logf("1000 observations during 1000 slow connections took %s", time.Since(began))
	if status, _ := get(t, "http://"+address+"/metrics"); status != 200 {
		t.Errorf("a scrape was answered with %d", status)
	}
}

// A port that is taken is reported once, and tried again after a minute.
func TestAPortThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	address := l.Addr().String()
	e, log := running(t, metrics.Options{Listen: address})
	for i := range 5 {
		e.Observe(observation(noon.Add(time.Duration(i)*2*time.Minute), 1))
	}
	eventually(t, "the failure is reported", func() bool { return len(log.Of(event.MetricsFailed)) > 0 })
	_ = l.Close()
	at := noon.Add(time.Hour)
	eventually(t, "the listener opens", func() bool {
		at = at.Add(2 * time.Minute)
		e.Observe(observation(at, 1))
		answer, err := http.Get("http://" + address + "/-/healthy")
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == 200
	})
	if reports := log.Of(event.MetricsFailed); len(reports) != 1 || !strings.Contains(reports[0].Error, "address already in use") {
		t.Errorf("reported %+v", reports)
	}
}

func TestTheFileIsReplacedAsAWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd-watchdog.prom")
	e, log := running(t, metrics.Options{TextFile: path})
	at, reads := noon, 0
	for i := range 300 {
		at = at.Add(11 * time.Second)
		e.Observe(observation(at, cluster.MemberID(i+1)))
		text, err := os.ReadFile(path)
		if err != nil {
			continue // not written yet
		}
		reads++
		if s := string(text); !strings.HasSuffix(s, "\n") || !strings.Contains(s, "etcd_watchdog_work_total") || strings.Contains(s, "\nprocess_") {
			t.Fatalf("read a part, or what is not for the file:\n%s", s)
		}
	}
	eventually(t, "the file is written", func() bool { _, err := os.Stat(path); return err == nil })
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o644 {
		t.Errorf("%v, %v, want mode 0644", info.Mode(), err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) > 2 {
		t.Errorf("%v, %v: temporary files are left", entries, err)
	}
	t.Logf("read %d times while it was replaced", reads)
	if len(log.Events()) > 0 {
		t.Errorf("reported %+v", log.Events())
	}
}

func TestAFileThatCannotBeWrittenIsReportedOnce(t *testing.T) {
	e, log := running(t, metrics.Options{TextFile: filepath.Join(t.TempDir(), "none", "x.prom")})
	for i := range 20 {
		e.Observe(observation(noon.Add(time.Duration(i)*time.Minute), 1))
	}
	eventually(t, "the failure is reported", func() bool { return len(log.Of(event.MetricsFailed)) > 0 })
	if got := log.Of(event.MetricsFailed)[0].Error; !strings.Contains(got, "metrics.textfile: ") || !strings.Contains(got, "node-exporter.conf") {
		t.Errorf("reported %q, want the key and the next step", got)
	}
}

// certify writes a certificate for 127.0.0.1 and its key.
func certify(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, text := range map[string][]byte{"web.crt": certificate, "web.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	return pool
}

func TestTLSAndBasicAuthentication(t *testing.T) {
	dir, address := t.TempDir(), free(t)
	pool := certify(t, dir)
	file := filepath.Join(dir, "web.yml")
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	users := "basic_auth_users:\n  prometheus: " + string(hash) + "\n"
	if err := os.WriteFile(file, []byte("tls_server_config:\n  cert_file: web.crt\n  key_file: web.key\n"+users), 0o600); err != nil {
		t.Fatal(err)
	}
	running(t, metrics.Options{Listen: address, WebConfig: file})
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
	status := func(password string) (code int) {
		eventually(t, "the listener answers", func() bool {
			request, err := http.NewRequest("GET", "https://"+address+"/metrics", nil)
			if err != nil {
				t.Fatal(err)
			}
			if password != "" {
				request.SetBasicAuth("prometheus", password)
			}
			answer, err := client.Do(request)
			if err != nil {
				return false
			}
			code = answer.StatusCode
			return answer.Body.Close() == nil
		})
		return code
	}
	if got := []int{status(""), status("wrong"), status("secret")}; got[0] != 401 || got[1] != 401 || got[2] != 200 {
		t.Errorf("without, with a wrong, with the right password: %v, want 401 401 200", got)
	}
	if err := os.WriteFile(file, []byte("tls_server_config:\n  cert: web.crt\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := metrics.NewExporter(newState(), metrics.Options{Listen: address, WebConfig: file}); err == nil || !strings.Contains(err.Error(), "metrics.web-config: "+file) {
		t.Errorf("a web configuration with a fault: %v", err)
	}
}

// The certificates are looked at once an hour, and nobody waits for that.
func TestCertificates(t *testing.T) {
	e, err := metrics.NewExporter(newState(), metrics.Options{Listen: free(t)})
	if err != nil {
		t.Fatal(err)
	}
	looks := make(chan time.Time)
	e.Certificates = func(_ context.Context, v cluster.View) []metrics.Certificate {
		looks <- v.At
		return []metrics.Certificate{{Role: "server", Member: 1, NotAfter: noon.Add(time.Hour)}, {Role: "ca", NotAfter: noon}}
	}
	start(t, e)
	e.Observe(observation(noon, 1))
	e.Observe(observation(noon.Add(time.Minute), 1)) // while nobody takes the first look
	<-looks
	eventually(t, "the certificate is shown", func() bool {
		return value(t, e.State, "certificate_not_after_timestamp_seconds", "role", "server", "member_name", "m0") == float64(noon.Add(time.Hour).Unix())
	})
	e.Observe(observation(noon.Add(time.Hour+time.Minute), 1))
	if at := <-looks; at.Sub(noon) < time.Hour {
		t.Errorf("looked again after %s", at.Sub(noon))
	}
}

func TestCheckAddress(t *testing.T) {
	for address, good := range map[string]bool{"127.0.0.1:9979": true, "[::1]:9979": true, "localhost:9979": true, "0.0.0.0:9979": true, ":9979": false, "9979": false, "127.0.0.1:": false} {
		if err := metrics.CheckAddress(address); (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	s := newState()
	var ids []cluster.MemberID
	for i := range 9 {
		ids = append(ids, cluster.MemberID(i+1))
	}
	s.Observe(observation(noon, ids...))
	e, err := metrics.NewExporter(s, metrics.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := e.Scrape(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
