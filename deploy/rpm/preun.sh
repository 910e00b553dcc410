#!/bin/sh
# As it is removed ($1 is then 0) it is disabled, and stopped after a
# defragmentation that has begun. An upgrade lets it run.

[ "$1" -eq 0 ] || exit 0
systemctl --no-reload disable etcd-watchdog.service || true
rm -f /etc/systemd/system/*.wants/etcd-watchdog@*.service
if [ -d /run/systemd/system ]; then
	systemctl stop etcd-watchdog.service 'etcd-watchdog@*.service' || true
fi
exit 0
