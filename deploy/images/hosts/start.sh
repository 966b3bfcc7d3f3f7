#!/bin/sh
# `start-host server|agent`: what a machine does when it boots, then `tri server` or `tri agent` in the foreground, with
# settings from the environment (TRIREME_NAME, TRIREME_ADDRESS, TRIREME_JOIN, TRIREME_TOKEN ...).
set -eu
role=$1
shift
data=${TRIREME_DATA_DIR:-/var/lib/trireme/host}
export TRIREME_DATA_DIR="$data"
mkdir -p "$data"

# Version 2 of cgroups gives controllers only to groups below one that holds no process of its own.
delegate_cgroups() {
  [ -e /sys/fs/cgroup/cgroup.controllers ] || return 0
  mkdir -p /sys/fs/cgroup/init
  for pid in $(cat /sys/fs/cgroup/cgroup.procs); do
    # A process that has ended meanwhile needs no group.
    echo "$pid" >/sys/fs/cgroup/init/cgroup.procs 2>/dev/null || [ ! -d "/proc/$pid" ]
  done
  for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    # What this machine does not delegate, its pods do not get; the agent says so.
    echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || echo "start-host: no cgroup controller $controller" >&2
  done
}

# A node runs containers of its own: it writes to cgroups and sysctls, and runc mounts a /proc that hides nothing.
become_node() {
  for path in $(awk '$2 ~ /^\/proc\// { print $2 }' /proc/mounts); do umount "$path"; done
  mount -o remount,rw /sys
  for path in $(awk '$2 ~ /^\/sys\/fs\/cgroup/ { print $2 }' /proc/mounts); do mount -o remount,bind,rw "$path"; done
  delegate_cgroups
  mount --make-rshared /
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# The container's start is the machine's boot: what only lived in memory is gone, so what speaks of it must go as well.
forget_memory() {
  rm -rf "$data/run" "$data/containerd/state" /var/lib/cni/results
  mkdir -p "$data/run"
  rm -f "$data"/containerd/containerd.sock*
}

# Ends processes of this machine by their names, and waits for them; what is not there, or has ended by now, needs no signal.
end() {
  pids=
  for name in "$@"; do
    file="$data/run/$name.pid"
    [ ! -e "$file" ] || pids="$pids $(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$file")"
  done
  for pid in $pids; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in $pids; do while [ -d "/proc/$pid" ]; do sleep 0.1; done; done
}

# First who would start the others again, then those who need the others to say good-bye. What has not ended when docker's
# patience does is killed: nothing here needs a clean end.
switch_off() {
  trap '' TERM INT
  end supervisor
  end control agent dns
  end store nats containerd
  exit 0
}

forget_memory
[ "$role" = server ] || become_node
tri "$role" "$@" &
main=$!
trap switch_off TERM INT
wait "$main"
