import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { TriremeError } from "@trireme/base";
import type { ClusterPlan } from "../plan/cluster-plan.ts";
import { type ImageArchive, loadImages, readArchive } from "./images.ts";
import { repoRoot } from "./programs.ts";
import type { Progress } from "./progress.ts";

/** Of the paths given as manifests, the folders that say which images they need. */
export function imageFolders(paths: readonly string[]): string[] {
  return paths.filter((path) => existsSync(join(path, "images.ts")));
}

/** Builds the images of folders, each unless nothing of what they are made from has changed. */
export async function buildImages(folders: readonly string[], progress: Progress): Promise<ImageArchive[]> {
  const archives: ImageArchive[] = [];
  // One by one: they share the network and the processors.
  for (const folder of folders) {
    archives.push(await progress.step(`images of ${folder}`, () => buildFolder(folder)));
  }
  return archives;
}

/** Loads archives onto every node that lacks something of them. */
export async function loadEverywhere(
  plan: ClusterPlan,
  archives: readonly ImageArchive[],
  progress: Progress,
): Promise<void> {
  await Promise.all(
    plan.nodes.map((node) =>
      progress.step(`${node.name}: images`, async () => {
        for (const archive of archives) await loadImages(node, archive);
      }),
    ),
  );
}

/** The command that builds a folder's images. Two that build the same wait for each other; the second finds all done. */
export function builderOf(folder: string): readonly string[] {
  const cache = cacheOf(folder);
  mkdirSync(cache, { recursive: true });
  const builder = join(repoRoot(), "deploy/images/build-folder.ts");
  return ["flock", join(cache, "lock"), process.execPath, builder, folder, cache];
}

async function buildFolder(folder: string): Promise<ImageArchive> {
  const code = await runShown(builderOf(folder));
  if (code !== 0) throw new TriremeError("InternalError", `the images of ${folder} were not built; see above`);
  return readArchive(cacheOf(folder));
}

/** Where a folder's images and what they are made from are kept, beside the tools that came from the network. */
function cacheOf(folder: string): string {
  const path = relative(repoRoot(), resolve(folder));
  const hash = createHash("sha256").update(path).digest("hex").slice(0, 8);
  return join(repoRoot(), ".tools/images", `${basename(path)}-${hash}`);
}

/** Runs a program that speaks to people itself. */
function runShown([program = "", ...argv]: readonly string[]): Promise<number> {
  return new Promise((done, reject) => {
    const child = spawn(program, argv, { stdio: ["ignore", "ignore", "inherit"] });
    child.on("error", reject);
    child.on("close", (code) => done(code ?? 1));
  });
}
