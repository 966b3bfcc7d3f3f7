#!/usr/bin/env bash
# Makes the archive of a bare Debian root, as debootstrap leaves it, unless it is there, and prints its path. A second caller waits
# for the first: `tri test` starts it early, beside suites that need the processors more than the network.
set -euo pipefail

CLONE=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=$CLONE/.tools/fresh
CODENAME=$(. /etc/os-release && echo "$VERSION_CODENAME")
ARCH=$(dpkg --print-architecture)
ARCHIVE=$CACHE/$CODENAME-$ARCH.tar

# The mirror that this machine itself installs from.
mirror() {
  cat /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null |
    grep -v '^#' | grep -oE 'https?://[^ ]+' | head -n 1
}

mkdir -p "$CACHE"
exec 9>"$CACHE/lock"
flock 9
if [ ! -e "$ARCHIVE" ]; then
  work=$(mktemp -d /tmp/trireme-bare.XXXXXX)
  trap 'rm -rf --one-file-system "$work"' EXIT
  debootstrap --variant=minbase "$CODENAME" "$work/root" "$(mirror)" >"$work/log" 2>&1 9>&- ||
    { tail -n 20 "$work/log" >&2; exit 1; }
  tar -C "$work/root" -cf "$ARCHIVE.new" .
  mv "$ARCHIVE.new" "$ARCHIVE"
fi
echo "$ARCHIVE"
