package main

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/event"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/metrics"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// monitor shows the daemon to Prometheus. It outlives the generations of a
// reload. A nil monitor shows nothing, for the commands that are no daemon.
type monitor struct {
	losses   event.Losses
	state    *metrics.State
	exporter *metrics.Exporter // nil: the metrics go nowhere
	inForce  atomic.Pointer[generation]
}

// newMonitor checks all that can be wrong with the options.
func newMonitor(o metrics.Options) (*monitor, error) {
	m := &monitor{}
	m.state = metrics.NewState(metrics.Build{Version: version, Commit: orUnknown(commit), GoVersion: runtime.Version()}, &m.losses)
	if !o.Enabled() {
		return m, nil
	}
	var err error
	if m.exporter, err = metrics.NewExporter(m.state, o); err != nil {
		return nil, configError(err)
	}
	m.exporter.Recorder, m.exporter.Certificates = m, m.certificates
	return m, nil
}

// counted is a recorder whose events are counted too.
func (m *monitor) counted(next event.Recorder) event.Recorder {
	if m == nil || m.exporter == nil {
		return next
	}
	return m.state.Recorder(next, watchdog.Now)
}

// seen takes what a poll has left.
func (m *monitor) seen(k watchdog.Kept) {
	if m != nil && m.exporter != nil {
		m.exporter.Observe(metrics.Observation{Memory: k.Memory, View: k.View, Decision: k.Decision, Conditions: k.Conditions()})
	}
}

// follow has the monitor report and look through the generation in force.
func (m *monitor) follow(g generation) {
	if m != nil {
		m.inForce.Store(&g)
	}
}

// run serves and writes the metrics until ctx ends.
func (m *monitor) run(ctx context.Context) {
	if m != nil && m.exporter != nil {
		m.exporter.Run(ctx)
	}
}

// Record reports what goes wrong with the metrics themselves.
func (m *monitor) Record(e event.Event) { m.counted(m.inForce.Load().recorder).Record(e) }

// certificates finds the ends of the certificates that the watchdog stands on:
// those of its own files, and what the members show.
func (m *monitor) certificates(ctx context.Context, v cluster.View) []metrics.Certificate {
	g := m.inForce.Load()
	var all []metrics.Certificate
	for _, file := range []struct {
		role, path  string
		authorities bool
	}{{"ca", g.config.Etcd.CACert, true}, {"client", g.config.Etcd.Cert, false}} {
		if file.path == "" {
			continue
		}
		// A file that can't be read is what the connection reports.
		if ends, err := etcd.CertificateFile(file.path, file.authorities); err == nil {
			all = append(all, metrics.Certificate{Role: file.role, NotAfter: ends})
		}
	}
	for _, member := range v.Members {
		for _, url := range member.ClientURLs {
			if !strings.HasPrefix(url, "https://") {
				continue
			}
			shown, err := g.cluster.Certificate(ctx, v.At, url)
			if err == nil && !shown.ExpiresAt.IsZero() {
				all = append(all, metrics.Certificate{Role: "server", Member: member.ID, NotAfter: shown.ExpiresAt})
				break
			}
		}
	}
	return all
}

// lost counts the log entries that are not written.
func (m *monitor) lost() *event.Losses {
	if m == nil {
		return &event.Losses{}
	}
	return &m.losses
}
