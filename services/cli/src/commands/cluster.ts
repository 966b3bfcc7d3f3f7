import { Command } from "commander";
import { adminClient } from "../local/api.ts";
import { down, purge } from "../local/down.ts";
import { kubeconfigPath } from "../local/identities.ts";
import { buildImages, imageFolders, loadEverywhere } from "../local/folder-images.ts";
import { observe } from "../local/observe.ts";
import { type Progress, createProgress } from "../local/progress.ts";
import { findCluster, readCluster } from "../local/state.ts";
import { type ClusterStatus, statusOf } from "../local/status.ts";
import { apiAddressOf, requireRoot, up, withClusterLock } from "../local/up.ts";
import { type ManifestObject, applyManifests, describeApplied, readManifests } from "../manifests/apply.ts";
import { serviceUrls, waitAvailable } from "../manifests/availability.ts";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { type ClusterOption, collect, count, withCluster } from "./cluster-option.ts";

/** `up`, `down`, `status`, `kubeconfig`. */
export function clusterCommands(): Command[] {
  return [upCommand(), downCommand(), statusCommand(), kubeconfigCommand()];
}

const FOLDER_HELP = `
A folder stands for its *.yaml, *.yml and *.json files, in the order of their names. A file images.ts in it says which
images they need (deploy/images/recipe.ts): those are built, without a registry, and loaded onto every node.`;

function upCommand(): Command {
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

function downCommand(): Command {
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

function statusCommand(): Command {
  const command = new Command("status")
    .description("show servers, nodes, leaders and addresses")
    .option("-o, --output <format>", "json, or a text for people");
  return withCluster(command).action(async (options: ClusterOption & { output?: string }) => {
    const plan = readCluster(options.cluster);
    const status = statusOf(plan, await observe(plan));
    process.stdout.write(options.output === "json" ? `${JSON.stringify(status, null, 2)}\n` : describe(status));
  });
}

function describe(status: ClusterStatus): string {
  const running = (pids: Readonly<Record<string, number | null>>): string =>
    Object.entries(pids)
      .map(([name, pid]) => `${name} ${pid ?? "-"}`)
      .join("  ");
  const lines = [
    `api         ${status.apiAddress}, gRPC ${status.grpcAddress} (balancer ${status.balancer.pid ?? "-"})`,
    `kubeconfig  ${status.kubeconfig}`,
    ...status.servers.map(
      (it) =>
        `${it.name.padEnd(11)} ${it.address}  ${running(it.pids)}${it.leader ? "  leader" : ""}` +
        (it.removed === undefined ? "" : `\n${" ".repeat(12)}${it.removed}`),
    ),
    ...status.nodes.map((it) => `${it.name.padEnd(11)} ${it.address}  ${running(it.pids)}`),
    ...Object.entries(status.elections).map(([name, holder]) => `${name.padEnd(11)} elected: ${holder}`),
  ];
  return `${lines.join("\n")}\n`;
}

function kubeconfigCommand(): Command {
  const command = new Command("kubeconfig").description("print the path of the administrator's kubeconfig");
  return withCluster(command).action((options: ClusterOption) => {
    process.stdout.write(`${kubeconfigPath(readCluster(options.cluster))}\n`);
  });
}
