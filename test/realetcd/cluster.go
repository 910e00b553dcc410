package realetcd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// Config says what cluster to run.
type Config struct {
	Line       Line
	Members    int                  // voters to begin with, at least 1
	QuotaBytes int64                // 0: the flag is not given, so etcd's own default holds
	Args       []string             // further flags of every member
	MemberArgs func(i int) []string // further flags of member i, after Args; nil: none
	TLS        bool                 // clients need a certificate; see Cluster.TLS
	Logf       func(string, ...any) // nil: silent

	// AdvertiseLocalhost has every member advertise one and the same URL, which
	// leads to member 0: what members on several hosts that all advertise
	// http://localhost:2379 look like from the first of them.
	AdvertiseLocalhost bool

	// Advertise returns what the member of that name, which listens for clients
	// at clientURL, advertises instead: where a proxy stands for it. It is asked
	// when the member is made, again if the launch has to start over. nil: the
	// URL itself.
	Advertise func(name, clientURL string) (string, error)

	// SeparateHTTP has every member serve /metrics, /health and the gateway at a
	// port of their own (--listen-client-http-urls, as RKE2 and k3s set it), and
	// gRPC alone at its client URL. From 3.5 on.
	SeparateHTTP bool

	// LogPipe has every member log through a pipe, for Member.HoldLog.
	LogPipe bool

	// Host returns where member i runs; nil: on loopback, as the test itself.
	Host func(i int) (Host, error)

	// Dial opens the clients' connections to the members; nil: as usual.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Host is another host, or what looks like one to who runs there.
type Host interface {
	Address() string           // where the others find it
	Start(cmd *exec.Cmd) error // instead of cmd.Start, on the same thread
}

// Cluster is a running etcd cluster on loopback.
type Cluster struct {
	Config Config

	dir   string
	token string
	tls   *Credentials
	dial  *tls.Config

	mu      sync.Mutex
	members []*Member
	removed []*Member
	made    int // members ever made, for names

	recreated int // how often, for the token
}

// Launch starts the members in directories below dir and waits until each of
// them answers and has a leader. Whoever calls it calls Close, and keeps dir
// until then. Where another program takes a port at the wrong moment, it tries
// again with others.
func Launch(ctx context.Context, dir string, cfg Config) (*Cluster, error) {
	if cfg.Members < 1 || cfg.Line.Binary == "" {
		return nil, errors.New("launch: a cluster needs a line and at least one member")
	}
	if cfg.SeparateHTTP && cfg.Line.Name == packagedLine {
		return nil, fmt.Errorf("launch: %s has no --listen-client-http-urls", cfg.Line)
	}
	if cfg.Logf == nil {
		cfg.Logf = func(string, ...any) {}
	}
	for try := 1; ; try++ {
		c, err := launchOnce(ctx, filepath.Join(dir, "try-"+strconv.Itoa(try)), cfg)
		if err == nil {
			return c, nil
		}
		if c != nil {
			lost := c.portTaken()
			err = errors.Join(err, c.Close())
			if lost && try < 3 {
				cfg.Logf("a port was taken meanwhile, starting over: %v", err)
				continue
			}
		}
		return nil, fmt.Errorf("launch %d members of %s: %w", cfg.Members, cfg.Line, err)
	}
}

// launchOnce returns the cluster also with an error, if anything has to be
// cleaned up.
func launchOnce(ctx context.Context, dir string, cfg Config) (*Cluster, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Cluster{Config: cfg, dir: dir, token: filepath.Base(dir)}
	if cfg.TLS {
		if err := c.issueCredentials(); err != nil {
			return nil, err
		}
	}
	for range cfg.Members {
		if _, err := c.makeMember(); err != nil {
			return c, err
		}
	}
	members, initial := c.Members(), c.initial()
	for _, m := range members {
		m.args = c.arguments(m, "new", initial)
		if err := m.Start(); err != nil {
			return c, err
		}
	}
	for _, m := range members {
		if err := m.AwaitReady(ctx); err != nil {
			return c, err
		}
	}
	cfg.Logf("%d members of %s run: %s", len(members), cfg.Line, strings.Join(c.Endpoints(), " "))
	return c, nil
}

// makeMember makes a member's directories, ports and client; it does not start
// it.
func (c *Cluster) makeMember() (*Member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &Member{Name: "m" + strconv.Itoa(c.made), line: c.Config.Line}
	address := loopback
	if c.Config.Host != nil {
		var err error
		if m.host, err = c.Config.Host(c.made); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		address = m.host.Address()
	}
	for range 3 { // clients, peers, HTTP
		p, err := reservePort()
		if err != nil {
			return nil, errors.Join(err, m.releasePorts())
		}
		m.ports = append(m.ports, p)
	}
	m.ClientURL, m.PeerURL = m.ports[0].url(c.clientScheme(), address), m.ports[1].url("http", address)
	if err := c.advertise(m); err != nil {
		return nil, errors.Join(err, m.releasePorts())
	}
	m.HTTPURL = m.ClientURL
	if c.Config.SeparateHTTP {
		m.HTTPURL = m.ports[2].url(c.clientScheme(), address)
	}
	m.DataDir, m.LogPath = filepath.Join(c.dir, m.Name), filepath.Join(c.dir, m.Name+".log")
	client, err := c.newClient(m.ClientURL)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("client of %s: %w", m.Name, err), m.releasePorts())
	}
	m.client = client
	if c.Config.LogPipe {
		if m.pipe, err = makeLogPipe(m.LogPath+".pipe", m.LogPath); err != nil {
			return nil, errors.Join(err, client.Close(), m.releasePorts())
		}
	}
	c.made++
	c.members = append(c.members, m)
	return m, nil
}

