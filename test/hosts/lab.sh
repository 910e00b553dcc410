#!/bin/bash
# lab.sh: N real systemd hosts (systemd-nspawn), each with its own PID 1, journald,
# network namespace and address, joined by a bridge in a namespace of its own.
# Needs: root, Linux with overlayfs, veth, bridge, cgroup2, seccomp. No systemd on the
# host, no machined, no D-Bus. Nothing is visible outside but: processes, netns named
# $LAB_NAME*, cgroup2 dir $LAB_NAME/, and the directory $LAB_DIR: no address of the lab exists outside.
#
#   lab.sh deps                      apt-get install what is needed (Debian/Ubuntu)
#   lab.sh image                     build the root file system once (cached, stamped)
#   lab.sh up                        boot $LAB_N hosts h1..hN (idempotent)
#   lab.sh exec  h1 CMD...           run CMD as root inside h1 (outside any unit)
#   lab.sh put   h1 FILE DEST        copy a file into h1       (works while it is down too)
#   lab.sh cut   h1 [h2]             drop all traffic of h1, or only between h1 and h2
#   lab.sh mend                      undo every cut
#   lab.sh pause h1 | resume h1      freeze every process of h1 (as a stalled hypervisor does)
#   lab.sh halt  h1 | boot h1        orderly poweroff / boot again (disk kept)
#   lab.sh crash h1                  power cut: SIGKILL to everything in h1 (disk kept)
#   lab.sh status | down [-k]        list / orderly teardown (-k: power cut, faster)
#   lab.sh clean                     down + remove hosts' disks (image cache stays)
set -euo pipefail
: "${LAB_DIR:=/tmp/etcd-watchdog-lab}" "${LAB_N:=3}" "${LAB_NET:=10.98.0}"
: "${LAB_NAME:=ewlab}"                    # prefix of netns, veth and cgroup (<= 12 characters)
: "${LAB_SUITES:=bookworm}"               # one suite per host, the last one for the rest
: "${LAB_MIRROR:=}"                        # default: the mirror that this machine's apt uses
: "${LAB_ETCD:=1}" "${LAB_BOOT_TIMEOUT:=90}"
: "${LAB_PKGS:=systemd,systemd-sysv,dbus,iproute2,procps,nftables,ca-certificates}"
: "${LAB_CAPS:=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON,CAP_SYSLOG,CAP_IPC_LOCK}"  # on top of nspawn's own list
HOSTS=$LAB_DIR/hosts NS=$LAB_NAME
[ "$LAB_ETCD" = 1 ] && LAB_PKGS+=,etcd-server,etcd-client
die() { echo "lab: $*" >&2; exit 1; }
names() { local i; for i in $(seq "$LAB_N"); do echo "h$i"; done; }
ip_of() { echo "$LAB_NET.1${1#h}"; }      # h1 -> x.y.z.11
suite_of() { local a; a=($LAB_SUITES); local i=$(( ${1#h} - 1 )); [ $i -lt ${#a[@]} ] || i=$(( ${#a[@]} - 1 )); echo "${a[$i]}"; }
image_of() { echo "$LAB_DIR/image-$(suite_of "$1")"; }

# our cgroup2 directory, wherever the machine has cgroup2 (v2: /sys/fs/cgroup, hybrid: .../unified)
cg2() { local m; m=$(awk '$3=="cgroup2"{print $2; exit}' /proc/mounts)
        [ -n "$m" ] || { m=$LAB_DIR/cgroup2; mkdir -p "$m"; mount -t cgroup2 cgroup2 "$m"; }; echo "$m/$NS"; }
populated() { grep -q '^populated 1' "$(cg2)/$1/cgroup.events" 2>/dev/null; }   # any process left?

# --- pids: a pid file holds "pid starttime", so that a reused pid is never signalled ---
starttime() { local f; f=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
              set -- $f; [ "${1:-Z}" != Z ] && echo "${20}"; }       # a zombie counts as gone
pid_of() { local p s; read -r p s 2>/dev/null <"$HOSTS/$1/pid" || return 1
           [ "$(starttime "$p")" = "$s" ] && echo "$p"; }
leader() {  # host-side pid of PID 1 of that host: nspawn's child, once it is systemd in a pid
  local p c; p=$(pid_of "$1") || return 1      # namespace of its own (not a child still setting up,
  for c in $(cat "/proc/$p/task/$p/children" 2>/dev/null || pgrep -P "$p"); do   # which would still see
    case $(cat "/proc/$c/comm" 2>/dev/null) in systemd|init) ;; *) continue;; esac  # the machine's own /)
    [ "$(awk '/^NSpid:/{print $NF}' "/proc/$c/status" 2>/dev/null)" = 1 ] && { echo "$c"; return; }
  done; return 1
}

deps() {
  local c miss=0; for c in systemd-nspawn mmdebstrap nft tc nsenter flock; do command -v $c >/dev/null || miss=1; done
  [ $miss = 0 ] && return
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    systemd-container mmdebstrap nftables iproute2 util-linux
}

image() { local h; for h in $(names); do image1 "$(suite_of "$h")"; done; }
image1() {
  local suite=$1 ROOT=$LAB_DIR/image-$1 want; want=$(echo "v1 $1 $LAB_PKGS" | sha256sum | cut -c1-16)
  [ "$(cat "$ROOT.stamp" 2>/dev/null)" = "$want" ] && return
  rm -rf "$ROOT" "$ROOT.stamp"; mkdir -p "$LAB_DIR"
  local m=${LAB_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' | grep '/debian/*$' | head -n 1)}
  [ -n "$m" ] || die "no Debian mirror known to apt: set LAB_MIRROR"; m=${m%/}
  local src=("deb $m $suite main")
  [ "$suite" = sid ] || src+=("deb $m-security $suite-security main")
  # Check-Valid-Until: a mirror behind a cache may serve an InRelease that is past its date
  TMPDIR=$LAB_DIR mmdebstrap --quiet --variant=minbase --mode=root --include="$LAB_PKGS" \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt=force-unsafe-io \
    "$suite" "$ROOT" "${src[@]}"
  # force-unsafe-io must not stay behind in the image's own dpkg configuration
  rm -f "$ROOT"/etc/dpkg/dpkg.cfg.d/99mmdebstrap "$ROOT"/etc/apt/apt.conf.d/99mmdebstrap "$ROOT"/etc/hostname "$ROOT"/etc/resolv.conf
  : >"$ROOT/etc/machine-id"                  # empty: each host makes its own on first boot
  local u; for u in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer dpkg-db-backup.timer \
             e2scrub_reap.service getty@tty1.service; do
    ln -sf /dev/null "$ROOT/etc/systemd/system/$u"; done
  # a service manager that starts nothing by itself when packages are installed is NOT wanted
  # here: no policy-rc.d, so that dpkg -i behaves as on a real host
  rm -f "$ROOT/usr/sbin/policy-rc.d"
  echo "$want" >"$ROOT.stamp"
}

net_up() {
  [ -e "/run/netns/$NS" ] || {
    ip netns add $NS
    ip -n $NS link set lo up
    ip -n $NS link add br0 type bridge; ip -n $NS link set br0 up
    ip -n $NS addr add "$LAB_NET.1/24" dev br0     # the test driver's address: see "drive"
  }
  # partitions: two bridge-family drop sets, empty by default ("add" is idempotent)
  ip netns exec "$NS" nft -f - <<-NFT
	add table bridge lab
	add set bridge lab cut { type ifname; }
	add set bridge lab cut2 { type ifname . ifname; }
	add chain bridge lab forward { type filter hook forward priority 0; policy accept; }
	flush chain bridge lab forward
	add rule bridge lab forward iifname @cut drop
	add rule bridge lab forward oifname @cut drop
	add rule bridge lab forward iifname . oifname @cut2 drop
	NFT
  local h
  for h in $(names); do
    [ -e "/run/netns/$NS-$h" ] && continue
    ip netns add "$NS-$h"
    ip -n "$NS-$h" link set lo up
    ip -n "$NS-$h" link add host0 type veth peer name "v-$h" netns $NS
    ip -n $NS link set "v-$h" master br0 up
    ip -n "$NS-$h" addr add "$(ip_of "$h")/24" dev host0
    ip -n "$NS-$h" link set host0 up
    ip -n "$NS-$h" route add default via "$LAB_NET.1"      # etcd 3.4 asks for a default route
  done
}

seed() {  # first-boot contents of one host's disk
  local h=$1 U=$HOSTS/$1/upper k cl
  [ -e "$HOSTS/$h/seeded" ] && return
  mkdir -p "$U/etc/default" "$U/etc/systemd/journald.conf.d" "$HOSTS/$h/work" "$HOSTS/$h/root"
  { echo "127.0.0.1 localhost"; echo "::1 localhost"
    for k in $(names); do echo "$(ip_of "$k") $k"; done; } >"$U/etc/hosts"
  printf '[Journal]\nStorage=persistent\nSystemMaxUse=64M\n' >"$U/etc/systemd/journald.conf.d/lab.conf"
  if [ "$LAB_ETCD" = 1 ]; then       # Debian's own etcd.service reads /etc/default/etcd
    cl=$(for k in $(names); do printf '%s=http://%s:2380,' "$k" "$(ip_of "$k")"; done)
    cat >"$U/etc/default/etcd" <<-E
	ETCD_NAME=$h
	ETCD_INITIAL_CLUSTER=${cl%,}
	ETCD_INITIAL_CLUSTER_STATE=new
	ETCD_INITIAL_CLUSTER_TOKEN=lab
	ETCD_LISTEN_PEER_URLS=http://$(ip_of "$h"):2380
	ETCD_INITIAL_ADVERTISE_PEER_URLS=http://$(ip_of "$h"):2380
	ETCD_LISTEN_CLIENT_URLS=http://$(ip_of "$h"):2379,http://127.0.0.1:2379
	ETCD_ADVERTISE_CLIENT_URLS=http://$(ip_of "$h"):2379
	ETCD_LOGGER=zap
	E
  fi
  # LAB_SEED: a directory laid over every host's / before its first boot (another etcd under
  # usr/bin, the package under test, drop-ins ...)
  [ -z "${LAB_SEED:-}" ] || cp -a "$LAB_SEED/." "$U/"
  touch "$HOSTS/$h/seeded"
}

boot() {  # start one host; returns at once
  local h=$1 H=$HOSTS/$1 CG
  pid_of "$h" >/dev/null && return
  seed "$h"
  CG=$(cg2); mkdir -p "$CG/$h"
  # where the machine has v2 controllers (a CI runner with systemd): hand them on, so that
  # MemoryMax=/TasksMax=/CPUQuota= work inside; where they are bound to v1 there are none
  local c; for c in $(cat "$CG/cgroup.controllers"); do
    echo "+$c" >"$CG/cgroup.subtree_control" 2>/dev/null || true; done
  # A private mount namespace holds the overlay, a clean cgroup2 view and nspawn's own state, so
  # that all of it goes away by itself when the host stops, and nothing on the machine changes:
  #  - cgroup2 over /sys/fs/cgroup: nspawn then sees a pure "unified" host whatever the machine is
  #  - one cgroup per host: nspawn puts its "payload"/"supervisor" groups beside the caller, so
  #    two hosts started from the same group would otherwise share one payload group
  # --keep-unit + --register=no: neither systemd nor machined is asked for anything.
  # --system-call-filter=bpf: without it IPAddressDeny=/DeviceAllow= are skipped in the host.
  setsid unshare -m --propagation private bash -euc '
    H=$1 h=$2 ROOT=$3 NS=$4 CAPS=$5
    echo $$ >"$6/cgroup.procs"
    [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ] || mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p /run/systemd/nspawn; mount -t tmpfs -o mode=755 tmpfs /run/systemd/nspawn
    mount -t overlay overlay -o "lowerdir=$ROOT,upperdir=$H/upper,workdir=$H/work" "$H/root"
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 exec systemd-nspawn --quiet --boot --directory="$H/root" \
      --machine="$h" --register=no --keep-unit --console=pipe --link-journal=no \
      --resolv-conf=off --timezone=off --network-namespace-path="/run/netns/$NS-$h" \
      --capability="$CAPS" --system-call-filter="bpf keyctl add_key perf_event_open"
  ' _ "$H" "$h" "$(image_of "$h")" "$NS" "$LAB_CAPS" "$CG/$h" </dev/null >"$H/console.log" 2>&1 9>&- &
  local p=$!; echo "$p $(starttime $p)" >"$H/pid"
}

wait_up() {  # until systemd says "running" (or "degraded", which is reported)
  local h=$1 s='' end=$((SECONDS+LAB_BOOT_TIMEOUT))
  while [ $SECONDS -lt $end ]; do
    pid_of "$h" >/dev/null || { tail -n 20 "$HOSTS/$h/console.log" >&2; die "$h: died while booting"; }
    s=$(hexec "$h" systemctl is-system-running 2>/dev/null) || true
    case $s in running) return 0;; degraded) echo "lab: $h degraded:" >&2
      hexec "$h" systemctl --failed --no-legend --plain >&2; return 0;; esac
    sleep 0.1
  done
  hexec "$h" systemctl list-jobs --no-pager >&2 || true; die "$h: not up after ${LAB_BOOT_TIMEOUT}s ($s)"
}

hexec() { local h=$1 l; shift; l=$(leader "$h") || die "$h is not running"
  nsenter -t "$l" -m -u -i -n -p -C -r -w -- /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/root LANG=C.UTF-8 SYSTEMD_PAGER=cat SYSTEMD_COLORS=0 "$@"; }

stop() {  # $1 host, $2 TERM (poweroff) or KILL (power cut)
  local h=$1 p i cg; cg=$(cg2)/$1
  # poweroff: nspawn turns SIGTERM into SIGRTMIN+4 for the host's PID 1. Not down after 30 s, or
  # power cut: cgroup.kill - SIGKILL at once to every process of the host, nspawn included.
  if [ "$2" = TERM ] && p=$(pid_of "$h"); then
    echo 0 2>/dev/null >"$cg/payload/cgroup.freeze" || true
    kill -TERM "$p"; for i in $(seq 300); do populated "$h" || break; sleep 0.1; done
  fi
  if populated "$h"; then
    echo 1 >"$cg/cgroup.kill" 2>/dev/null ||                                   # Linux >= 5.14
      find "$cg" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL || true
    for i in $(seq 100); do populated "$h" || break; sleep 0.05; done
  fi
  populated "$h" && die "$h: processes left in $cg"
  rm -f "$HOSTS/$h/pid"
  for i in $(seq 20); do [ -d "$cg" ] || break; find "$cg" -depth -type d -exec rmdir {} + 2>/dev/null || true; sleep 0.02; done
}

down() {
  local sig=TERM h d cg rc=0; [ "${1:-}" = -k ] && sig=KILL; cg=$(cg2)
  for h in $( { ls "$HOSTS" 2>/dev/null; ls "$cg" 2>/dev/null | grep '^h[0-9]'; } | sort -u); do stop "$h" $sig & done; wait
  for d in $(ip netns list 2>/dev/null | awk -v n="$NS" '$1==n || index($1,n"-h")==1 {print $1}'); do ip netns del "$d"; done
  [ -n "$(ip netns list 2>/dev/null)" ] || umount /run/netns 2>/dev/null || true
  if [ -d "$cg" ]; then rmdir "$cg" || { echo "lab: $cg not empty" >&2; rc=1; }; fi
  umount "$LAB_DIR/cgroup2" 2>/dev/null || true
  return $rc
}

nftlab() { ip netns exec "$NS" nft "$@"; }

cmd=${1:-}; [ $# -gt 0 ] && shift
case $cmd in image|up|down|clean|boot|halt|crash)   # one of these at a time
  mkdir -p "$LAB_DIR"; exec 9>"$LAB_DIR/.lock"; flock 9;; esac
case $cmd in
  deps) deps;;   image) image;;
  up) deps; image; mkdir -p "$HOSTS"; net_up; for h in $(names); do mkdir -p "$HOSTS/$h"; boot "$h"; done
      for h in $(names); do wait_up "$h"; done;;
  boot) boot "$1"; wait_up "$1";;
  pause) echo 1 >"$(cg2)/$1/payload/cgroup.freeze";;  resume) echo 0 >"$(cg2)/$1/payload/cgroup.freeze";;
  halt) stop "$1" TERM;;  crash) stop "$1" KILL;;
  exec) hexec "$@";;
  put) if l=$(leader "$1"); then cp -a "$2" "/proc/$l/root$3"; else mkdir -p "$(dirname "$HOSTS/$1/upper$3")"; cp -a "$2" "$HOSTS/$1/upper$3"; fi;;
  cut) if [ -n "${2:-}" ]; then nftlab "add element bridge lab cut2 { \"v-$1\" . \"v-$2\", \"v-$2\" . \"v-$1\" }"
       else nftlab "add element bridge lab cut { \"v-$1\" }"; fi;;
  mend) nftlab 'flush set bridge lab cut; flush set bridge lab cut2';;
  status) for h in $(names); do if l=$(leader "$h"); then s=$(hexec "$h" systemctl is-system-running 2>/dev/null) || true; echo "$h $(ip_of "$h") pid1=$l ${s:-starting}"; else echo "$h down"; fi; done;;
  down) down "$@";;  clean) down -k; rm -rf "$HOSTS";;
  *) sed -n '2,/^set -euo/p' "$0" | sed '$d'; exit 2;;
esac
