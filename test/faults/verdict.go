package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

// snapshotApplied is what a member logs that has received the database of another.
const snapshotApplied = `"msg":"applied snapshot"`

// verdictStands is how long all watchdogs have to give the same verdict before
// it is obeyed: longer than what lies between the second disarm and the third,
// which may do without.
const verdictStands = 75 * time.Second

// stuckQuota is the one verdict that a heal may end with here: etcd 3.6 and later
// go on checking writes against the file that a member had before it received a
// snapshot, and raise NOSPACE after every disarm, until etcd is restarted there.
var stuckQuota = regexp.MustCompile(`member ([0-9a-f, ]+) checks writes against an old size of its file`)

// verdict is what all watchdogs that run say in their latest look; empty if they
// say nothing, or different things.
func (r *run) verdict() string {
	last := map[string]string{}
	for _, e := range r.journal.read() {
		if e.Event == "polled" {
			last[e.Watchdog] = e.Detail
		}
	}
	common := ""
	for i, dog := range r.watching() {
		found := stuckQuota.FindStringSubmatch(last[dog.Name])
		if found == nil || i > 0 && found[1] != common {
			return ""
		}
		common = found[1]
	}
	return common
}

// obey does what the watchdogs say once their verdict has stood for long enough:
// it restarts the members that the verdict names. A verdict is right only about a
// member that has, by its own log, received a snapshot in this run.
func (r *run) obey(ctx context.Context) error {
	said := r.verdict()
	if said != r.said {
		r.said, r.saidSince = said, time.Now()
	}
	if said == "" || len(r.obeyed) > 0 || time.Since(r.saidSince) < verdictStands {
		return nil
	}
	for _, id := range strings.Split(said, ", ") {
		at := slices.IndexFunc(r.cluster.Members(), func(m *realetcd.Member) bool { return fmt.Sprintf("%x", m.ID()) == id })
		if at < 0 {
			return fmt.Errorf("the watchdogs name %s, which is no member", id)
		}
		m := r.cluster.Members()[at]
		if !slices.ContainsFunc(r.sinceStage(m), func(line []byte) bool { return bytes.Contains(line, []byte(snapshotApplied)) }) {
			return fmt.Errorf("the watchdogs name %s, which has received no snapshot", m.Name)
		}
		r.note("etcd is restarted on %s, as the watchdogs say", m.Name)
		r.obeyed = append(r.obeyed, id)
		if err := errors.Join(m.Stop(), r.startMember(ctx, m)); err != nil {
			return err
		}
	}
	return nil
}

// sinceStage are the lines that the member has logged in this run.
func (r *run) sinceStage(m *realetcd.Member) [][]byte {
	from := tail{path: m.LogPath, offset: r.offsets[m]}
	return from.lines()
}
