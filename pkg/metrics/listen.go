package metrics

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/exporter-toolkit/web"
)

// Bounds of the listener. A scrape takes milliseconds, so whoever needs longer
// is not Prometheus.
const (
	maxConnections = 32
	maxScrapes     = 4 // at once; others are answered with 503
	headerTimeout  = 5 * time.Second
	answerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute // longer than two scrapes lie apart
	maxHeaderBytes = 16 << 10
)

// server is a listener in use.
type server struct {
	http    *http.Server
	address net.Addr
	ended   atomic.Bool
}

// serve opens the listener and returns while it serves.
func serve(o Options, s *State, g prometheus.Gatherer) (*server, error) {
	l, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: stop the program that uses the address, or choose another one", err)
	}
	started := &server{address: l.Addr(), http: &http.Server{
		Handler: handler(s, g), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: answerTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
	}}
	go func() {
		defer started.ended.Store(true)
		// Its end is seen by alive, and the next observation opens it again.
		_ = web.Serve(limit(l, maxConnections), started.http, &web.FlagConfig{WebConfigFile: &o.WebConfig}, slog.New(slog.DiscardHandler))
	}()
	return started, nil
}

func (s *server) alive() bool { return !s.ended.Load() }

func (s *server) close() {
	// Nobody who still waits for an answer needs it.
	_ = s.http.Close()
}

// handler answers three paths and no other.
func handler(s *State, g prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{
		MaxRequestsInFlight: maxScrapes,
		DisableCompression:  true, // an answer has some 20 KiB; a compressor takes a megabyte
	}))
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "etcd-watchdog is running\n") // who does not read it has gone
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		ready, why := s.Ready()
		if !ready {
			http.Error(w, "not ready: "+why, http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "etcd-watchdog is watching\n")
	})
	return mux
}

// CheckAddress reports what is wrong with an address for the listener.
func CheckAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil || port == "":
		return errors.New("no host:port")
	case host == "":
		return errors.New("no host: 127.0.0.1 for this host alone, 0.0.0.0 or [::] for every interface")
	}
	return nil
}
