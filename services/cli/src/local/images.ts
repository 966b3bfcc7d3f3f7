import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { TriremeError, sleep } from "@trireme/base";
import type { HostPlan } from "../plan/cluster-plan.ts";
import { criSocketOf } from "../plan/processes.ts";
import { repoRoot } from "./programs.ts";
import { run, runOk } from "./shell.ts";

/** containerd is ready in some hundred milliseconds; on a machine that is busy with other hosts it takes longer. */
const CONTAINERD_START_MS = 30_000;
const POLL_MS = 50;

/** Where CRI keeps its images. */
const NAMESPACE = "k8s.io";

/** The images that come with Trireme, name to archive. */
export function ownImages(): ReadonlyMap<string, string> {
  const dir = join(repoRoot(), ".build", "images");
  if (!existsSync(dir)) return new Map();
  const archives = readdirSync(dir).filter((file) => file.endsWith(".tar"));
  return new Map(archives.map((file) => [`trireme.local/${file.slice(0, -4)}:1`, join(dir, file)]));
}

/** Loads those of our own images that a node lacks; waits for its containerd. */
export async function loadOwnImages(host: HostPlan): Promise<void> {
  const there = await listImages(host);
  for (const [name, archive] of ownImages()) if (!there.has(name)) await importImage(host, archive);
}

/** Loads an image archive (OCI or docker) onto a node. */
export async function importImage(host: HostPlan, archive: string): Promise<string> {
  const ctr = ["ctr", "-a", criSocketOf(host), "-n", NAMESPACE];
  const printed = await runOk([...ctr, "images", "import", "--all-platforms", archive]);
  const name = /unpacking (\S+)/.exec(printed)?.[1];
  return name ?? archive;
}

async function listImages(host: HostPlan): Promise<ReadonlySet<string>> {
  const deadline = performance.now() + CONTAINERD_START_MS;
  for (;;) {
    if (existsSync(criSocketOf(host))) {
      const result = await run(["ctr", "-a", criSocketOf(host), "-n", NAMESPACE, "images", "list", "-q"]);
      if (result.code === 0) return new Set(result.stdout.split("\n"));
    }
    if (performance.now() > deadline) {
      throw new TriremeError(
        "Timeout",
        `${host.name}: containerd does not answer on ${criSocketOf(host)}; see ${host.dir}/log/containerd.log`,
      );
    }
    await sleep(POLL_MS);
  }
}
