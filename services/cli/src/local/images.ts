import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TriremeError, sleep } from "@trireme/base";
import type { HostPlan } from "../plan/cluster-plan.ts";
import { criSocketOf } from "../plan/processes.ts";
import { repoRoot } from "./programs.ts";
import { run, runOk } from "./shell.ts";

/** containerd is ready in some hundred milliseconds; on a machine that is busy with other hosts much longer. */
const CONTAINERD_START_MS = 120_000;
const POLL_MS = 50;

/** Where CRI keeps its images. */
const NAMESPACE = "k8s.io";

/** The archive of the images that come with Trireme, and their names. */
function ownImages(): { readonly archive: string; readonly names: readonly string[] } {
  const dir = join(repoRoot(), ".build", "images");
  const names = readFileSync(join(dir, "images.txt"), "utf8").split("\n");
  return { archive: join(dir, "images.tar"), names: names.filter((name) => name !== "") };
}

/** Loads our own images onto a node that lacks one of them; waits for its containerd. */
export async function loadOwnImages(host: HostPlan): Promise<void> {
  const { archive, names } = ownImages();
  const there = await listImages(host);
  if (names.some((name) => !there.has(name))) await importImages(host, archive);
}

/** Loads an image archive (OCI or docker) onto a node; answers the names of the images in it. */
export async function importImages(host: HostPlan, archive: string): Promise<readonly string[]> {
  const ctr = ["ctr", "-a", criSocketOf(host), "-n", NAMESPACE];
  const printed = await runOk([...ctr, "images", "import", archive]);
  return [...printed.matchAll(/unpacking (\S+)/g)].map((match) => match[1] ?? "");
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
