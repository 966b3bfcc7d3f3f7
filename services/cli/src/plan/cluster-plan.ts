import { TriremeError } from "@trireme/base";
import type { HostRole } from "@trireme/pki";

/** What a local cluster is made of; recorded in `cluster.json` when it is created. */
export interface ClusterShape {
  readonly name: string;
  /** The cluster's subnet is 172.30.<index>.0/24. */
  readonly index: number;
  readonly servers: number;
  readonly nodes: number;
  /** Names of hosts that were added bare (`tri host add`), in order; what they are they become by commands of their own. */
  readonly added?: readonly string[];
  /** Where the balancer listens on 127.0.0.1: for HTTPS and for gRPC. */
  readonly httpsPort: number;
  readonly grpcPort: number;
}

/** One machine of a cluster: a real one, or one of a local cluster. */
export interface Machine {
  readonly name: string;
  readonly role: HostRole;
  readonly address: string;
  /** Everything of this machine: `host.json`, keys, data, logs (`--data-dir`). */
  readonly dir: string;
  /** The cgroup, from the root of each hierarchy, that holds everything of this machine; pods are in `pods` below it. */
  readonly cgroup: string;
}

/** One machine of a local cluster: a network namespace with an address of its own. */
export interface HostPlan extends Machine {
  /** Of eth0. Fixed, so that after a restart the neighbours' ARP entries still hold. */
  readonly mac: string;
  readonly netns: string;
  /** Added bare: its processes are its own, and `up` starts none. */
  readonly isBare?: true;
}

/** Every name, address and path of a local cluster. */
export interface ClusterPlan {
  readonly shape: ClusterShape;
  readonly name: string;
  readonly dir: string;
  readonly cgroup: string;
  readonly fabric: FabricPlan;
  readonly servers: readonly HostPlan[];
  readonly nodes: readonly HostPlan[];
  /** What `up` started: servers and nodes. */
  readonly managed: readonly HostPlan[];
  /** Those, and hosts that were added bare. */
  readonly hosts: readonly HostPlan[];
}

/** The network that joins the hosts: a bridge in a namespace of its own, with one link to the root. */
export interface FabricPlan {
  readonly netns: string;
  readonly bridge: string;
  /** Gateway of the hosts: the bridge's own address. */
  readonly gateway: string;
  /** The root namespace's end of its one link, and its address on the cluster's network. */
  readonly rootLink: string;
  readonly rootAddress: string;
  readonly prefixLength: number;
}

/** Standard ports; every host has an address of its own, so they never collide. */
export const PORTS = {
  natsClient: 4222,
  natsRoutes: 6222,
  storeClient: 2379,
  storePeer: 2380,
  storeMetrics: 2381,
  https: 6443,
  grpc: 6444,
  controlMetrics: 6445,
  agentHttps: 10250,
  agentGrpc: 10251,
  dns: 53,
  dnsMetrics: 9153,
} as const;

/** Cluster-wide address ranges. Every cluster may use the same ones, since each lives in namespaces of its own. */
export const RANGES = {
  serviceCidr: "10.96.0.0/16",
  podCidr: "10.244.0.0/16",
  apiServiceAddress: "10.96.0.1",
  nodePorts: "30000-32767",
  dnsDomain: "cluster.local",
} as const;

/** Seven replicas already need four acknowledgements a write; more only slow a cluster down. */
const MAX_SERVERS = 7;
/** Hosts .21 to .220 of a /24; far more than one machine carries. */
const MAX_NODES = 200;
const FIRST_SERVER = 11;
const FIRST_NODE = 21;
/** Hosts that were added bare are .221 to .250. */
const FIRST_ADDED = 221;
const MAX_ADDED = 30;
const GATEWAY = 253;
const ROOT = 254;

/** Longest name for which every derived name (namespaces, cgroups, sockets of 108 bytes) still fits. */
const NAME = /^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/;