// newClient makes a client that speaks to that URL alone.
func (c *Cluster) newClient(url string) (*clientv3.Client, error) {
	// A member that starts again is found soon, not after gRPC's default of
	// one second and more.
	options := []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
		Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.2, MaxDelay: 200 * time.Millisecond},
		MinConnectTimeout: time.Second,
	})}
	if c.Config.Dial != nil {
		options = append(options, grpc.WithContextDialer(c.Config.Dial))
	}
	return clientv3.New(clientv3.Config{
		Endpoints:   []string{url},
		DialTimeout: 5 * time.Second,
		TLS:         c.dial,
		Logger:      zap.NewNop(),
		DialOptions: options,
	})
}

// advertise decides what the member advertises. The caller holds mu.
func (c *Cluster) advertise(m *Member) error {
	m.AdvertisedURL = m.ClientURL
	if c.Config.AdvertiseLocalhost {
		first := m
		if len(c.members) > 0 {
			first = c.members[0]
		}
		m.AdvertisedURL = strings.Replace(first.ClientURL, loopback, "localhost", 1)
	}
	if c.Config.Advertise == nil {
		return nil
	}
	url, err := c.Config.Advertise(m.Name, m.ClientURL)
	if err != nil {
		return fmt.Errorf("what %s advertises: %w", m.Name, err)
	}
	m.AdvertisedURL = url
	return nil
}

// arguments are the member's flags.
func (c *Cluster) arguments(m *Member, state string, initial []string) []string {
	index := slices.Index(c.Members(), m)
	args := []string{
		"--name=" + m.Name,
		"--data-dir=" + m.DataDir,
		"--listen-client-urls=" + m.ClientURL,
		"--advertise-client-urls=" + m.AdvertisedURL,
		"--listen-peer-urls=" + m.PeerURL,
		"--initial-advertise-peer-urls=" + m.PeerURL,
		"--initial-cluster=" + strings.Join(initial, ","),
		"--initial-cluster-state=" + state,
		"--initial-cluster-token=" + c.token,
		"--logger=zap",
		"--log-outputs=stderr",
		"--strict-reconfig-check=false", // else members can be added 5 s after a start only
	}
	if c.Config.QuotaBytes != 0 {
		args = append(args, "--quota-backend-bytes="+strconv.FormatInt(c.Config.QuotaBytes, 10))
	}
	if c.Config.SeparateHTTP {
		args = append(args, "--listen-client-http-urls="+m.HTTPURL)
	}
	if c.tls != nil {
		args = append(args, c.tls.serverArguments()...)
	}
	args = append(args, c.Config.Args...)
	if c.Config.MemberArgs != nil {
		args = append(args, c.Config.MemberArgs(index)...)
	}
	return args
}

// everyMember returns the removed ones too.
func (c *Cluster) everyMember() []*Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Concat(c.members, c.removed)
}

// Members returns the members in the order in which they were made, without
// those that were removed from the cluster since.
func (c *Cluster) Members() []*Member {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// Member returns member i of Members.
func (c *Cluster) Member(i int) *Member { return c.Members()[i] }

// Client returns a client that speaks to member i alone.
func (c *Cluster) Client(i int) *clientv3.Client { return c.Member(i).Client() }

// Endpoints returns the members' client URLs.
func (c *Cluster) Endpoints() []string {
	var urls []string
	for _, m := range c.Members() {
		urls = append(urls, m.ClientURL)
	}
	return urls
}

// Running returns the members whose process exists.
func (c *Cluster) Running() []*Member {
	return slices.DeleteFunc(c.Members(), func(m *Member) bool { return !m.Running() })
}

// Close kills every member's process and waits until it is gone. Its error
// names each that is left.
func (c *Cluster) Close() error {
	members := c.everyMember()
	errs := make([]error, len(members))
	var closing sync.WaitGroup // all at once, or the last ones log that the first are gone
	for i, m := range members {
		closing.Go(func() {
			if err := m.close(); err != nil {
				errs[i] = fmt.Errorf("close %s: %w", m.Name, err)
			}
		})
	}
	closing.Wait()
	return errors.Join(errs...)
}

// portTaken reports that some member ended because its port was in use.
func (c *Cluster) portTaken() bool {
	return slices.ContainsFunc(c.Members(), func(m *Member) bool {
		return !m.Running() && strings.Contains(m.LogTail(20), "address already in use")
	})
}
