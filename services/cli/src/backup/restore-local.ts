import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { TriremeError } from "@trireme/base";
import { mkdirPrivate, writePrivateFile, writeSharedFolder } from "@trireme/pki";
import { writeHostFile } from "../join/files.ts";
import { killHost } from "../local/hosts.ts";
import { createIdentities, kubeconfigPath } from "../local/identities.ts";
import { hostPid, keeperPid, prepareHosts } from "../local/keeper.ts";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import { centralFile, foundingStore } from "../plan/host-file.ts";
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
 * Wipes a local cluster's servers and refills them: the first with the backup, the others with the keys alone, so that they
 * join it. Nodes are left as they run. `tri up` then starts what is stopped and has the others join.
 */
export async function refillServers(plan: ClusterPlan, backup: Unpacked, programs: Programs): Promise<void> {
  for (const host of plan.servers) await wipe(plan, host);
  adoptAuthorities(plan, backup);
  const [first, ...others] = plan.servers;
  await restoreServer(first!, backup, programs);
  writeHostFile(first!.dir, { ...centralFile(plan, first!), store: foundingStore(first!) });
  for (const host of others) {
    writeSharedFolder(`${host.dir}/pki`, backup.shared);
    const file = centralFile(plan, host);
    const { initialCluster } = file.store!;
    writeHostFile(host.dir, { ...file, phase: "admitted", store: { initialCluster, initialState: "existing" } });
  }
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

/**
 * The cluster's own folder has copies of what all servers share; they become the backup's. Where the authorities are others
 * than those that the machine knows, everybody's certificates are of no use and are made anew.
 */
function adoptAuthorities(plan: ClusterPlan, { shared }: Unpacked): void {
  const dir = `${plan.dir}/pki`;
  const theirs = (name: string): Buffer => Buffer.from(shared[name] ?? "", "base64");
  const knows = (pki: string): boolean =>
    existsSync(`${pki}/ca.crt`) && readFileSync(`${pki}/ca.crt`).equals(theirs("ca.crt"));
  if (!knows(dir)) {
    rmSync(dir, { recursive: true, force: true });
    rmSync(kubeconfigPath(plan), { force: true });
  }
  for (const { dir: of } of plan.nodes) if (!knows(`${of}/pki`)) rmSync(`${of}/pki`, { recursive: true, force: true });
  for (const name of Object.keys(shared)) {
    if (/^(ca|store-ca|peer-ca)\.(crt|key)$|^sa\.key$|^bus\.json$/.test(name))
      writePrivateFile(`${dir}/${name}`, theirs(name));
  }
}
