import { Command } from "commander";
import { adminClient } from "../local/api.ts";
import { requireRoot, withClusterLock } from "../local/guards.ts";
import { buildImages, imageFolders, loadEverywhere } from "../local/folder-images.ts";
import { type Progress, createProgress } from "../local/progress.ts";
import { up } from "../local/up.ts";
import { type ManifestObject, applyManifests, describeApplied, readManifests } from "../manifests/apply.ts";
import { serviceUrls, waitAvailable } from "../manifests/availability.ts";
import { type ClusterPlan, apiAddressOf, kubeconfigPath } from "../plan/cluster-plan.ts";
import { type ClusterOption, collect, count, withCluster } from "./cluster-option.ts";

const FOLDER_HELP = `
A folder stands for its *.yaml, *.yml and *.json files, in the order of their names. A file images.ts in it says which
images they need (deploy/images/recipe.ts): those are built, without a registry, and loaded onto every node.`;

/** `up`. */
export function upCommand(): Command {
  const command = new Command("up")
    .description("start the local cluster, wait until it is ready, apply files and wait until they are available")
    .option("--servers <n>", "servers of a new cluster (default 3)", count(1))
    .option("--nodes <n>", "nodes; may grow later (default 3)", count(0))
    .option("-f, --file <file>", "manifest, or folder of manifests, to apply; may be given more than once", collect)
    .addHelpText("after", FOLDER_HELP);
  return withCluster(command).action(
    async (options: ClusterOption & { servers?: number; nodes?: number; file?: string[] }) => {
      const progress = createProgress();
      await withClusterLock(options.cluster, async () => {
        // A mistake in a file is told before a cluster is started for it.
        const files = options.file ?? [];
        const manifests = readManifests(files);
        requireRoot();
        const [plan, archives] = await Promise.all([up(options, progress), buildImages(imageFolders(files), progress)]);
        await loadEverywhere(plan, archives, progress);
        process.stdout.write(`cluster ${plan.name} is ready at ${apiAddressOf(plan)}\n`);
        process.stdout.write(`export KUBECONFIG=${kubeconfigPath(plan)}\n`);
        if (manifests.length > 0) await applyAndWait(plan, manifests, progress);
      });
    },
  );
}

async function applyAndWait(
  plan: ClusterPlan,
  manifests: readonly ManifestObject[],
  progress: Progress,
): Promise<void> {
  const client = adminClient(plan);
  try {
    const applied = await applyManifests(client, manifests);
    for (const one of applied) process.stdout.write(`${describeApplied(one)}\n`);
    await waitAvailable(client, applied, progress);
    for (const url of await serviceUrls(plan, applied)) process.stdout.write(`${url}\n`);
  } finally {
    client.close();
  }
}
