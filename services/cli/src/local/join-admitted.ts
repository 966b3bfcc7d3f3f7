import { readHostFile, writeHostFile } from "../join/files.ts";
import { becomeMember } from "../join/membership.ts";
import { joinedFile, waitReady } from "../join/run-server.ts";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import type { Programs } from "../plan/processes.ts";
import { signalProcess } from "./cgroups.ts";
import { hostPid, prepareHosts } from "./keeper.ts";
import type { Progress } from "./progress.ts";

/** Makes voting members of the servers that have their keys and nothing else, as after a restore; does nothing for others. */
export async function joinAdmitted(plan: ClusterPlan, programs: Programs, progress: Progress): Promise<void> {
  for (const host of plan.servers) {
    const file = readHostFile(host.dir);
    if (file?.phase !== "admitted") continue;
    await progress.step(`${host.name} joins`, async () => {
      // Its supervisor keeps its store running, which finds its place once it was added.
      const starter = { isRunning: () => hostPid(host, "store") !== undefined, start: async () => {} };
      await becomeMember(host, file, starter, progress);
      writeHostFile(host.dir, joinedFile(file));
      prepareHosts(plan, programs);
      const supervisor = hostPid(host, "supervisor");
      if (supervisor !== undefined) signalProcess(supervisor, "SIGHUP");
      await waitReady(host, programs);
    });
  }
}
