#!/bin/sh
# Fedora, RHEL and their like: the presets of the system decide whether it is
# enabled, and nothing is started as it is installed; restarted as it is upgraded
# ($1 is then 2). The tickets of the claim outlive a restart.

systemd-sysusers /usr/lib/sysusers.d/etcd-watchdog.conf || exit 1
journalctl --update-catalog || true # it only explains

if [ "$1" -eq 1 ]; then
	systemctl --no-reload preset etcd-watchdog.service || true
fi

# Only a running systemd has services to start; an image is just written.
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	if [ "$1" -gt 1 ]; then
		systemctl try-restart etcd-watchdog.service 'etcd-watchdog@*.service' || true
	fi
fi
exit 0
