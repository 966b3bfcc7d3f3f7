import type { ClusterPlan, HostPlan } from "./cluster-plan.ts";

/** What exists already, so that a second run changes nothing. */
export interface ExistingNetwork {
  readonly namespaces: ReadonlySet<string>;
  readonly rootLink: boolean;
}

/**
 * The shell script that makes what is missing of a cluster's network: a bridge in a namespace of its own, one veth
 * link from there to the root, one to each host. Frames between hosts never enter the root namespace, so the machine's
 * own firewall rules never see them. Runs under `sh -e`.
 */
export function fabricScript(plan: ClusterPlan, existing: ExistingNetwork): string {
  const { fabric } = plan;
  const lines: string[] = [];
  if (!existing.namespaces.has(fabric.netns)) {
    lines.push(
      `ip netns add ${fabric.netns}`,
      ...batch(fabric.netns, [
        "link set lo up",
        `link add ${fabric.bridge} type bridge forward_delay 0 stp_state 0`,
        `addr add ${fabric.gateway}/${fabric.prefixLength} dev ${fabric.bridge}`,
        `link set ${fabric.bridge} up`,
        // What leaves the cluster has nowhere to go: say so at once instead of letting connections time out.
        "route add unreachable default",
      ]),
      `nsenter --net=/run/netns/${fabric.netns} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'`,
    );
  }
  if (!existing.rootLink || !existing.namespaces.has(fabric.netns)) {
    lines.push(
      `ip link del ${fabric.rootLink} 2>/dev/null || true`,
      `ip link add ${fabric.rootLink} type veth peer name root netns ${fabric.netns}`,
      `ip -n ${fabric.netns} link set root master ${fabric.bridge} up`,
      `ip addr add ${fabric.rootAddress}/${fabric.prefixLength} dev ${fabric.rootLink}`,
      `ip link set ${fabric.rootLink} up`,
    );
  }
  for (const host of plan.hosts) {
    if (!existing.namespaces.has(host.netns)) lines.push(...hostLines(plan, host));
  }
  return lines.length === 0 ? "" : `${lines.join("\n")}\n`;
}

/** Makes one host's namespace and its link; also how a killed host starts again. */
export function hostScript(plan: ClusterPlan, host: HostPlan): string {
  return `${hostLines(plan, host).join("\n")}\n`;
}

function hostLines(plan: ClusterPlan, host: HostPlan): string[] {
  const { fabric } = plan;
  return [
    `ip netns add ${host.netns}`,
    ...batch(fabric.netns, [
      `link add ${host.name} type veth peer name eth0 address ${host.mac} netns ${host.netns}`,
      `link set ${host.name} master ${fabric.bridge} up`,
    ]),
    ...batch(host.netns, [
      "link set lo up",
      `addr add ${host.address}/${fabric.prefixLength} dev eth0`,
      "link set eth0 up",
      `route add default via ${fabric.gateway}`,
    ]),
    `nsenter --net=/run/netns/${host.netns} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'`,
  ];
}

/** Removes everything that {@link fabricScript} makes; links go with their namespaces. Runs without `-e`. */
export function teardownScript(plan: ClusterPlan): string {
  const { fabric } = plan;
  return [
    `ip link del ${fabric.rootLink} 2>/dev/null`,
    ...[fabric.netns, ...plan.hosts.map((host) => host.netns)].map((netns) => `ip netns del ${netns} 2>/dev/null`),
    "true",
    "",
  ].join("\n");
}

/** Pulls or plugs a host's cable at the bridge's side: the host keeps its own end, its addresses and its routes. */
export function cableScript(plan: ClusterPlan, host: HostPlan, state: "up" | "down"): string {
  return `ip -n ${plan.fabric.netns} link set ${host.name} ${state}\n`;
}

function batch(netns: string, commands: readonly string[]): string[] {
  return [`ip -n ${netns} -batch - <<'END'`, ...commands, "END"];
}
