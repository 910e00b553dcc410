package etcd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// The samples of etcd's metrics that are read.
const (
	metricQuota         = "etcd_server_quota_backend_bytes"
	metricDefragments   = "etcd_disk_backend_defrag_duration_seconds_count"
	metricDefragmenting = "etcd_disk_defrag_inflight"
	metricProcessStart  = "process_start_time_seconds"
)

// metricMember is the sample with which a member says in its metrics who it is:
// behind a balancer another one may answer there.
func metricMember(id cluster.MemberID) string {
	return fmt.Sprintf("etcd_server_id{server_id=%q}", id)
}

// maxMetricsBytes is far above what etcd's metrics ever take, which is some
// hundred KiB.
const maxMetricsBytes = 8 << 20

// maxSampleBytes is far above the length of any sample that is read.
const maxSampleBytes = 4 << 10

// maxSample is above every size, count and time, and fits into an int64.
const maxSample = 1 << 62

// metricsAddress completes the URL of a server's metrics; empty stays empty.
func metricsAddress(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := parseURL(s)
	if err != nil {
		return "", err
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	return u.String(), nil
}

// newMetricsClient makes a client that keeps no connection and follows nobody
// elsewhere: metrics are read rarely, and only from the member asked.
func newMetricsClient(i *identity) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialTLSContext:     i.dialTLS,
			DisableKeepAlives:  true,
			DisableCompression: true,
			ReadBufferSize:     bufferBytes,
			WriteBufferSize:    bufferBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// metricsOf returns where the metrics of a member are that answers at u.
func (c *Cluster) metricsOf(k known, id cluster.MemberID, u string) string {
	if id == k.local && c.metricsURL != "" {
		return c.metricsURL
	}
	return strings.TrimSuffix(u, "/") + "/metrics"
}

// scrape reads the named samples of a member, which have no labels. Those that are
// not there are missing from the result. Metrics of another member are an error.
func (c *Cluster) scrape(ctx context.Context, id cluster.MemberID, u string, names ...string) (map[string]float64, error) {
	own := metricMember(id)
	samples, err := c.samples(ctx, u, append(slices.Clone(names), own)...)
	if err != nil {
		return nil, err
	}
	if samples[own] != 1 {
		return nil, fmt.Errorf("read metrics: %s does not answer for member %s", u, id)
	}
	delete(samples, own)
	return samples, nil
}

func (c *Cluster) samples(ctx context.Context, u string, names ...string) (map[string]float64, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: %s answers %s", u, response.Status)
	}
	samples, err := parseSamples(response.Body, names)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %s: %w", u, err)
	}
	return samples, nil
}

// parseSamples picks samples without labels out of Prometheus' text format:
// lines of a name, a value and possibly a time. It stops when it has them all.
func parseSamples(r io.Reader, names []string) (map[string]float64, error) {
	limited := &io.LimitedReader{R: r, N: maxMetricsBytes}
	lines := bufio.NewReaderSize(limited, maxSampleBytes)
	samples := map[string]float64{}
	for len(samples) < len(names) {
		line, long, err := lines.ReadLine()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if long {
			if err := skipLine(lines); err != nil {
				return nil, err
			}
			continue
		}
		name, rest, _ := strings.Cut(string(line), " ")
		if !slices.Contains(names, name) {
			continue
		}
		value, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		number, err := strconv.ParseFloat(value, 64)
		if err == nil && (math.IsNaN(number) || math.Abs(number) > maxSample) {
			err = fmt.Errorf("%s is no size, count or time", value)
		}
		if err != nil {
			return nil, fmt.Errorf("sample %s: %w", name, err)
		}
		samples[name] = number
	}
	if limited.N <= 0 {
		return nil, fmt.Errorf("more than %d bytes", maxMetricsBytes)
	}
	return samples, nil
}

// skipLine reads up to the end of a line of which a part has been read.
func skipLine(lines *bufio.Reader) error {
	for {
		_, long, err := lines.ReadLine()
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !long {
			return nil
		}
	}
}

// Evidence reads what the metrics of a member tell about its defragmentations.
// They are served while one runs.
func (c *Cluster) Evidence(ctx context.Context, id cluster.MemberID) cluster.Evidence {
	known, past := c.recall()
	was := past[id].was
	if was == "" {
		return cluster.Evidence{}
	}
	names := []string{metricDefragments, metricDefragmenting, metricProcessStart}
	samples, err := c.scrape(ctx, id, c.metricsOf(known, id, was), names...)
	if err != nil || len(samples) < len(names) {
		return cluster.Evidence{}
	}
	return cluster.Evidence{
		Known:        true,
		Completed:    int64(samples[metricDefragments]),
		InFlight:     samples[metricDefragmenting] != 0,
		ProcessStart: samples[metricProcessStart],
	}
}
