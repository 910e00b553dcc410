package realetcd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SaveSnapshot writes a snapshot of the data to a new file, as `etcdctl snapshot
// save` does, and returns its path. The file lasts as long as the cluster's
// directory.
func (c *Cluster) SaveSnapshot(ctx context.Context) (string, error) {
	via, err := c.voter(ctx, nil)
	if err != nil {
		return "", fmt.Errorf("save a snapshot: %w", err)
	}
	file, err := os.CreateTemp(c.dir, "snapshot-*.db")
	if err != nil {
		return "", fmt.Errorf("save a snapshot: %w", err)
	}
	stream, err := via.Client().Snapshot(ctx)
	if err != nil {
		return "", errors.Join(fmt.Errorf("save a snapshot of %s: %w", via.Name, err), file.Close())
	}
	_, err = io.Copy(file, stream)
	if err := errors.Join(err, stream.Close(), file.Close()); err != nil {
		return "", fmt.Errorf("save a snapshot of %s: %w", via.Name, err)
	}
	return file.Name(), nil
}

// Restore ends every member, replaces its data by that of the snapshot, with
// the same names, URLs and token, and starts all of them again: what an operator
// does with `etcdutl snapshot restore` after a disaster. It waits until each
// member answers and has a leader.
func (c *Cluster) Restore(ctx context.Context, snapshot string) error {
	return c.replaceData(ctx, func(m *Member) error { return m.restore(ctx, snapshot, c.initial(), c.token) })
}

// Recreate ends every member, removes its data, and starts all of them again
// with another token: the same endpoints then answer as an empty cluster with
// other ids.
func (c *Cluster) Recreate(ctx context.Context) error {
	c.mu.Lock()
	c.recreated++
	c.token = fmt.Sprintf("%s-%d", filepath.Base(c.dir), c.recreated)
	c.mu.Unlock()
	initial := c.initial()
	return c.replaceData(ctx, func(m *Member) error {
		m.args = c.arguments(m, "new", initial)
		return nil
	})
}

// initial are the members as the flag --initial-cluster lists them.
func (c *Cluster) initial() []string {
	var initial []string
	for _, m := range c.Members() {
		initial = append(initial, m.Name+"="+m.PeerURL)
	}
	return initial
}

// replaceData ends every member before it touches the data of the first.
func (c *Cluster) replaceData(ctx context.Context, replace func(*Member) error) error {
	members := c.Members()
	for _, m := range members {
		if err := m.Kill(); err != nil {
			return fmt.Errorf("replace the data of %s: %w", m.Name, err)
		}
	}
	for _, m := range members {
		if err := os.RemoveAll(m.DataDir); err != nil {
			return fmt.Errorf("replace the data of %s: %w", m.Name, err)
		}
		if err := replace(m); err != nil {
			return fmt.Errorf("replace the data of %s: %w", m.Name, err)
		}
	}
	for _, m := range members {
		if err := m.Start(); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := m.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restore runs etcdutl on the member's data directory, which must not exist.
func (m *Member) restore(ctx context.Context, snapshot string, initial []string, token string) error {
	etcdutl, err := m.line.etcdutl()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, etcdutl, "snapshot", "restore", snapshot,
		"--name="+m.Name,
		"--data-dir="+m.DataDir,
		"--initial-cluster="+strings.Join(initial, ","),
		"--initial-cluster-token="+token,
		"--initial-advertise-peer-urls="+m.PeerURL,
	)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strconv.Quote(strings.Join(cmd.Args, " ")), err, out)
	}
	return nil
}

// etcdutl returns the path of the line's own etcdutl. That of 3.5 also serves
// 3.4, whose servers read what it writes.
func (l Line) etcdutl() (string, error) {
	root, err := repositoryRoot()
	if err != nil {
		return "", err
	}
	name := l.Name
	if !slices.Contains(builtLines, name) {
		name = builtLines[0]
	}
	path := filepath.Join(root, "build", "servers", "etcdutl-"+name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("etcdutl of line %s is not built: run `make servers` (%w)", name, err)
	}
	return path, nil
}
