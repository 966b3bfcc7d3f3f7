import type { PortRule, Target } from "./service-rules.ts";

/** The table that holds all rules of the Service proxy, in the node's network namespace. */
export const TABLE = "trireme-proxy";
/** Marks packets whose source must become the node's, so that the answer comes back this way. */
const MARK = "0x4000";

/** What the rules need to know of the node besides Services. */
export interface NodeNetwork {
  /** Pod CIDR of this node; absent until the node has one. */
  readonly podCidr?: string;
  /** Pod CIDRs of all nodes: traffic among them keeps its source address. */
  readonly podCidrs: readonly string[];
}

/**
 * The whole table as one nft transaction that replaces what is there. Pure: equal inputs give equal text.
 *
 * The way of a packet: `services` (before routing, for pods and for the node itself) finds the Service's chain by
 * destination address and port; the chain picks a target. Ports without targets are refused by the filter chains, as
 * is every other port of a cluster address. What must come back through this node is masqueraded at the end.
 */
export function renderTable(rules: readonly PortRule[], network: NodeNetwork): string {
  const out: string[] = [`table ip ${TABLE}`, `delete table ip ${TABLE}`, `table ip ${TABLE} {`];
  const say = (text: string): void => void out.push(`  ${text}`);
  const chain = (name: string, ...lines: string[]): void => say(`chain ${name} { ${lines.join("; ")}; }`);
  const set = (name: string, type: string, elements: readonly string[], flags = ""): void => {
    const list = elements.length === 0 ? "" : ` elements = { ${[...new Set(elements)].join(", ")} };`;
    say(`set ${name} { type ${type};${flags === "" ? "" : ` flags ${flags};`}${list} }`);
  };
  const map = (name: string, type: string, elements: readonly string[]): void => {
    const list = elements.length === 0 ? "" : ` elements = { ${elements.join(", ")} };`;
    say(`map ${name} { type ${type} : verdict;${list} }`);
  };

  set("pod-cidrs", "ipv4_addr", network.podCidrs, "interval");
  set(
    "cluster-ips",
    "ipv4_addr",
    rules.map((rule) => rule.clusterIP),
  );
  set(
    "hairpins",
    "ipv4_addr . ipv4_addr",
    rules.flatMap((rule) => rule.targets.map((target) => `${target.ip} . ${target.ip}`)),
  );

  const addresses: string[] = [];
  const nodePorts: string[] = [];
  const refused: string[] = [];
  const refusedPorts: string[] = [];
  chain("refuse", "meta l4proto tcp reject with tcp reset", "reject");
  chain("mark-masquerade", `meta mark set meta mark or ${MARK}`);
  rules.forEach((rule, index) => {
    const proto = rule.protocol;
    const name = `svc-${index}`;
    const all = [rule.clusterIP, ...rule.externalIPs].map((ip) => `${ip} . ${proto} . ${rule.port}`);
    if (rule.targets.length === 0) refused.push(...all.map((key) => `${key} : goto refuse`));
    else {
      // Whoever is neither a pod nor this node would be answered past us: its source becomes ours.
      chain(
        name,
        `ip saddr != @pod-cidrs fib saddr type != local jump mark-masquerade`,
        choose(proto, rule.targets, rule.sticky),
      );
      addresses.push(`${rule.clusterIP} . ${proto} . ${rule.port} : goto ${name}`);
    }
    const outside = rule.localTargets ?? rule.targets;
    const outer = `ext-${index}`;
    if (outside.length > 0 && (rule.nodePort !== undefined || rule.externalIPs.length > 0)) {
      const keep = rule.localTargets !== undefined;
      chain(outer, ...(keep ? [] : ["jump mark-masquerade"]), choose(proto, outside, rule.sticky));
      for (const ip of rule.externalIPs) addresses.push(`${ip} . ${proto} . ${rule.port} : goto ${outer}`);
    }
    if (rule.nodePort === undefined) return;
    if (outside.length > 0) nodePorts.push(`${proto} . ${rule.nodePort} : goto ${outer}`);
    else refusedPorts.push(`${proto} . ${rule.nodePort} : goto refuse`);
  });

  const byAddress = "ipv4_addr . inet_proto . inet_service";
  const byPort = "inet_proto . inet_service";
  map("service-addresses", byAddress, addresses);
  map("service-node-ports", byPort, nodePorts);
  map("refused-addresses", byAddress, refused);
  map("refused-node-ports", byPort, refusedPorts);
  const local = "fib daddr type local ip daddr != 127.0.0.0/8";
  const key = "ip daddr . meta l4proto . th dport";
  chain("services", `${key} vmap @service-addresses`, `${local} meta l4proto . th dport vmap @service-node-ports`);
  const refusals = [`ct state new ${key} vmap @refused-addresses`, "ct state new ip daddr @cluster-ips goto refuse"];
  const refusedLocal = `ct state new ${local} meta l4proto . th dport vmap @refused-node-ports`;
  chain("filter-input", "type filter hook input priority filter", refusedLocal);
  chain("filter-forward", "type filter hook forward priority filter", ...refusals);
  chain("filter-output", "type filter hook output priority filter", ...refusals, refusedLocal);
  chain("nat-prerouting", "type nat hook prerouting priority dstnat", "jump services");
  chain("nat-output", "type nat hook output priority -100", "jump services");
  chain(
    "nat-postrouting",
    "type nat hook postrouting priority srcnat",
    `meta mark & ${MARK} == ${MARK} masquerade fully-random`,
    "ct status dnat ip saddr . ip daddr @hairpins masquerade fully-random",
    ...(network.podCidr === undefined
      ? []
      : [`ip saddr ${network.podCidr} ip daddr != @pod-cidrs ip daddr != 224.0.0.0/4 masquerade fully-random`]),
  );
  out.push("}");
  return `${out.join("\n")}\n`;
}

/** Picks one of the targets: by chance, or by the client's address so that it keeps to one while the set stays. */
function choose(protocol: string, targets: readonly Target[], sticky: boolean): string {
  const match = `meta l4proto ${protocol}`;
  if (targets.length === 1) return `${match} dnat to ${targets[0]!.ip}:${targets[0]!.port}`;
  const by = sticky ? "jhash ip saddr" : "numgen random";
  const list = targets.map((target, index) => `${index} : ${target.ip} . ${target.port}`);
  return `${match} dnat to ${by} mod ${targets.length} map { ${list.join(", ")} }`;
}
