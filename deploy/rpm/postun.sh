#!/bin/sh
# The state below /var/lib stays, as is the habit there.

[ "$1" -eq 0 ] || exit 0
journalctl --update-catalog || true
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
fi
exit 0
