package etcd

import (
	"io"
	"maps"
	"strings"
	"testing"
)

func TestParseSamples(t *testing.T) {
	const page = `# HELP etcd_disk_defrag_inflight Whether or not defrag is active on the member.
# TYPE etcd_disk_defrag_inflight gauge
etcd_disk_defrag_inflight 1
etcd_disk_defrag_inflight_other 7
etcd_disk_backend_defrag_duration_seconds_bucket{le="0.1"} 2
etcd_disk_backend_defrag_duration_seconds_count 3
process_start_time_seconds 1.76381834251e+09 1395066363000
etcd_server_quota_backend_bytes -1
`
	long := "grpc_server_handled_total{method=\"" + strings.Repeat("x", 3*maxSampleBytes) + "\"} 5\n"
	for name, tc := range map[string]struct {
		page string
		want map[string]float64
	}{
		"all":           {page, map[string]float64{metricDefragmenting: 1, metricDefragments: 3, metricProcessStart: 1.76381834251e+09, metricQuota: -1}},
		"a long line":   {long + page, map[string]float64{metricDefragmenting: 1, metricDefragments: 3, metricProcessStart: 1.76381834251e+09, metricQuota: -1}},
		"some":          {metricQuota + " 0", map[string]float64{metricQuota: 0}},
		"no line end":   {metricQuota + " 8.589934592e+09", map[string]float64{metricQuota: 8 << 30}},
		"with a label":  {metricQuota + "{a=\"b\"} 1\n", map[string]float64{}},
		"nothing":       {"", map[string]float64{}},
		"not a metric":  {"<html>404</html>\n", map[string]float64{}},
		"a name, alone": {"# " + metricQuota + " 5\n", map[string]float64{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseSamples(strings.NewReader(tc.page), []string{metricQuota, metricDefragments, metricDefragmenting, metricProcessStart})
			if err != nil || !maps.Equal(got, tc.want) {
				t.Errorf("%v, %v; want %v", got, err, tc.want)
			}
		})
	}
}

func TestParseSamplesRefuses(t *testing.T) {
	for name, page := range map[string]io.Reader{
		"no number": strings.NewReader(metricQuota + " many\n"),
		"no value":  strings.NewReader(metricQuota + "\n"),
		"no end":    endless{},
	} {
		if got, err := parseSamples(page, []string{metricQuota}); err == nil {
			t.Errorf("%s: %v, want an error", name, got)
		}
	}
}

// endless is a page that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "x 1\n"[i%4]
	}
	return len(p), nil
}

func TestMetricsAddress(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"http://127.0.0.1:2381":         "http://127.0.0.1:2381/metrics",
		"http://127.0.0.1:2381/":        "http://127.0.0.1:2381/metrics",
		"http://127.0.0.1:2381/metrics": "http://127.0.0.1:2381/metrics",
		"https://host:1/other":          "https://host:1/other",
	} {
		if got, err := metricsAddress(in); err != nil || got != want {
			t.Errorf("metricsAddress(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"127.0.0.1:2381", "unix:///run/x", "http://"} {
		if got, err := metricsAddress(in); err == nil {
			t.Errorf("metricsAddress(%q) = %q, want an error", in, got)
		}
	}
}
