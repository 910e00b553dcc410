#!/bin/sh
# Debian: enabled and started as it is installed, unless the administrator or
# policy-rc.d says otherwise; restarted as it is upgraded. The tickets of the claim
# outlive a restart.
set -e

case $1 in
configure | abort-upgrade | abort-deconfigure | abort-remove) ;;
*) exit 0 ;;
esac

systemd-sysusers /usr/lib/sysusers.d/etcd-watchdog.conf
journalctl --update-catalog || true # it only explains

# Once; who disables the service later is obeyed.
if deb-systemd-helper --quiet was-enabled etcd-watchdog.service; then
	deb-systemd-helper enable etcd-watchdog.service >/dev/null || true
else
	deb-systemd-helper update-state etcd-watchdog.service >/dev/null || true
fi

# Only a running systemd has services to start; an image is just written.
if [ -d /run/systemd/system ]; then
	systemctl --system daemon-reload >/dev/null || true
	if [ -n "$2" ]; then
		instances=$(systemctl list-units --plain --no-legend --state=active,activating 'etcd-watchdog@*.service' | cut -d ' ' -f 1)
		deb-systemd-invoke restart etcd-watchdog.service $instances >/dev/null || true
	else
		deb-systemd-invoke start etcd-watchdog.service >/dev/null || true
	fi
fi
