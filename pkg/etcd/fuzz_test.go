package etcd

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// FuzzMetrics holds that whatever a server sends as metrics is read within bounds,
// and that only the samples asked for come out.
func FuzzMetrics(f *testing.F) {
	names := []string{metricQuota, metricDefragments}
	f.Fuzz(func(t *testing.T, text []byte) {
		samples, err := parseSamples(bytes.NewReader(text), names)
		if err != nil && samples != nil {
			t.Errorf("samples %v beside the error %v", samples, err)
		}
		for name, value := range samples {
			if value != float64(int64(value)) && math.Abs(value) >= 1<<53 || math.IsNaN(value) {
				t.Errorf("%s is %g, which no counter and no size can be", name, value)
			}
			if name != metricQuota && name != metricDefragments {
				t.Errorf("sample %q was not asked for", name)
			}
		}
	})
}

// FuzzCertificateFile holds that no file makes the reading of certificates panic,
// and that an end is never told together with an error.
func FuzzCertificateFile(f *testing.F) {
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(dir, "cert.pem")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, authorities := range []bool{false, true} {
			if ends, err := CertificateFile(path, authorities); err != nil && !ends.IsZero() {
				t.Errorf("%s beside the error %v", ends, err)
			}
		}
		if roots, err := readAuthorities(path); (roots == nil) != (err != nil) {
			t.Errorf("authorities %v beside the error %v", roots, err)
		}
	})
}
