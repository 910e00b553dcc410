package watchdog

import (
	"context"
	"fmt"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

const (
	// publishEvery is the least time between two writes of what this watchdog tells
	// the others, so that a calm cluster has nothing to propose.
	publishEvery = 10 * time.Minute
	// roomShare is by what part the room on the disk has to change to be news.
	roomShare = 4
)

// publish lets the other watchdogs know what this one knows of its host, when it
// has changed. While writes are refused, what has become wrong is withdrawn.
func (w *Watchdog) publish(ctx context.Context, v cluster.View) {
	local, _ := v.Member(v.Local)
	if w.Passive || !w.enrolled || !v.Claims.Known || local.Contact != cluster.Answered {
		return
	}
	said, there := v.Claims.Host(v.Local)
	now := cluster.Host{Member: v.Local, Version: w.Version}
	if local.Quota.Source == cluster.QuotaLearnt {
		now.QuotaBytes = local.Quota.Bytes
	}
	if v.Disk.Known {
		now.RoomBytes = v.Disk.FreeBytes
	}
	if there && !news(said, now) || !there && v.At.Before(w.publishedAt.Add(publishEvery)) && w.published == now.QuotaBytes {
		return
	}
	wrong := there && said.QuotaBytes != now.QuotaBytes
	var err error
	switch {
	case len(v.Alarms) > 0 && wrong:
		err = w.Book.Withdraw(ctx, v.Local)
	case len(v.Alarms) > 0, !wrong && v.At.Before(w.publishedAt.Add(publishEvery)):
		return
	default:
		err = w.Book.Publish(ctx, now)
		w.publishedAt, w.published = v.At, now.QuotaBytes
	}
	if err != nil {
		w.failed(v, "publish", fmt.Errorf("telling the other watchdogs of this host: %w", err))
		return
	}
	delete(w.errors, "publish")
}

// news reports that what was said is not what is known now.
func news(said, now cluster.Host) bool {
	room := said.RoomBytes - now.RoomBytes
	return said.QuotaBytes != now.QuotaBytes || said.Version != now.Version || max(room, -room) > said.RoomBytes/roomShare
}
