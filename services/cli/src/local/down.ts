import { rmSync } from "node:fs";
import { sleep } from "@trireme/base";
import type { ClusterPlan, HostPlan } from "../plan/cluster-plan.ts";
import { teardownScript } from "../plan/fabric-script.ts";
import { killGroup, processesIn, removeCgroup, removeEmptyCgroup, signalGroup, signalProcess } from "./cgroups.ts";
import { forgetMemory, unmountBelow } from "./hosts.ts";
import { hostPid, localCgroup, stopKeeper } from "./keeper.ts";
import type { Progress } from "./progress.ts";
import { removeSharedFolders } from "./shared-folders.ts";
import { run } from "./shell.ts";

/** How long containers may take to end by themselves before they are killed. */
const GRACE_MS = 1_000;
const POLL_MS = 20;

/** Stops a local cluster, containers included. Its state stays, so that `up` continues where it was. */
export async function down(plan: ClusterPlan, progress: Progress): Promise<void> {
  await progress.step("processes and containers", () => stopAll(plan));
  await progress.step("mounts and network", async () => {
    for (const host of plan.hosts) await forgetMemory(host);
    await run(["sh"], teardownScript(plan));
    removeCgroup(plan.cgroup);
  });
}

/** Like {@link down}, and leaves no file behind either. */
export async function purge(plan: ClusterPlan, progress: Progress): Promise<void> {
  await down(plan, progress);
  await unmountBelow(plan.dir);
  rmSync(plan.dir, { recursive: true, force: true });
  // Other clusters have their groups beside ours.
  removeEmptyCgroup("/trireme");
  await removeSharedFolders();
}

async function stopAll(plan: ClusterPlan): Promise<void> {
  await stopKeeper(plan);
  await killGroup(localCgroup(plan));
  // First those that would start again what ends.
  for (const host of plan.hosts) endRestarters(host);
  for (const node of plan.hosts) signalGroup(`${node.cgroup}/pods`, "SIGTERM");
  const deadline = performance.now() + GRACE_MS;
  while (performance.now() < deadline && plan.hosts.some((node) => processesIn(`${node.cgroup}/pods`).size > 0)) {
    await sleep(POLL_MS);
  }
  await killGroup(plan.cgroup);
}

function endRestarters(host: HostPlan): void {
  for (const name of ["supervisor", "agent"]) {
    const pid = hostPid(host, name);
    if (pid !== undefined) signalProcess(pid, "SIGKILL");
  }
}
