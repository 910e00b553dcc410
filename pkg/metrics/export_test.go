package metrics

import (
	"io"

	"github.com/prometheus/common/expfmt"
)

// Scrape writes what a scrape is answered with.
func (e *Exporter) Scrape(w io.Writer) error {
	families, err := e.served.Gather()
	if err != nil {
		return err
	}
	for _, f := range families {
		if _, err := expfmt.MetricFamilyToText(w, f); err != nil {
			return err
		}
	}
	return nil
}
