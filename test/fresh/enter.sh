#!/usr/bin/env bash
# Makes a folder the root of a machine and runs a script there. Runs in mount and process namespaces of its own. A plain
# chroot would not do: runc needs a root that it can pivot away from.
set -euo pipefail
root=$1
script=$2
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
cd "$root"
mkdir -p .old
pivot_root . .old
umount -l /.old
rmdir /.old
cd /
bash "$script"
