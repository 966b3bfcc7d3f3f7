#!/bin/bash
# reaper.sh PREFIX DIR: waits until its stdin ends, however the program at the other end of it ends, and then removes
# all that a run of the fault scenarios made: processes, mounts, namespaces, links, files.
set -u
prefix=$1 dir=$2
trap '' INT TERM HUP
cat >/dev/null

spaces() { ip netns list | awk '{ print $1 }' | grep "^$prefix" || true; }
mounts() { awk -v dir="$dir/" 'index($2, dir) == 1 { print $2 }' /proc/mounts | sort -r; }

for space in $(spaces); do
  for pid in $(ip netns pids "$space"); do kill -KILL "$pid" 2>/dev/null; done
done
# What is traced or writes to a full disk takes a moment to die.
for _ in $(seq 100); do
  alive=
  for space in $(spaces); do alive+=$(ip netns pids "$space"); done
  [ -n "$alive" ] || break
  sleep 0.05
done
# A loop device goes with its mount.
for mount in $(mounts); do
  for _ in $(seq 100); do
    umount "$mount" 2>/dev/null && break
    sleep 0.05
  done
done
for space in $(spaces); do ip netns del "$space"; done
if [ -e "/sys/class/net/$prefix" ]; then ip link del "$prefix" 2>/dev/null; fi
# Never through a mount that did not go.
if [ -z "$(mounts)" ]; then rm -rf "$dir"; fi
