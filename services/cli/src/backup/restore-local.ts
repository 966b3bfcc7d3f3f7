import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { mkdirPrivate } from "@trireme/pki";
import { killHost } from "../local/hosts.ts";
import { createIdentities, isOlder } from "../local/identities.ts";
import { hostPid, keeperPid, prepareHosts } from "../local/keeper.ts";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import { type Programs, holdFileOf } from "../plan/processes.ts";
import { restoreServer } from "./restore-server.ts";
import type { Unpacked } from "./unpack.ts";

/** What of a server runs, by the names of its pid files. */
const SERVER_PROCESSES = ["supervisor", "store", "control", "nats"];

/** Refuses to wipe servers that run, in words that say what would happen. */
export function refuseRunningServers(plan: ClusterPlan): void {
  const running = plan.servers.filter((host) => SERVER_PROCESSES.some((name) => hostPid(host, name) !== undefined));
  if (running.length === 0) return;
  const names = running.map((host) => host.name).join(", ");
  throw new TriremeError(
    "Conflict",
    `${names} of cluster "${plan.name}" ${running.length === 1 ? "runs" : "run"} still, and a restore wipes all its servers: everything that was written since the ` +
      `backup is lost. If that is what you want, say --force, or stop them first: tri host kill ${names.replaceAll(",", "")}`,
  );
}

/**
 * Wipes a local cluster's servers and gives the first the backup. Nodes are left as they run, unless they belong to another
 * cluster. `tri up` then starts what is stopped and has everybody else join.
 */
export async function refillServers(plan: ClusterPlan, backup: Unpacked, programs: Programs): Promise<void> {
  const [first] = plan.servers;
  if (first === undefined)
    throw new TriremeError("BadRequest", `cluster "${plan.name}" has no server of its own to restore`);
  for (const host of plan.servers) await wipe(plan, host);
  await restoreServer(first, plan.name, backup, programs);
  for (const node of plan.nodes) if (!knows(node, backup)) await forgetCluster(plan, node);
  // As of an older release: those that are made now come from the servers' keys.
  if (isOlder(plan)) rmSync(`${plan.dir}/pki`, { recursive: true });
  // Written before anything starts: a supervisor that finds no spec ends.
  await createIdentities(plan);
  prepareHosts(plan, programs);
}

/** Ends a server, if need be, and empties its folder of all but its logs. */
async function wipe(plan: ClusterPlan, host: HostPlan): Promise<void> {
  mkdirPrivate(`${host.dir}/run`);
  // Held, so that nobody starts again what is being wiped.
  if (keeperPid(plan) !== undefined) await killHost(host);
  for (const name of readdirSync(host.dir)) {
    if (name !== "run" && name !== "log") rmSync(`${host.dir}/${name}`, { recursive: true, force: true });
  }
  for (const name of readdirSync(`${host.dir}/run`)) {
    if (`${host.dir}/run/${name}` !== holdFileOf(host)) rmSync(`${host.dir}/run/${name}`, { force: true });
  }
}

/** Whether a node's identities are of the authority that comes back. */
function knows({ dir }: HostPlan, { shared }: Unpacked): boolean {
  const path = `${dir}/pki/ca.crt`;
  return existsSync(path) && readFileSync(path).equals(Buffer.from(shared["ca.crt"] ?? "", "base64"));
}

/** Makes a node one that has never joined: its identities open nothing here. Its containers end, since nobody knows of them. */
async function forgetCluster(plan: ClusterPlan, node: HostPlan): Promise<void> {
  mkdirPrivate(`${node.dir}/run`);
  if (keeperPid(plan) !== undefined) await killHost(node);
  for (const name of ["pki", "host.json", "servers.json"])
    rmSync(`${node.dir}/${name}`, { recursive: true, force: true });
}
