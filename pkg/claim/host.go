package claim

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// hostVersion is the version of the JSON that a host key carries.
const hostVersion = 1

// maxHostValue bounds what is read of one, in bytes.
const maxHostValue = 4 << 10

// hostRecord is the value of <prefix>/host/<member id>.
type hostRecord struct {
	V          int    `json:"v"`
	QuotaBytes int64  `json:"quota_bytes,omitempty"`
	RoomBytes  int64  `json:"room_bytes,omitempty"`
	Version    string `json:"version,omitempty"`
}

func hostPrefix(prefix string) string { return prefix + "/host/" }

func hostKey(prefix string, id cluster.MemberID) string { return hostPrefix(prefix) + id.String() }

// hostsIn returns what the watchdogs of these voters have published, by member.
// A key without a lease is a copy, which nobody keeps true; what can't be read is
// left out: it is a hint.
func hostsIn(prefix string, listing Listing, voters []cluster.MemberID) []cluster.Host {
	var hosts []cluster.Host
	for _, kv := range listing.Keys {
		rest, ok := strings.CutPrefix(kv.Key, hostPrefix(prefix))
		n, err := strconv.ParseUint(rest, 16, 64)
		id := cluster.MemberID(n)
		if !ok || err != nil || kv.Lease == 0 || len(kv.Value) > maxHostValue || voters != nil && !slices.Contains(voters, id) {
			continue
		}
		var r hostRecord
		if json.Unmarshal([]byte(kv.Value), &r) != nil || r.V != hostVersion || r.RoomBytes < 0 {
			continue
		}
		hosts = append(hosts, cluster.Host{Member: id, QuotaBytes: r.QuotaBytes, RoomBytes: r.RoomBytes, Version: r.Version})
	}
	slices.SortFunc(hosts, func(a, b cluster.Host) int { return strings.Compare(a.Member.String(), b.Member.String()) })
	return hosts
}

// Publish lets the other watchdogs know what this one knows of its host. It is
// written on the lease of the tickets, and only if it differs from what was
// written last. While writes are refused it can only be withdrawn.
func (b *Book) Publish(ctx context.Context, h cluster.Host) error {
	lease := b.life.id()
	if lease == 0 {
		return ErrNotEnrolled
	}
	text, err := json.Marshal(hostRecord{V: hostVersion, QuotaBytes: h.QuotaBytes, RoomBytes: h.RoomBytes, Version: shorten(h.Version)})
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	value := fmt.Sprintf("%d %s", lease, text)
	if value == b.published {
		return nil
	}
	put := KeyValue{Key: hostKey(b.opts.Prefix, h.Member), Value: string(text), Lease: lease}
	if _, err := b.store.Commit(ctx, Txn{Put: []KeyValue{put}}); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	b.published = value
	return nil
}

// Withdraw deletes what this process has published, because it has become wrong.
func (b *Book) Withdraw(ctx context.Context, id cluster.MemberID) error {
	if _, err := b.store.Commit(ctx, Txn{Delete: []string{hostKey(b.opts.Prefix, id)}}); err != nil {
		return fmt.Errorf("withdraw what was published: %w", err)
	}
	b.published = ""
	return nil
}
