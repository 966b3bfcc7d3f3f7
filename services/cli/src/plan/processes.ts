import { EXIT_REMOVED } from "@trireme/base";
import { removedFileOf } from "../supervisor/removed.ts";
import type { ChildSpec } from "../supervisor/spec.ts";
import type { ServerAddress } from "@trireme/pki";
import { type ClusterPlan, type HostPlan, type Machine, PORTS, RANGES } from "./cluster-plan.ts";
import { type HostFile, foundingStore } from "./host-file.ts";

/** Where programs are. */
export interface Programs {
  /** The Node binary that runs every bundle. */
  readonly node: string;
  /** The folder of bundles. */
  readonly bundles: string;
  /** Bundles that exist; a service that is not built is left out. */
  readonly built: ReadonlySet<string>;
}

/** Above everybody: a list or a regex of somebody else may not delay a heartbeat. Ignored where not permitted. */
const STORE_NICE = -10;

/**
 * How a store's process keeps its memory near what it holds. Nearly all of it are values, which V8 frees when it looks at young
 * objects: it looks more often, and lets the old ones grow by a third before it looks at them, not to twice or four times. And
 * malloc gives back to the kernel what is free; by itself it raises these two bounds to 32 MiB as soon as large blocks come and go.
 */
export const STORE_NODE_FLAGS = ["--max-semi-space-size=2", "--heap-growing-percent=30"] as const;
export const STORE_ENVIRONMENT = { MALLOC_TRIM_THRESHOLD_: "131072", MALLOC_MMAP_THRESHOLD_: "131072" } as const;

/** The processes of one host, in the order in which they start. */
export function childrenOf(file: HostFile, host: Machine, programs: Programs): ChildSpec[] {
  return host.role === "server" ? serverChildren(file, host, programs) : nodeChildren(file, host, programs);
}

/** What runs on a host that has joined no cluster yet: a node's runtime, which can take images meanwhile. */
export function childrenBeforeJoin(host: Machine): ChildSpec[] {
  return host.role === "node" ? [containerd(host)] : [];
}

function serverChildren(file: HostFile, host: Machine, programs: Programs): ChildSpec[] {
  const common = [`--name=${host.name}`, `--address=${host.address}`, `--pki-dir=${host.dir}/pki`];
  const { initialCluster, initialState } = file.store ?? foundingStore(host);
  const control = [
    ...common,
    `--store-endpoints=${ownFirst(file.servers, host, PORTS.storeClient)}`,
    `--api-servers=${ownFirst(file.servers, host, PORTS.https)}`,
    `--nats-urls=${ownFirst(file.servers, host, PORTS.natsClient)}`,
    `--servers-file=${serversFileOf(host)}`,
    `--service-cidr=${file.serviceCidr}`,
    `--pod-cidr=${file.podCidr}`,
    `--node-port-range=${file.nodePortRange}`,
    `--cluster-name=${file.cluster}`,
    `--worker-dir=${programs.bundles}`,
  ];
  return [
    {
      ...child(host, "nats", ["nats-server", "-c", `${host.dir}/nats/nats.conf`]),
      // Its certificate is renewed by the control plane; routes and clients that are connected stay.
      reloads: `${host.dir}/pki/nats.crt`,
    },
    ...bundle(
      host,
      programs,
      "store",
      "state-store",
      [
        ...common,
        `--data-dir=${host.dir}/store`,
        `--initial-cluster=${initialCluster}`,
        `--initial-cluster-state=${initialState}`,
        `--cluster-token=${file.cluster}`,
      ],
      STORE_NODE_FLAGS,
    ).map((spec) => ({
      ...spec,
      env: STORE_ENVIRONMENT,
      nice: STORE_NICE,
      final: { code: EXIT_REMOVED, file: removedFileOf(host) },
    })),
    // Before its member votes, a control plane beside it could only ask the others' stores.
    ...(file.phase === "joined" ? bundle(host, programs, "control", "control", control) : []),
  ];
}

