import { TriremeError } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import { type ClusterPlan, type ClusterShape, type HostPlan, hostOf, planCluster } from "../plan/cluster-plan.ts";
import { createCgroup } from "./cgroups.ts";
import { createNetwork } from "./network.ts";
import { recordSharedFolders } from "./shared-folders.ts";
import { STATE_ROOT, createShape, findCluster, tryLock, writeShape } from "./state.ts";

/** What `tri up` was asked for; a number that was not given means what the cluster has, or three. */
export interface UpOptions {
  readonly cluster: string;
  readonly servers?: number;
  readonly nodes?: number;
}

const DEFAULT_HOSTS = 3;

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
