package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// scrapeEvery is closer than anybody would scrape, so that a heal of seconds
// is seen with all its steps.
const scrapeEvery = 250 * time.Millisecond

// server is a running Prometheus.
type server struct {
	url string
	cmd *exec.Cmd
}

// shortened returns the rules with alerts that fire at once, under names of
// their own: a heal is over before the delivered ones fire, which is their
// purpose.
func shortened(rules string) string {
	rules = strings.Replace(rules, "name: etcd-watchdog", "name: shortened", 1)
	rules = strings.ReplaceAll(rules, "- alert: ", "- alert: Shortened")
	return regexp.MustCompile(`(?m)^( +for:) .*$`).ReplaceAllString(rules, "$1 0s")
}

func startServer(ctx context.Context, dir string, targets []string) (*server, error) {
	rules, err := os.ReadFile("deploy/prometheus/etcd-watchdog.rules.yml")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf("global: {scrape_interval: %[1]s, evaluation_interval: %[1]s}\nrule_files: [rules.yml, shortened.yml]\n"+
		"scrape_configs:\n- job_name: etcd-watchdog\n  static_configs: [{targets: [%[2]s]}]\n", scrapeEvery, strings.Join(targets, ", "))
	for name, text := range map[string]string{"prometheus.yml": config, "rules.yml": string(rules), "shortened.yml": shortened(string(rules))} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command("prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{url: "http://" + address, cmd: cmd}
	err = realetcd.Await(ctx, "Prometheus to be ready", func() (bool, string) {
		answer, err := http.Get(s.url + "/-/ready")
		if err != nil {
			return false, err.Error()
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK, answer.Status
	})
	if err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	_ = s.cmd.Wait()                          // its status does not matter
}

// freeAddress is one on loopback that nobody listens at.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// point is one value at one time.
type point struct {
	at    time.Time
	value float64
}

// series is one result of a query.
type series struct {
	labels map[string]string
	points []point
}

// query asks for the values of an expression from begin to end.
func (s *server) query(expr string, begin, end time.Time) ([]series, error) {
	values := url.Values{
		"query": {expr}, "step": {"0.25"},
		"start": {strconv.FormatFloat(float64(begin.UnixMilli())/1000, 'f', 3, 64)},
		"end":   {strconv.FormatFloat(float64(end.UnixMilli())/1000, 'f', 3, 64)},
	}
	answer, err := http.PostForm(s.url+"/api/v1/query_range", values)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	return parseAnswer(text)
}

func parseAnswer(text []byte) ([]series, error) {
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if answer.Status != "success" {
		return nil, errors.New(answer.Error)
	}
	var all []series
	for _, r := range answer.Data.Result {
		one := series{labels: r.Metric}
		for _, v := range r.Values {
			at, isTime := v[0].(float64)
			text, isText := v[1].(string)
			value, err := strconv.ParseFloat(text, 64)
			if !isTime || !isText || err != nil {
				return nil, fmt.Errorf("no point: %v", v)
			}
			one.points = append(one.points, point{time.UnixMilli(int64(at * 1000)), value})
		}
		all = append(all, one)
	}
	return all, nil
}
