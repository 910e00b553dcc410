#!/bin/bash
# journald.sh CMD... - run CMD beside a real systemd-journald of its own.
# It needs root and util-linux; there is no service manager, and nothing of it
# is visible outside of its mount namespace. Its journal is gone afterwards.
exec unshare --mount --propagation private bash -c '
  set -e
  mkdir -p /run/systemd /run/log
  mount -t tmpfs tmpfs /run/systemd
  mount -t tmpfs tmpfs /run/log
  if [ -d /var/log/journal ]; then mount -t tmpfs tmpfs /var/log/journal; fi
  mkdir -p /run/systemd/journald.conf.d /run/log/journal
  printf "[Journal]\nStorage=volatile\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\n" \
    >/run/systemd/journald.conf.d/alone.conf
  /lib/systemd/systemd-journald >/dev/null 2>&1 &
  journald=$!
  trap "kill $journald; wait $journald || true" EXIT
  for i in $(seq 1000); do
    if [ -S /run/systemd/journal/socket ]; then break; fi
    sleep 0.01
  done
  "$@"' journald "$@"
