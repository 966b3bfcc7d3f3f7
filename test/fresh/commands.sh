#!/usr/bin/env bash
# The commands of the README, typed inside the bare machine; see fresh.sh.
set -uo pipefail
cd /trireme
failed=0

check() {
  local name=$1
  shift
  if "$@"; then echo "ok $name"; else echo "not ok $name"; failed=1; fi
}

# One HTTP request with what every bash has.
ask() {
  local port
  port=$(sed -E 's#^http://127\.0\.0\.1:([0-9]+)/.*#\1#' <<<"$1")
  exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
  printf 'GET / HTTP/1.0\r\n\r\n' >&3
  timeout 5 cat <&3
  exec 3>&-
}

nothing_installed() {
  local program
  for program in node npm containerd nats-server nft ip; do
    if command -v "$program" >/dev/null; then echo "# $program is there"; return 1; fi
  done
}

up() {
  local started=$SECONDS
  ./tri up -f deploy/examples/hello.yaml 2>&1 | tee "/tmp/up.log"
  local code=${PIPESTATUS[0]}
  echo "# ./tri up took $((SECONDS - started)) s"
  return "$code"
}

answers() {
  local url
  url=$(grep -oE '^http://127\.0\.0\.1:[0-9]+/' /tmp/up.log | tail -n 1)
  [ -n "$url" ] || return 1
  ask "$url" | grep -q '^hello-'
}

again() {
  local started=$SECONDS
  up && [ $((SECONDS - started)) -le 15 ] && grep -q 'hello unchanged' /tmp/up.log
}

# Other clusters of the machine share its network: their links are there before and after.
links() { grep -oE '^ *tri[0-9]+:' /proc/net/dev || true; }
links_before=$(links)

nothing_left() {
  local left
  left=$(ls -d /var/lib/trireme /run/trireme 2>/dev/null; ip netns list; links | grep -vxF "${links_before:-none}" || true)
  [ -z "$left" ] || { echo "# left: $left"; return 1; }
  ! pgrep -f 'containerd|nats-server|/trireme/.build' >/dev/null 2>&1 || { echo "# processes are left"; return 1; }
}

check "nothing is installed before" nothing_installed
check "./tri up -f deploy/examples/hello.yaml" up
check "the printed URL answers through the Service" answers
check "./tri up again is ready at once and changes nothing" again
check "./tri down --purge" ./tri down --purge
check "nothing is left" nothing_left
exit "$failed"
