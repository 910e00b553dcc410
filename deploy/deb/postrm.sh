#!/bin/sh
# A purge leaves nothing that the package or the service has made, but the user:
# its number could be given to another one while files of it are still in a backup.
# Files of the administrator (keys, drop-ins) stay.
set -e

case $1 in
remove)
	journalctl --update-catalog >/dev/null 2>&1 || true
	;;
purge)
	rm -rf /var/lib/etcd-watchdog /var/lib/etcd-watchdog@* /run/etcd-watchdog /run/etcd-watchdog@*
	rm -f /etc/systemd/system/*.wants/etcd-watchdog@*.service
	if command -v deb-systemd-helper >/dev/null; then
		deb-systemd-helper purge etcd-watchdog.service >/dev/null || true
	fi
	rm -f /etc/etcd-watchdog/*.yaml # the instances' as well as the package's own
	rmdir /etc/etcd-watchdog 2>/dev/null || true
	;;
esac

if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
fi
