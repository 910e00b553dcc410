package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/exporter-toolkit/web"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
)

// Options say where the metrics go. The zero value: nowhere.
type Options struct {
	Listen    string // host:port; empty: no listener
	WebConfig string // exporter-toolkit's web configuration file; empty: plain HTTP without authentication
	TextFile  string // for node_exporter; empty: none
}

// DefaultOptions returns the options that hold where nothing is configured.
func DefaultOptions() Options { return Options{} }

// Enabled reports that the metrics go anywhere.
func (o Options) Enabled() bool { return o.Listen != "" || o.TextFile != "" }

const (
	// retryEvery is how long a listener or a file that failed is left alone.
	retryEvery = time.Minute
	// writeEvery is how often the file is written while nothing changes. Prometheus
	// reads it every 15 s at the most often, in most places.
	writeEvery = 10 * time.Second
	// certificatesEvery is how often certificates are looked at.
	certificatesEvery = time.Hour
)

// Exporter serves and writes the metrics of a State.
type Exporter struct {
	*State
	Options      Options
	Recorder     event.Recorder                                    // told when metrics are not available
	Certificates func(context.Context, cluster.View) []Certificate // finds the certificates; may take its time; nil: none

	wake   chan struct{}
	server *server
	told   string    // what was reported and has not been cured since
	tried  time.Time // when the listener failed last
	wrote  time.Time // when the file was written last, or could not be
	reason string    // of the decision in that file
	looked time.Time // when the certificates were looked at last
	served prometheus.Gatherer
	filed  prometheus.Gatherer
}

// NewExporter checks all that can be wrong with the options apart from the
// state of the host.
func NewExporter(s *State, o Options) (*Exporter, error) {
	if o.WebConfig != "" {
		if err := web.Validate(o.WebConfig); err != nil {
			return nil, fmt.Errorf("metrics.web-config: %s: %w", o.WebConfig, err)
		}
	}
	file := prometheus.NewRegistry()
	served := prometheus.NewRegistry()
	for _, registry := range []*prometheus.Registry{file, served} {
		if err := registry.Register(s); err != nil {
			return nil, err
		}
	}
	// Not into the file: node_exporter has series of these names itself. Not Go's
	// own collector: what it reads takes more memory than all the rest.
	if err := served.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
		return nil, err
	}
	return &Exporter{State: s, Options: o, wake: make(chan struct{}, 1), served: served, filed: file}, nil
}

// Observe takes what a poll has left, and returns at once.
func (e *Exporter) Observe(o Observation) {
	e.State.Observe(o)
	select {
	case e.wake <- struct{}{}:
	default: // Run has not looked at the one before yet, and will see this one
	}
}

// Run serves and writes until ctx ends. What fails is tried again with a later
// observation.
func (e *Exporter) Run(ctx context.Context) {
	e.listen(time.Time{})
	for {
		select {
		case <-ctx.Done():
			if e.server != nil {
				e.server.close()
			}
			return
		case <-e.wake:
		}
		now := e.snapshot()
		e.listen(now.seen.View.At)
		e.write(*now.seen)
		e.look(ctx, now.seen.View)
	}
}

// listen opens the listener if there is none.
func (e *Exporter) listen(now time.Time) {
	if e.Options.Listen == "" || e.server != nil && e.server.alive() || now.Sub(e.tried) < retryEvery && !e.tried.IsZero() {
		return
	}
	started, err := serve(e.Options, e.State, e.served)
	if err != nil {
		e.tried = now
		e.report(fmt.Errorf("metrics.listen: %w", err))
		return
	}
	e.server, e.told = started, ""
}

// write writes the file, if there is news.
func (e *Exporter) write(o Observation) {
	at, reason := o.View.At, reasonLabel(o.Decision.Reason)
	if e.Options.TextFile == "" || reason == e.reason && !e.wrote.IsZero() && at.Sub(e.wrote) < writeEvery {
		return
	}
	e.wrote, e.reason = at, reason
	if err := writeFile(e.Options.TextFile, e.filed); err != nil {
		e.report(fmt.Errorf("metrics.textfile: %w", err))
		return
	}
	if e.Options.Listen == "" {
		e.told = ""
	}
}

// look finds the certificates.
func (e *Exporter) look(ctx context.Context, v cluster.View) {
	if e.Certificates == nil || !e.looked.IsZero() && v.At.Sub(e.looked) < certificatesEvery {
		return
	}
	e.looked = v.At
	e.setCertificates(e.Certificates(ctx, v))
}

// report reports an error once, until it is cured.
func (e *Exporter) report(err error) {
	if err.Error() == e.told {
		return
	}
	e.told = err.Error()
	if e.Recorder != nil {
		e.Recorder.Record(event.Event{Kind: event.MetricsFailed, Error: err.Error()})
	}
}
