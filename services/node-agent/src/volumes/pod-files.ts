import type { Node, Pod } from "@trireme/api";
import { fqdnOf, hostnameOf } from "../pods/cri-config.ts";

/**
 * The /etc/hosts of a pod's containers: its own names and aliases, or, on the node's network, the node's file and the
 * aliases. The first line is kubelet's, by which people and tests know it.
 */
export function hostsFile(pod: Pod, ip: string, clusterDomain: string, nodeHosts = ""): string {
  const lines = pod.spec.hostNetwork
    ? ["# Kubernetes-managed hosts file (host network).", nodeHosts.trimEnd()]
    : [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
      ];
  const name = hostnameOf(pod);
  const full = fqdnOf(pod, clusterDomain);
  if (ip !== "" && !pod.spec.hostNetwork)
    lines.push(`${ip}\t${[...(full === undefined ? [] : [full]), name].join(" ")}`);
  const aliases = pod.spec.hostAliases ?? [];
  if (aliases.length > 0) lines.push("", "# Entries added by HostAliases.");
  for (const alias of aliases) lines.push(`${alias.ip}\t${(alias.hostnames ?? []).join("\t")}`);
  return `${lines.join("\n")}\n`;
}

/** A resolver's settings, as /etc/resolv.conf holds them. */
export interface DnsSettings {
  readonly servers: string[];
  readonly searches: string[];
  readonly options: string[];
}

/** resolv.conf allows three servers; the C library ignores more. */
const MAX_SERVERS = 3;

/**
 * How a pod resolves names. `ClusterFirst`: the node's own server, then one other node's, so that a node whose DNS
 * process restarts loses no name. `host` is what the node itself uses.
 */
export function dnsSettings(
  pod: Pod,
  clusterServers: readonly string[],
  clusterDomain: string,
  host: DnsSettings,
): DnsSettings {
  const policy = pod.spec.dnsPolicy ?? "ClusterFirst";
  const own = pod.spec.dnsConfig;
  const namespace = pod.metadata.namespace ?? "default";
  const cluster: DnsSettings = {
    servers: [...clusterServers],
    searches: [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain],
    options: ["ndots:5"],
  };
  const useHost = policy === "Default" || (policy === "ClusterFirst" && (pod.spec.hostNetwork ?? false));
  const base = policy === "None" ? { servers: [], searches: [], options: [] } : useHost ? host : cluster;
  const extra = (own?.options ?? []).map((o) => (o.value === undefined ? (o.name ?? "") : `${o.name}:${o.value}`));
  const named = new Set(extra.map((option) => option.split(":")[0]));
  return {
    servers: [...new Set([...base.servers, ...(own?.nameservers ?? [])])].slice(0, MAX_SERVERS),
    searches: [...new Set([...base.searches, ...(own?.searches ?? [])])],
    options: [...base.options.filter((option) => !named.has(option.split(":")[0])), ...extra],
  };
}

/** The DNS servers of a node's pods: its own, and another Ready node's for when its own is away. Pure. */
export function dnsServersFor(own: string, nodes: readonly Node[]): string[] {
  const others = nodes
    .filter((node) => node.status?.conditions?.some((c) => c.type === "Ready" && c.status === "True"))
    .flatMap((node) => node.status?.addresses?.filter((a) => a.type === "InternalIP").map((a) => a.address) ?? [])
    .filter((address) => address !== own)
    .toSorted();
  // The next in order, not the first for all: the load of an absent server spreads.
  const next = others.find((address) => address > own) ?? others[0];
  return next === undefined ? [own] : [own, next];
}

/** Reads the settings of a resolv.conf. */
export function parseResolvConf(text: string): DnsSettings {
  const out: DnsSettings = { servers: [], searches: [], options: [] };
  for (const line of text.split("\n")) {
    const [word, ...rest] = line.trim().split(/\s+/);
    if (word === "nameserver" && rest[0] !== undefined) out.servers.push(rest[0]);
    if (word === "search" || word === "domain") out.searches.splice(0, out.searches.length, ...rest);
    if (word === "options") out.options.push(...rest);
  }
  return out;
}
