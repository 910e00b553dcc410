package realetcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Servers are the servers of a cluster that somebody else runs.
type Servers struct {
	ClientURLs []string
	QuotaBytes int64
	// Dial connects to the address of one; nil: as the machine does.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Attach returns a cluster of servers that run already, to be filled, written
// to and asked. They are not ours to start or to stop: Close closes the
// connections.
func Attach(ctx context.Context, servers Servers) (*Cluster, error) {
	c := &Cluster{Config: Config{Members: len(servers.ClientURLs), QuotaBytes: servers.QuotaBytes, Dial: servers.Dial}}
	for i, url := range servers.ClientURLs {
		client, err := c.newClient(url)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("attach to %s: %w", url, err), c.Close())
		}
		c.members = append(c.members, &Member{Name: "m" + strconv.Itoa(i), ClientURL: url, HTTPURL: url, attached: true, client: client})
	}
	for _, m := range c.members {
		if err := m.AwaitReady(ctx); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	return c, nil
}
