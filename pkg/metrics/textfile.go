package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// writeFile replaces the file with the metrics as they are now. node_exporter
// sees the old text or the new one.
func writeFile(path string, g prometheus.Gatherer) error {
	if err := prometheus.WriteToTextfile(path, g); err != nil {
		return fmt.Errorf("%w: make the directory writable for the user of the watchdog, see examples/node-exporter.conf", err)
	}
	return nil
}
