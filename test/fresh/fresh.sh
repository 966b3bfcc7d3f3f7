#!/usr/bin/env bash
# Goal: the README's commands work on a machine with nothing installed. Method: a bare Debian root of debootstrap's
# smallest kind, entered as a machine is (own mounts and processes, pivot_root), this clone's files, and the commands as a
# stranger types them. Prints "ok NAME" or "not ok NAME" for each check.
set -euo pipefail

HERE=$(cd "$(dirname "$0")" && pwd)
CLONE=$(cd "$HERE/../.." && pwd)
# A name of its own, since kernel-wide things (cgroups, addresses) are shared with other clusters of this machine.
CLUSTER=fresh
WORK=$(mktemp -d /tmp/trireme-fresh.XXXXXX)
ROOT=$WORK/root

say() { printf '# %s\n' "$*"; }

inner=
cleanup() {
  set +e
  if [ -n "$inner" ]; then kill -KILL "$inner" 2>/dev/null; wait "$inner" 2>/dev/null; fi
  # Only what a failed run left: a good one has removed its own.
  find /sys/fs/cgroup -depth -type d -path "*/trireme/$CLUSTER*" -exec rmdir {} \; 2>/dev/null
  find /sys/fs/cgroup -depth -type d -name trireme -exec rmdir {} \; 2>/dev/null
  rm -rf --one-file-system "$WORK"
}
trap cleanup EXIT

# The bare system is kept as debootstrap made it; what `tri` installs never is.
started=$SECONDS
archive=$("$HERE/bare-root.sh") || { echo "not ok a bare Debian root can be made"; exit 1; }
mkdir -p "$ROOT"
tar -C "$ROOT" -xpf "$archive"
say "a bare Debian root after $((SECONDS - started)) s"

# How this machine reaches the world is its own business: its mirror, its resolver, its npm registry.
for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources /etc/resolv.conf /etc/hosts; do
  if [ -e "$file" ]; then cp --dereference "$file" "$ROOT$file"; fi
done
registry=$(npm config get registry 2>/dev/null || true)

# This root is thrown away: no package needs to survive a loss of power.
echo force-unsafe-io >"$ROOT/etc/dpkg/dpkg.cfg.d/unsafe-io"

mkdir -p "$ROOT/trireme"
git -C "$CLONE" ls-files -z --cached --others --exclude-standard |
  (cd "$CLONE" && tar --null --files-from=- --ignore-failed-read -cf - 2>/dev/null) | tar -C "$ROOT/trireme" -xf -

environment=(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "TRIREME_CLUSTER=$CLUSTER")
if [ -n "$registry" ]; then environment+=("npm_config_registry=$registry"); fi
# Also its certificate authorities, where it trusts more than the usual ones.
if [ -e "${NODE_EXTRA_CA_CERTS:-}" ]; then
  cp --dereference "$NODE_EXTRA_CA_CERTS" "$ROOT/root/extra-ca.crt"
  environment+=("NODE_EXTRA_CA_CERTS=/root/extra-ca.crt")
fi

unshare --mount --pid --fork --kill-child --propagation private \
  env -i "${environment[@]}" bash "$HERE/enter.sh" "$ROOT" /trireme/test/fresh/commands.sh &
inner=$!
code=0
wait "$inner" || code=$?
inner=
exit "$code"
