package metrics_test

const introduction = `# Metrics

<!-- Written from the declarations in pkg/metrics by "go test ./pkg/metrics -update"; do not edit. -->

Every watchdog shows what it saw at its last poll, what it decided, and what it has done. A scrape computes the
series from what the watchdog remembers. It never waits for etcd. There are two ways out, both off by default:

- ` + "`metrics.listen: 127.0.0.1:9979`" + ` serves ` + "`/metrics`" + `, ` + "`/-/healthy`" + ` (200 while the process runs) and
  ` + "`/-/ready`" + ` (200 after the first poll that reached the member on this host, else 503 with the reason). For a Prometheus on
  another host, name an address of this host, and set ` + "`metrics.web-config`" + ` to a
  [web configuration file](https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md) with
  TLS and basic authentication. The file is read again for each connection; a change of the two keys takes a restart.
  Where ` + "`examples/addresses.conf`" + ` restricts the service, allow the address of Prometheus too.
- ` + "`metrics.textfile: /var/lib/prometheus/node-exporter/etcd-watchdog.prom`" + ` writes a file for node_exporter's textfile
  collector: no port. ` + "`examples/node-exporter.conf`" + ` gives the service the right to write there.

Alert rules are in [etcd-watchdog.rules.yml](../deploy/prometheus/etcd-watchdog.rules.yml), a dashboard for Grafana in
[etcd-watchdog.json](../deploy/grafana/etcd-watchdog.json). Each daemon shows the whole cluster, so a query over a cluster
takes one of them: ` + "`max by (member_id, member_name) (etcd_watchdog_member_db_size_bytes)`" + `.

![A heal as Prometheus saw it: the files, the pages in use, the alarms and the tickets](images/heal.svg)

` + "`make prometheus`" + ` drew this from the answers of a real Prometheus that scraped three watchdogs next to a real cluster. The
bars are defragmentations, one member at a time. The gap is where the test held the watchdogs still, so that the cluster
could fill up.

The number of series of a daemon depends on the present member list alone. Members that left the list leave the metrics.
Counters begin with 0 when the process starts.

| metric | type | unit | labels | what it states |
|---|---|---|---|---|
`
