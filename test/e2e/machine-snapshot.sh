#!/usr/bin/env bash
# What a machine looks like from outside, without the product's help: run before `tri up` and after `tri down --purge`,
# and compare. Names are sorted and what changes by itself (ages, counters, kernel threads) is left out.
set -u
export LC_ALL=C
echo "== processes"
for dir in /proc/[0-9]*; do
  exe=$(readlink "$dir/exe" 2>/dev/null) || continue
  case $(tr '\0' ' ' <"$dir/cmdline" 2>/dev/null) in
    *trireme*|*containerd*|*nats-server*|*"/.build/"*) echo "$exe $(tr '\0' ' ' <"$dir/cmdline")" ;;
  esac
done | grep -v machine-snapshot | grep -v -E 'vitest|\.build/cli\.mjs test|/tri test' | sort
echo "== mounts"
awk '{print $2, $3}' /proc/mounts | grep -v -E '^/tmp' | sort
echo "== namespaces"
ip netns list | awk '{print $1}' | sort
echo "== links"
ip -o link | awk -F': ' '{print $2}' | sort
echo "== addresses"
ip -o addr | awk '{print $2, $3, $4}' | sort
echo "== routes"
ip route show table all | sed -E 's/ (expires|users|age) [^ ]+//g' | sort
echo "== rules"
nft list ruleset 2>/dev/null | sed -E 's/packets [0-9]+ bytes [0-9]+//' || true
ip rule | sort
echo "== sysctls"
sysctl -a 2>/dev/null | grep -E '^net\.(ipv4|bridge|netfilter)' |
  grep -E 'forward|rp_filter|bridge-nf|route_localnet|proxy_arp|ip_local|conntrack_max|arp_' | sort
echo "== cgroups"
find /sys/fs/cgroup -type d -path '*trireme*' 2>/dev/null | sort
echo "== files"
find /var/lib/trireme /run/trireme /run/netns /etc/trireme /etc/cni /run/containerd /var/lib/containerd /var/lib/cni \
  2>/dev/null | sort
echo "== unix sockets"
awk '{print $8}' /proc/net/unix | grep -E 'trireme' | sort -u
echo "== listening"
ss -Hltn 2>/dev/null | awk '{print $4}' | grep -E ':(6443|6444|30080)$' | sort
