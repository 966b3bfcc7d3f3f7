import { existsSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import { type ClusterPlan, type ClusterShape, type HostPlan, hostOf, planCluster } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import { createCgroup, enterCgroup } from "./cgroups.ts";
import { clearMarks, forgetMemory, restoreHosts } from "./hosts.ts";
import { createIdentities, refuseOlder } from "./identities.ts";
import { loadImages, ownImages } from "./images.ts";
import { joinHosts } from "./joining.ts";
import { hostPid, keeperPid, localCgroup, startProcesses } from "./keeper.ts";
import { createNetwork } from "./network.ts";
import { findPrograms } from "./programs.ts";
import type { Progress } from "./progress.ts";
import { waitForApi, waitForNodes } from "./readiness.ts";
import { recordSharedFolders } from "./shared-folders.ts";
import { STATE_ROOT, createShape, findCluster, tryLock, writeShape } from "./state.ts";

/** What `tri up` was asked for; a number that was not given means what the cluster has, or three. */
export interface UpOptions {
  readonly cluster: string;
  readonly servers?: number;
  readonly nodes?: number;
}

const DEFAULT_HOSTS = 3;

/** Creates what is missing of a local cluster, starts what is not running and waits until it is ready. */
export async function up(options: UpOptions, progress: Progress): Promise<ClusterPlan> {
  requireRoot();
  const programs = findPrograms();
  const plan = await choosePlan(options);
  refuseOlder(plan);
  enterCluster(plan);
  const fresh = keeperPid(plan) === undefined;
  if (fresh) await clearRemains(plan);
  else await restoreHosts(plan);
  await Promise.all([
    progress.step("network", () => createNetwork(plan)),
    progress.step("identities", () => createIdentities(plan)),
  ]);
  await progress.step("processes", () => startProcesses(plan, programs));
  const images = ownImages();
  await Promise.all([
    ...plan.nodes.map((node) => progress.step(`${node.name}: images`, () => loadImages(node, images))),
    becomeWhole(plan, programs, progress),
  ]);
  return plan;
}

/**
 * What this process does, it does for the hosts: it makes their keys and has them join. Beside a busy cluster that weighs as much
 * as eight of it (DESIGN.md), it would be what everybody waits for.
 */
function enterCluster(plan: ClusterPlan): void {
  createCgroup(localCgroup(plan));
  enterCgroup(localCgroup(plan));
}

/** The first server answers, the others and the nodes join it where they have not, and nodes are ready. */
async function becomeWhole(plan: ClusterPlan, programs: Programs, progress: Progress): Promise<void> {
  if (!programs.built.has("control")) {
    progress.note("control is not built: not waiting for the API");
    return;
  }
  const recorded = await waitForApi(plan, progress);
  await joinHosts(plan, programs, recorded, progress);
  if (programs.built.has("node-agent")) await waitForNodes(plan, progress);
}

/** The plan of the cluster that there is, or of a new one, whose shape is then recorded. */
export async function choosePlan(options: UpOptions): Promise<ClusterPlan> {
  const found = findCluster(options.cluster);
  if (found === undefined) return createPlan(options);
  const shape = found.shape;
  const servers = options.servers ?? shape.servers;
  const nodes = options.nodes ?? shape.nodes;
  if (servers < shape.servers || nodes < shape.nodes) {
    throw new TriremeError(
      "Invalid",
      `cluster "${shape.name}" has ${shape.servers} servers and ${shape.nodes} nodes, and hosts can only be added to it. ` +
        `./tri down --purge --cluster ${shape.name} first, or give it another name with --cluster`,
    );
  }
  if (servers === shape.servers && nodes === shape.nodes) return found;
  const grown: ClusterShape = { ...shape, servers, nodes };
  const plan = planCluster(grown, STATE_ROOT);
  writeShape(grown);
  return plan;
}

/** Adds a bare host to a cluster, which is made for it where there is none: a machine with a network and nothing on it. */
export async function addHost(cluster: string, name: string): Promise<HostPlan> {
  const found = findCluster(cluster);
  const { shape } = found ?? (await createPlan({ cluster, servers: 0, nodes: 0 }));
  const added = shape.added ?? [];
  if (found?.hosts.some((host) => host.name === name) === true && !added.includes(name)) {
    throw new TriremeError("AlreadyExists", `cluster "${cluster}" has a host "${name}" already`);
  }
  const grown: ClusterShape = { ...shape, added: added.includes(name) ? added : [...added, name] };
  const plan = planCluster(grown, STATE_ROOT);
  const host = hostOf(plan, name);
  writeShape(grown);
  await createNetwork(plan);
  for (const group of ["system", "pods"]) createCgroup(`${host.cgroup}/${group}`);
  for (const dir of ["run", "log"]) mkdirPrivate(`${host.dir}/${dir}`);
  return host;
}

/** Two clusters may not choose the same subnet: one at a time chooses, and shows it by making its root link. */
async function createPlan(options: UpOptions): Promise<ClusterPlan> {
  const release = await waitForLock("allocation");
  try {
    const { servers = DEFAULT_HOSTS, nodes = DEFAULT_HOSTS } = options;
    recordSharedFolders();
    const shape = await createShape(options.cluster, servers, nodes);
    writeShape(shape);
    return planCluster(shape, STATE_ROOT);
  } finally {
    release();
  }
}

/** Choosing takes milliseconds, so a lock that is held for seconds is a process that hangs. */
const LOCK_TRIES = 200;
const LOCK_POLL_MS = 25;

async function waitForLock(name: string): Promise<() => void> {
  for (let i = 0; i < LOCK_TRIES; i++) {
    const release = await tryLock(name);
    if (release !== undefined) return release;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  throw new TriremeError("Timeout", `another tri has been busy with "${name}" for too long`);
}

/** Runs `work` while no other `tri` changes this cluster; refuses when one does. */
export async function withClusterLock<T>(cluster: string, work: () => Promise<T>): Promise<T> {
  const release = await tryLock(`cluster-${cluster}`);
  if (release === undefined) {
    throw new TriremeError(
      "Conflict",
      `another tri up or down of cluster "${cluster}" is running; wait until it is done`,
    );
  }
  try {
    return await work();
  } finally {
    release();
  }
}

/** After a stop, or a crash of the whole machine: what lived in memory only is taken away before a new start. */
async function clearRemains(plan: ClusterPlan): Promise<void> {
  for (const host of plan.hosts) {
    clearMarks(host);
    if (hostPid(host, "supervisor") !== undefined || hostPid(host, "containerd") !== undefined) continue;
    if (existsSync(`${host.dir}/containerd/state`)) await forgetMemory(host);
  }
}

/** Refuses early and plainly: network namespaces and containers need root. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0) {
    throw new TriremeError(
      "Forbidden",
      "a local cluster needs root (network namespaces, cgroups, containers); use sudo",
    );
  }
}

/** The address people and tools use: the balancer's. */
export function apiAddressOf(plan: ClusterPlan): string {
  return `https://127.0.0.1:${plan.shape.httpsPort}`;
}
