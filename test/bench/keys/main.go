// Command keys measures the command of that name on a real cluster with many
// keys: how long it takes beside a bare paged read of the same keys in the same
// run, and how much memory it takes at most. It prints a table and judges it by
// the bounds of docs/benchmarks.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/test/bench"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/watchdogs"
)

const (
	memoryAtMost = 64 << 20
	slowerAtMost = 2.0 // than the faster of the bare reads

	valueBytes = 100
	putsAtOnce = 100
	writers    = 4
	lookEvery  = 10 * time.Millisecond
)

func main() {
	keys := flag.Int("keys", 1_000_000, "how many keys to write and read")
	line := flag.String("line", "3.6", "server line")
	flag.Parse()
	os.Exit(bench.Main("keys", func(ctx context.Context, dir string) error {
		return measure(ctx, dir, *keys, *line)
	}))
}

// result is one way to read all keys.
type result struct {
	name   string
	took   time.Duration
	memory int64 // 0: not measured
}

func measure(ctx context.Context, dir string, keys int, name string) (err error) {
	line, err := realetcd.FindLine(name)
	if err != nil {
		return err
	}
	binary, err := watchdogs.Build(ctx, dir)
	if err != nil {
		return err
	}
	w, err := bench.Launch(ctx, dir, realetcd.Config{Line: line, Members: 1, QuotaBytes: 8 << 30, Args: []string{"--unsafe-no-fsync"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := fill(ctx, w.Cluster.Client(0), keys); err != nil {
		return fmt.Errorf("write %d keys: %w", keys, err)
	}
	fmt.Printf("etcd %s, %d keys with values of %d bytes\n\n", line.Version, keys, valueBytes)
	var bare []result
	for _, page := range []int64{10_000, 100_000} {
		r, err := readBare(ctx, w.Cluster.Client(0), page, keys)
		if err != nil {
			return err
		}
		bare = append(bare, r)
	}
	var ours []result
	for _, rate := range []string{"0", ""} {
		r, err := readOurs(ctx, binary, w.Cluster.Member(0).ClientURL, rate, keys)
		if err != nil {
			return err
		}
		ours = append(ours, r)
	}
	return judge(bare, ours)
}

// judge prints the table. The bound on the time is for the reading without a
// rate, which comes first, beside the bare one of the smaller pages: who knows
// nothing of the values, which may have a megabyte each, cannot ask for larger.
func judge(bare, ours []result) error {
	beside := bare[0].took
	fmt.Printf("%-34s  %8s  %10s  %8s\n", "", "time", "ratio", "memory")
	for _, r := range append(bare, ours...) {
		memory := "–"
		if r.memory > 0 {
			memory = cluster.FormatBytes(r.memory)
		}
		fmt.Printf("%-34s  %8s  %10.2f  %8s\n", r.name, bench.Seconds(r.took), r.took.Seconds()/beside.Seconds(), memory)
	}
	var err error
	if ours[0].took.Seconds() > slowerAtMost*beside.Seconds() {
		err = errors.Join(err, fmt.Errorf("keys takes more than %v times as long as a bare read", slowerAtMost))
	}
	for _, r := range ours {
		if r.memory > memoryAtMost {
			err = errors.Join(err, fmt.Errorf("%s takes more than %s", r.name, cluster.FormatBytes(memoryAtMost)))
		}
	}
	return err
}

// fill writes keys as Kubernetes names them.
func fill(ctx context.Context, client *clientv3.Client, keys int) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	value := strings.Repeat("v", valueBytes)
	var all sync.WaitGroup
	for worker := range writers {
		all.Go(func() {
			for first := worker * putsAtOnce; first < keys; first += writers * putsAtOnce {
				var puts []clientv3.Op
				for i := first; i < min(keys, first+putsAtOnce); i++ {
					puts = append(puts, clientv3.OpPut(keyName(i), value))
				}
				if _, err := client.Txn(ctx).Then(puts...).Commit(); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

func keyName(i int) string {
	kinds := []string{"pods", "events", "leases", "secrets"}
	return fmt.Sprintf("/registry/%s/namespace-%d/name-%08d", kinds[i%len(kinds)], i%100, i)
}

// readBare reads all keys in pages, at one revision, and looks at none.
func readBare(ctx context.Context, client *clientv3.Client, page int64, keys int) (result, error) {
	begin := time.Now()
	from, read, revision := "\x00", 0, int64(0)
	for more := true; more; {
		answer, err := client.Get(ctx, from, clientv3.WithFromKey(), clientv3.WithLimit(page), clientv3.WithSerializable(), clientv3.WithRev(revision))
		if err != nil {
			return result{}, fmt.Errorf("read a page of %d keys: %w", page, err)
		}
		if revision == 0 {
			revision = answer.Header.Revision
		}
		read += len(answer.Kvs)
		if more = answer.More; more {
			from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
		}
	}
	if read != keys {
		return result{}, fmt.Errorf("%d keys read in pages of %d, want %d", read, page, keys)
	}
	return result{name: fmt.Sprintf("bare read, %d keys a page", page), took: time.Since(begin)}, nil
}

// readOurs runs the program; an empty rate is its default.
func readOurs(ctx context.Context, binary, url, rate string, keys int) (result, error) {
	args := []string{"keys", "--endpoints", url, "-o", "json"}
	if rate != "" {
		args = append(args, "--rate", rate)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return result{}, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	r := result{name: strings.TrimSpace("etcd-watchdog keys " + strings.Join(args[5:], " "))}
	for looking := time.NewTicker(lookEvery); ; {
		select {
		case <-looking.C:
			r.memory = max(r.memory, residentAtMost(cmd.Process.Pid))
			continue
		case err := <-done:
			looking.Stop()
			if err != nil {
				return result{}, fmt.Errorf("%s: %w: %s", r.name, err, stderr.String())
			}
		}
		break
	}
	r.took = time.Since(begin)
	var answer struct{ Keys, Versions int }
	if err := json.Unmarshal([]byte(stdout.String()), &answer); err != nil {
		return result{}, fmt.Errorf("%s: %w", r.name, err)
	}
	if answer.Keys != keys || answer.Versions != keys {
		return result{}, fmt.Errorf("%s: %+v, want %d of each", r.name, answer, keys)
	}
	return r, nil
}

// residentAtMost is the most memory that the process has had so far, as the
// kernel keeps it; 0 if the process is gone.
func residentAtMost(pid int) int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // 0 where it is not understood
			return kib << 10
		}
	}
	return 0
}