/** Refuses names, sizes and subnets that no cluster can have, before anything is created. */
export function checkShape(shape: ClusterShape): void {
  if (!NAME.test(shape.name)) {
    throw new TriremeError(
      "BadRequest",
      `cluster name "${shape.name}" must be 1 to 20 lower-case letters, digits and dashes, starting with a letter`,
    );
  }
  // A cluster of bare hosts has no server of its own.
  checkCount("servers", shape.servers, shape.added === undefined ? 1 : 0, MAX_SERVERS);
  checkCount("nodes", shape.nodes, 0, MAX_NODES);
  checkCount("added hosts", shape.added?.length ?? 0, 0, MAX_ADDED);
  checkCount("subnet index", shape.index, 1, 254);
}

function checkCount(what: string, count: number, min: number, max: number): void {
  if (!Number.isInteger(count) || count < min || count > max) {
    throw new TriremeError("BadRequest", `${what} must be a whole number from ${min} to ${max}, got ${count}`);
  }
}

/**
 * Derives every name, address and path from a shape. The same shape always gives the same plan. `roleOf` says what a host that
 * was added bare has become, by its folder.
 */
export function planCluster(
  shape: ClusterShape,
  stateRoot: string,
  roleOf: (dir: string) => HostRole | undefined = () => undefined,
): ClusterPlan {
  checkShape(shape);
  const dir = `${stateRoot}/${shape.name}`;
  const cgroup = `/trireme/${shape.name}`;
  const network = `172.30.${shape.index}`;
  const host = (role: HostPlan["role"], number: number, first: number): HostPlan => {
    const name = `${role}${number}`;
    const last = first + number - 1;
    return {
      name,
      role,
      address: `${network}.${last}`,
      mac: `02:54:52:1e:${hex(shape.index)}:${hex(last)}`,
      netns: `tri-${shape.name}-${name}`,
      dir: `${dir}/hosts/${name}`,
      cgroup: `${cgroup}/${name}`,
    };
  };
  const servers = Array.from({ length: shape.servers }, (_, i) => host("server", i + 1, FIRST_SERVER));
  const nodes = Array.from({ length: shape.nodes }, (_, i) => host("node", i + 1, FIRST_NODE));
  // Its role is what its folder says once it has joined; until then it counts as a node, which has nothing to lose.
  const bare = (shape.added ?? []).map((name, i): HostPlan => {
    const { address, mac } = host("node", i + 1, FIRST_ADDED);
    const role = roleOf(`${dir}/hosts/${name}`) ?? "node";
    const netns = `tri-${shape.name}-${name}`;
    return { name, role, address, mac, netns, dir: `${dir}/hosts/${name}`, cgroup: `${cgroup}/${name}`, isBare: true };
  });
  return {
    shape,
    name: shape.name,
    dir,
    cgroup,
    fabric: {
      netns: `tri-${shape.name}-fabric`,
      bridge: "fabric",
      gateway: `${network}.${GATEWAY}`,
      rootLink: `tri${shape.index}`,
      rootAddress: `${network}.${ROOT}`,
      prefixLength: 24,
    },
    servers,
    nodes,
    managed: [...servers, ...nodes],
    hosts: [...servers, ...nodes, ...bare],
  };
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}

/** Finds a host by its name, or says which names there are. */
export function hostOf(plan: ClusterPlan, name: string): HostPlan {
  const found = plan.hosts.find((host) => host.name === name);
  if (found !== undefined) return found;
  const names = plan.hosts.map((host) => host.name).join(", ");
  throw new TriremeError("NotFound", `cluster "${plan.name}" has no host "${name}"; it has ${names}`);
}

/** The address people and tools use: the balancer's. */
export function apiAddressOf(plan: ClusterPlan): string {
  return `https://127.0.0.1:${plan.shape.httpsPort}`;
}

/** Where the administrator's kubeconfig is. */
export function kubeconfigPath(plan: ClusterPlan): string {
  return `${plan.dir}/admin.kubeconfig`;
}
