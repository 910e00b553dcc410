#!/bin/sh
# As it is removed it is stopped, after a defragmentation that has begun. An upgrade
# lets it run until the new one is there.
set -e

if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	deb-systemd-invoke stop etcd-watchdog.service 'etcd-watchdog@*.service' >/dev/null || true
fi
