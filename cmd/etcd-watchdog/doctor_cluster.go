package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/config"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/disk"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/doctor"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/watchdog"
)

// gather finds out what there is to find out. Its error is one of usage: what
// is wrong with the installation is a fact.
func (d *doctorCommand) gather(cmd *cobra.Command) (doctor.Facts, error) {
	f := doctor.Facts{At: watchdog.Now(), Configuration: doctor.Configuration{File: d.config}}
	c, conn, err := d.open(cmd)
	exit := (*exitError)(nil)
	switch {
	case err == nil:
		defer conn.Close()
		gatherCluster(cmd.Context(), &f, c, conn)
	case errors.As(err, &exit) && exit.status == exitConfig:
		c = config.Default()
		f.Configuration.Faults = strings.Split(err.Error(), "\n")
		f.Configuration.Unreadable = errors.Is(err, fs.ErrPermission)
	default:
		return doctor.Facts{}, err
	}
	_, err = os.Stat(d.config)
	f.Configuration.Exists = err == nil
	f.Configuration.Observe, f.Configuration.Windows = c.Limits.Observe, c.Limits.Windows
	f.Configuration.DataDir, f.Configuration.User, f.Configuration.SkipVerify = c.Disk.DataDir, c.Etcd.User, c.Etcd.InsecureSkipVerify
	if daemons, err := loadConfig(d.config, false); err == nil { // whatever the command line says
		f.Exposed = exposures(d.config, daemons)
	}
	f.Configuration.Poll, f.Configuration.TTL = c.Limits.PollInterval, c.Claim.TTL
	gatherHost(cmd.Context(), &f, c, d.unit, d.kept())
	return f, nil
}

// open reads the configuration and makes the connection; an error of the
// configuration holds all its faults.
func (d *doctorCommand) open(cmd *cobra.Command) (config.Config, *etcd.Cluster, error) {
	c, err := d.load(cmd)
	if err != nil {
		return config.Config{}, nil, err
	}
	conn, err := etcd.New(c.Etcd)
	if err != nil {
		return config.Config{}, nil, configError(err)
	}
	return c, conn, nil
}

// gatherCluster asks the members, and looks at the certificates on the way.
func gatherCluster(ctx context.Context, f *doctor.Facts, c config.Config, conn *etcd.Cluster) {
	f.Endpoint = endpointOf(ctx, c.Etcd.Endpoint)
	f.View = conn.Observe(ctx, f.At)
	if f.View.Problem != "" {
		f.View = conn.Observe(ctx, f.At) // a connection that is refused tells why at the second try only
	}
	f.View.Disk = diskOf(c.Disk.DataDir)
	gatherCertificates(ctx, f, c.Etcd, conn)
	switch err := conn.CheckRights(ctx); {
	case errors.Is(err, etcd.ErrMissingRights):
		f.Rights.Missing = err.Error()
	case err != nil:
		f.Rights.Problem = err.Error()
	}
	f.Tickets.Prefix = c.Claim.Prefix
	if f.View.Problem == "" {
		gatherTickets(ctx, &f.Tickets, c, claim.NewEtcdStore(conn))
	}
}

func diskOf(dataDir string) cluster.Disk {
	if dataDir == "" {
		return cluster.Disk{}
	}
	space, err := disk.Free(dataDir)
	if err != nil {
		return cluster.Disk{Problem: err.Error()}
	}
	seen := cluster.Disk{Known: true, FreeBytes: space.FreeBytes}
	if space.Unlisted != nil {
		seen.Problem = space.Unlisted.Error()
	}
	for _, file := range space.Temporaries {
		seen.StaleFiles = append(seen.StaleFiles, file.Path)
		seen.StaleBytes += file.SizeBytes
	}
	return seen
}

// endpointOf finds out whether the endpoint leads to this host.
func endpointOf(ctx context.Context, endpoint string) doctor.Endpoint {
	e := doctor.Endpoint{URL: endpoint}
	u, err := url.Parse(endpoint)
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	bounded, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(bounded, "ip", u.Hostname())
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	own, err := ownAddresses()
	if err != nil {
		e.Problem = err.Error()
		return e
	}
	var led []string
	for _, a := range addresses {
		a = a.Unmap()
		e.OnHost = e.OnHost || a.IsLoopback() || slices.Contains(own, a)
		led = append(led, a.String())
	}
	e.LeadsTo = strings.Join(led, ", ")
	return e
}

func ownAddresses() ([]netip.Addr, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var own []netip.Addr
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			own = append(own, prefix.Addr().Unmap())
		}
	}
	return own, nil
}

// gatherCertificates looks at the certificate of every place where a member is
// asked, all at the same time, and at the files of our own.
func gatherCertificates(ctx context.Context, f *doctor.Facts, opts etcd.Options, conn *etcd.Cluster) {
	f.Servers = []doctor.Server{{Member: f.View.Local, URL: opts.Endpoint}}
	for _, m := range f.View.Members {
		for _, u := range m.ClientURLs {
			if !slices.ContainsFunc(f.Servers, func(s doctor.Server) bool { return s.URL == u }) {
				f.Servers = append(f.Servers, doctor.Server{Member: m.ID, URL: u})
			}
		}
	}
	var wg sync.WaitGroup
	for i := range f.Servers {
		wg.Go(func() { lookAtServer(ctx, f.At, &f.Servers[i], conn) })
	}
	wg.Wait()
	for _, file := range []doctor.File{{Key: "cacert", Path: opts.CACert}, {Key: "cert", Path: opts.Cert}} {
		if file.Path == "" {
			continue
		}
		ends, err := etcd.CertificateFile(file.Path, file.Key == "cacert")
		if err != nil {
			file.Problem = err.Error()
		}
		file.ExpiresAt = ends
		f.Files = append(f.Files, file)
	}
}

func lookAtServer(ctx context.Context, now time.Time, s *doctor.Server, conn *etcd.Cluster) {
	u, err := url.Parse(s.URL)
	if err != nil {
		s.Problem = err.Error()
		return
	}
	address, err := netip.ParseAddr(u.Hostname())
	s.Loopback = u.Hostname() == "localhost" || err == nil && address.IsLoopback()
	if s.Plain = u.Scheme == "http"; s.Plain {
		return
	}
	seen, err := conn.Certificate(ctx, now, s.URL)
	if err != nil {
		s.Problem = err.Error()
		return
	}
	s.ExpiresAt, s.Untrusted, s.WrongName = seen.ExpiresAt, seen.Untrusted, seen.WrongName
}

// gatherTickets reads what lies below the claim's prefix.
func gatherTickets(ctx context.Context, t *doctor.Tickets, c config.Config, store *claim.EtcdStore) {
	ctx, cancel := context.WithTimeout(ctx, c.Etcd.RequestTimeout)
	defer cancel()
	survey, err := c.Claim.Survey(ctx, store)
	if err != nil {
		t.Problem = err.Error()
		return
	}
	t.Foreign, t.Ignored = survey.Foreign, survey.Ignored
	for _, b := range survey.Books {
		book := doctor.Book{
			Member: b.Member, Host: b.Owner.Host, ProcessID: b.Owner.Process, Version: b.Owner.Version,
			Whole: b.Whole, Busy: b.Busy, Future: b.Future,
		}
		// Of a lease that can't be asked for, or has just ended, nothing is said.
		if granted, left, err := store.LeaseLife(ctx, b.Lease); err == nil {
			book.GrantedTTL, book.RenewedSeconds = granted, int64((granted-left)/time.Second)
		}
		t.Books = append(t.Books, book)
	}
}
