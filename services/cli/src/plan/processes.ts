import type { ChildSpec } from "../supervisor/spec.ts";
import { type ClusterPlan, type HostPlan, PORTS, RANGES } from "./cluster-plan.ts";

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

/** The processes of one host, in the order in which they start. */
export function childrenOf(plan: ClusterPlan, host: HostPlan, programs: Programs): ChildSpec[] {
  return host.role === "server" ? serverChildren(plan, host, programs) : nodeChildren(plan, host, programs);
}

function serverChildren(plan: ClusterPlan, host: HostPlan, programs: Programs): ChildSpec[] {
  const common = [`--name=${host.name}`, `--address=${host.address}`, `--pki-dir=${host.dir}/pki`];
  const initialCluster = plan.servers.map((server) => `${server.name}=${server.address}:${PORTS.storePeer}`).join(",");
  return [
    child(host, "nats", ["nats-server", "-c", `${host.dir}/nats/nats.conf`]),
    ...bundle(host, programs, "store", "state-store", [
      ...common,
      `--data-dir=${host.dir}/store`,
      `--initial-cluster=${initialCluster}`,
      `--cluster-token=${plan.name}`,
    ]).map((spec) => ({ ...spec, nice: STORE_NICE })),
    ...bundle(host, programs, "control", "control", [
      ...common,
      `--store-endpoints=${ownFirst(plan, host, PORTS.storeClient)}`,
      `--api-servers=${ownFirst(plan, host, PORTS.https)}`,
      `--nats-urls=${ownFirst(plan, host, PORTS.natsClient)}`,
      `--service-cidr=${RANGES.serviceCidr}`,
      `--pod-cidr=${RANGES.podCidr}`,
      `--node-port-range=${RANGES.nodePorts}`,
      `--cluster-name=${plan.name}`,
      `--worker-dir=${programs.bundles}`,
    ]),
  ];
}

function nodeChildren(plan: ClusterPlan, host: HostPlan, programs: Programs): ChildSpec[] {
  const common = [
    `--name=${host.name}`,
    `--address=${host.address}`,
    `--pki-dir=${host.dir}/pki`,
    `--api-servers=${ownFirst(plan, host, PORTS.https)}`,
    `--nats-urls=${ownFirst(plan, host, PORTS.natsClient)}`,
    `--cluster-dns-domain=${RANGES.dnsDomain}`,
  ];
  return [
    child(host, "containerd", ["containerd", "-c", `${host.dir}/containerd/config.toml`]),
    ...bundle(host, programs, "agent", "node-agent", [
      ...common,
      `--dir=${host.dir}`,
      `--cri-socket=${criSocketOf(host)}`,
      `--cgroup-parent=${host.cgroup}/pods`,
      `--cluster-name=${plan.name}`,
    ]),
    ...bundle(host, programs, "dns", "dns", common),
  ];
}

/** The runtime's socket of a node. */
export function criSocketOf(host: HostPlan): string {
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
export function holdFileOf(host: HostPlan): string {
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

/** Every server's address with a port, the host's own first when it is a server, else rotated so that nodes spread. */
export function ownFirst(plan: ClusterPlan, host: HostPlan, port: number): string {
  const peers = host.role === "server" ? plan.servers : plan.nodes;
  const shift = Math.max(0, peers.indexOf(host)) % plan.servers.length;
  const rotated = [...plan.servers.slice(shift), ...plan.servers.slice(0, shift)];
  return rotated.map((server) => `${server.address}:${port}`).join(",");
}

function bundle(host: HostPlan, programs: Programs, name: string, file: string, flags: readonly string[]): ChildSpec[] {
  if (!programs.built.has(file)) return [];
  return [child(host, name, [programs.node, `${programs.bundles}/${file}.mjs`, ...flags])];
}

function child(host: HostPlan, name: string, command: readonly string[]): ChildSpec {
  return { name, command, logFile: `${host.dir}/log/${name}.log`, pidFile: `${host.dir}/run/${name}.pid` };
}