function nodeChildren(file: HostFile, host: Machine, programs: Programs): ChildSpec[] {
  const common = [
    `--name=${host.name}`,
    `--address=${host.address}`,
    `--pki-dir=${host.dir}/pki`,
    `--api-servers=${ownFirst(file.servers, host, PORTS.https)}`,
    `--nats-urls=${ownFirst(file.servers, host, PORTS.natsClient)}`,
    `--servers-file=${serversFileOf(host)}`,
    `--cluster-dns-domain=${RANGES.dnsDomain}`,
  ];
  return [
    containerd(host),
    ...bundle(host, programs, "agent", "node-agent", [
      ...common,
      `--dir=${host.dir}`,
      `--cri-socket=${criSocketOf(host)}`,
      `--cgroup-parent=${host.cgroup}/pods`,
      `--cluster-name=${file.cluster}`,
    ]),
    ...bundle(host, programs, "dns", "dns", common),
  ];
}

function containerd(host: Machine): ChildSpec {
  return child(host, "containerd", ["containerd", "-c", `${host.dir}/containerd/config.toml`]);
}

/** Where a machine's processes keep the newest list of servers. */
export function serversFileOf(host: Pick<Machine, "dir">): string {
  return `${host.dir}/servers.json`;
}

/** The runtime's socket of a node. */
export function criSocketOf(host: Machine): string {
  return `${host.dir}/containerd/containerd.sock`;
}

/** The supervisor of one host as the keeper's child: it enters the host's cgroups and network, then becomes Node. */
export function supervisorChild(host: HostPlan, programs: Programs, cgroupDirs: readonly string[]): ChildSpec {
  return {
    name: host.name,
    command: [
      ...enterCommand(
        cgroupDirs.map((dir) => `${dir}${host.cgroup}/system`),
        host.netns,
      ),
      programs.node,
      ...SUPERVISOR_NODE_FLAGS,
      `${programs.bundles}/supervisor.mjs`,
      `--spec=${host.dir}/supervisor.json`,
    ],
    logFile: `${host.dir}/log/supervisor.log`,
    pidFile: `${host.dir}/run/supervisor.pid`,
    holdFile: holdFileOf(host),
  };
}

/** A supervisor lives from a few timers and a handful of children: cap what the heap may take. */
export const SUPERVISOR_NODE_FLAGS = ["--max-old-space-size=48", "--max-semi-space-size=1", "--v8-pool-size=0"];

/** While this file exists the keeper leaves the host dead (`tri host kill`). */
export function holdFileOf(host: Machine): string {
  return `${host.dir}/run/killed`;
}

/** The balancer as the keeper's child, in the root namespace. */
export function balancerChild(plan: ClusterPlan, programs: Programs): ChildSpec {
  return {
    name: "balancer",
    command: [programs.node, `${programs.bundles}/balancer.mjs`, `--config=${plan.dir}/balancer.json`],
    logFile: `${plan.dir}/log/balancer.log`,
    pidFile: `${plan.dir}/run/balancer.pid`,
  };
}

/**
 * A command prefix that moves itself into cgroups and a network namespace and then becomes what follows, under the same
 * pid. `nsenter`, not `ip netns exec`: the latter remounts /sys and hides the cgroups.
 */
export function enterCommand(cgroups: readonly string[], netns?: string): string[] {
  const enter = netns === undefined ? "" : `nsenter --net=/run/netns/${netns} `;
  const script = `for c in ${cgroups.join(" ")}; do echo $$ >$c/cgroup.procs; done; exec ${enter}"$@"`;
  return ["sh", "-ec", script, "sh"];
}

/** Every server's address with a port: a server's own first, else rotated by the node's number so that nodes spread. */
export function ownFirst(servers: readonly ServerAddress[], host: Machine, port: number): string {
  const own = servers.findIndex((server) => server.name === host.name);
  const number = Number(/[0-9]{1,6}$/.exec(host.name)?.[0] ?? 1);
  const shift = host.role === "server" ? Math.max(0, own) : Math.max(0, number - 1) % Math.max(1, servers.length);
  const rotated = [...servers.slice(shift), ...servers.slice(0, shift)];
  return rotated.map((server) => `${server.address}:${port}`).join(",");
}

function bundle(
  host: Machine,
  programs: Programs,
  name: string,
  file: string,
  flags: readonly string[],
  nodeFlags: readonly string[] = [],
): ChildSpec[] {
  if (!programs.built.has(file)) return [];
  return [child(host, name, [programs.node, ...nodeFlags, `${programs.bundles}/${file}.mjs`, ...flags])];
}

function child(host: Machine, name: string, command: readonly string[]): ChildSpec {
  return { name, command, logFile: `${host.dir}/log/${name}.log`, pidFile: `${host.dir}/run/${name}.pid` };
}
