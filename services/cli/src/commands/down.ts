import { Command } from "commander";
import { down, purge } from "../local/down.ts";
import { requireRoot, withClusterLock } from "../local/guards.ts";
import { createProgress } from "../local/progress.ts";
import { findCluster } from "../local/state.ts";
import { type ClusterOption, withCluster } from "./cluster-option.ts";

/** `down`. */
export function downCommand(): Command {
  const command = new Command("down")
    .description("stop the local cluster, containers included")
    .option("--purge", "leave nothing of it behind, its data included", false);
  return withCluster(command).action(async (options: ClusterOption & { purge: boolean }) => {
    requireRoot();
    await withClusterLock(options.cluster, async () => {
      const plan = findCluster(options.cluster);
      if (plan === undefined) {
        process.stdout.write(`there is no local cluster "${options.cluster}": nothing to do\n`);
        return;
      }
      const progress = createProgress();
      if (options.purge) {
        await purge(plan, progress);
        process.stdout.write(
          `cluster ${plan.name} is gone, with its data. What stays: installed packages, ` +
            "and this clone's caches (.tools, .build, node_modules)\n",
        );
      } else {
        await down(plan, progress);
        process.stdout.write(`cluster ${plan.name} is stopped. Its data stays in ${plan.dir}; ./tri up continues\n`);
      }
    });
  });
}
