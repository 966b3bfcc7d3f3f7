import { existsSync } from "node:fs";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import { createCgroup, enterCgroup } from "./cgroups.ts";
import { type UpOptions, choosePlan } from "./choose-plan.ts";
import { requireRoot } from "./guards.ts";
import { clearMarks, forgetMemory, restoreHosts } from "./hosts.ts";
import { createIdentities, refuseOlder } from "./identities.ts";
import { loadImages, ownImages } from "./images.ts";
import { joinHosts } from "./joining.ts";
import { hostPid, keeperPid, localCgroup, startProcesses } from "./keeper.ts";
import { createNetwork } from "./network.ts";
import { findPrograms } from "./programs.ts";
import type { Progress } from "./progress.ts";
import { waitForApi, waitForNodes } from "./readiness.ts";

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

/** After a stop, or a crash of the whole machine: what lived in memory only is taken away before a new start. */
async function clearRemains(plan: ClusterPlan): Promise<void> {
  for (const host of plan.hosts) {
    clearMarks(host);
    if (hostPid(host, "supervisor") !== undefined || hostPid(host, "containerd") !== undefined) continue;
    if (existsSync(`${host.dir}/containerd/state`)) await forgetMemory(host);
  }
}
