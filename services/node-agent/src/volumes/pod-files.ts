import type { Node, Pod } from "@trireme/api";
import { hostnameOf } from "../pods/cri-config.ts";

/** The pod's own /etc/hosts: the node's has entries that mean nothing inside. */
export function hostsFile(pod: Pod, ip: string, clusterDomain: string): string {
  const lines = [
    "# Written by the node's agent; changes are lost when the pod restarts.",
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
  ];
  const name = hostnameOf(pod);
  const full =
    pod.spec.subdomain === undefined
      ? []
      : [`${name}.${pod.spec.subdomain}.${pod.metadata.namespace ?? "default"}.svc.${clusterDomain}`];
  if (ip !== "") lines.push(`${ip}\t${[...full, name].join(" ")}`);
  for (const alias of pod.spec.hostAliases ?? []) lines.push(`${alias.ip}\t${(alias.hostnames ?? []).join(" ")}`);
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
