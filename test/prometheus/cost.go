package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxResident = 25 << 20
	maxScrape   = 100 * time.Millisecond // of a loaded machine; 5 ms is what one takes
)

// measure reports what the daemons cost in calm, while they are scraped.
func (s *show) measure(ctx context.Context) error {
	if err := s.wait(ctx, calm/3); err != nil { // what the start has taken is given back
		return err
	}
	before, err := s.raftIndex(ctx)
	if err != nil {
		return err
	}
	cpu := s.cpu()
	if err := s.wait(ctx, calm); err != nil {
		return err
	}
	after, err := s.raftIndex(ctx)
	if err != nil {
		return err
	}
	say("in %s of calm, scraped every %s: %d raft entries, %.2f%% of one CPU for all %d daemons", calm, scrapeEvery, after-before, 100*(s.cpu()-cpu).Seconds()/calm.Seconds(), members)
	for i, w := range s.watchdogs {
		resident, err := residentBytes(w.PID())
		if err != nil {
			return err
		}
		took, size, err := scrape(s.addresses[i])
		if err != nil {
			return err
		}
		say("%s: %.1f MiB resident; a scrape of %d series takes %s", w.Name, float64(resident)/(1<<20), size, took.Round(10*time.Microsecond))
		if resident > maxResident {
			return fmt.Errorf("%s has %d bytes resident, more than %d", w.Name, resident, maxResident)
		}
	}
	return nil
}

// scrapeWhileHung stops a member, whose watchdog then waits for its answer, and
// scrapes that watchdog in the meantime.
func (s *show) scrapeWhileHung(ctx context.Context) error {
	m := s.cluster.Members()[0]
	if err := m.Suspend(); err != nil {
		return err
	}
	defer func() { _ = m.Resume() }() // its cluster is closed next
	slowest := time.Duration(0)
	for range 40 {
		took, _, err := scrape(s.addresses[0])
		if err != nil {
			return err
		}
		slowest = max(slowest, took)
		if err := s.wait(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
	say("while etcd of the first host hangs, the slowest of 40 scrapes takes %s", slowest.Round(10*time.Microsecond))
	if slowest > maxScrape {
		return fmt.Errorf("a scrape took %s: it waits for etcd", slowest)
	}
	return m.Resume()
}

func (s *show) raftIndex(ctx context.Context) (uint64, error) {
	m := s.cluster.Members()[0]
	status, err := m.Client().Status(ctx, m.ClientURL)
	if err != nil {
		return 0, err
	}
	return status.RaftIndex, nil
}

// cpu is what the daemons have used.
func (s *show) cpu() time.Duration {
	var ticks int64
	for _, w := range s.watchdogs {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.PID()))
		if err != nil {
			return 0
		}
		_, after, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		for _, f := range fields[11:13] {
			n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
			ticks += n
		}
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func residentBytes(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, is := strings.CutPrefix(line, "VmRSS:"); is {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// scrape returns how long a scrape took, and how many series it had.
func scrape(address string) (took time.Duration, size int, err error) {
	began := time.Now()
	answer, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return 0, 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("scrape %s: %s %v", address, answer.Status, err)
	}
	took = time.Since(began)
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "etcd_watchdog_") {
			size++
		}
	}
	return took, size, nil
}
