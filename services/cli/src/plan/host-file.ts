import type { ClusterFacts, HostRole } from "@trireme/pki";
import { type Machine, PORTS, RANGES } from "./cluster-plan.ts";

/** How a server's store was born; read by it at its first start alone. */
export interface StoreBirth {
  /** `NAME=HOST:PORT,...` of the members. */
  readonly initialCluster: string;
  readonly initialState: "new" | "existing";
}

/** `host.json`: what a machine is and whom it belongs to. With it a machine starts again without a token. */
export interface HostFile extends ClusterFacts {
  readonly name: string;
  readonly role: HostRole;
  readonly address: string;
  /**
   * `admitted`: it has its keys, and its store is not a voting member yet, so that joining goes on at the next start.
   * `joined`: nothing is left to do.
   */
  readonly phase: "admitted" | "joined";
  readonly store?: StoreBirth;
  /** The dead server whose place this one takes; until it has joined. */
  readonly replace?: string;
}

/** What a new cluster is told of its ranges. */
export const DEFAULT_RANGES = {
  serviceCidr: RANGES.serviceCidr,
  podCidr: RANGES.podCidr,
  nodePortRange: RANGES.nodePorts,
} as const;

/** The birth of the first server's store: a cluster of one, which others join. */
export function foundingStore(host: Pick<Machine, "name" | "address">): StoreBirth {
  return { initialCluster: `${host.name}=${host.address}:${PORTS.storePeer}`, initialState: "new" };
}

/** The host file of a cluster's first server. */
export function foundingFile(host: Pick<Machine, "name" | "address">, cluster: string): HostFile {
  const { name, address } = host;
  return {
    cluster,
    name,
    role: "server",
    address,
    servers: [{ name, address }],
    ...DEFAULT_RANGES,
    phase: "joined",
    store: foundingStore(host),
  };
}

/** The host file of a machine that was admitted. A node has nothing left to do; a server has to become a member. */
export function admittedFile(host: Machine, facts: ClusterFacts, replace?: string): HostFile {
  const { name, role, address } = host;
  const { cluster, serviceCidr, podCidr, nodePortRange } = facts;
  const others = facts.servers.filter((server) => server.name !== name && server.name !== replace);
  const shared = { cluster, name, role, address, serviceCidr, podCidr, nodePortRange };
  if (role === "node") return { ...shared, servers: others, phase: "joined" };
  const servers = [...others, { name, address }];
  const initialCluster = servers.map((server) => `${server.name}=${server.address}:${PORTS.storePeer}`).join(",");
  const store = { initialCluster, initialState: "existing" as const };
  return { ...shared, servers, phase: "admitted", store, ...(replace === undefined ? {} : { replace }) };
}
