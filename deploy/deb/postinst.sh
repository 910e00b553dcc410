#!/bin/sh
# Debian: enabled as it is installed, and started if etcd answers with the
# configuration as it is, unless the administrator or policy-rc.d says otherwise;
# restarted as it is upgraded. The tickets of the claim outlive a restart.
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
		# Not without TLS to an etcd that speaks TLS, before somebody has configured it.
		# status ends with 0 to 2 where it can judge the cluster.
		judged=0
		etcd-watchdog status --command-timeout 3s >/dev/null 2>&1 || judged=$?
		if [ "$judged" -le 2 ]; then
			deb-systemd-invoke start etcd-watchdog.service >/dev/null || true
		else
			echo 'etcd-watchdog is enabled and not started: etcd does not answer as /etc/etcd-watchdog/etcd-watchdog.yaml says.'
			echo 'Correct that file (etcd-watchdog doctor shows what is wrong), then: systemctl start etcd-watchdog'
		fi
	fi
fi
