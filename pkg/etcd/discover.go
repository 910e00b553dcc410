package etcd

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Discover returns the client URLs that a domain's SRV records name, as etcdctl
// reads them: _etcd-client-ssl._tcp for https:// first, then _etcd-client._tcp
// for http://. With a name, the service is _etcd-client-ssl-NAME._tcp and
// _etcd-client-NAME._tcp.
func Discover(ctx context.Context, dns *net.Resolver, domain, name string) ([]string, error) {
	var found []string
	var failed error
	for _, of := range []struct{ service, scheme string }{{"etcd-client-ssl", "https"}, {"etcd-client", "http"}} {
		service := of.service
		if name != "" {
			service += "-" + name
		}
		_, records, err := dns.LookupSRV(ctx, service, "tcp", domain)
		if err != nil && failed == nil {
			failed = err
		}
		for _, r := range records {
			found = append(found, of.scheme+"://"+net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no endpoints in the SRV records of %s (%w): check the domain, and that it has _etcd-client._tcp or _etcd-client-ssl._tcp", domain, failed)
	}
	return found, nil
}
