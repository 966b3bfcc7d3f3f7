import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { TriremeError, sleep } from "@trireme/base";
import type { Machine } from "../plan/cluster-plan.ts";
import { criSocketOf } from "../plan/processes.ts";
import { repoRoot } from "./programs.ts";
import { run, runOk } from "./shell.ts";

/** containerd is ready in some hundred milliseconds; on a machine that is busy with other hosts much longer. */
const CONTAINERD_START_MS = 120_000;
const POLL_MS = 50;

/** Where CRI keeps its images. */
const NAMESPACE = "k8s.io";

/** An archive of images and, by name, the digest under which a node that has loaded it knows each. */
export interface ImageArchive {
  readonly archive: string;
  readonly digests: ReadonlyMap<string, string>;
}

/** What deploy/images has written to a folder. */
export function readArchive(dir: string): ImageArchive {
  const lines = readFileSync(join(dir, "images.txt"), "utf8").split("\n");
  const digests = lines.flatMap((line): [string, string][] => {
    const [name = "", digest = ""] = line.split(" ");
    return name === "" ? [] : [[name, digest]];
  });
  return { archive: join(dir, "images.tar"), digests: new Map(digests) };
}

/** The images that come with Trireme. */
export function ownImages(): ImageArchive {
  return readArchive(join(repoRoot(), ".build", "images"));
}

/** Loads an archive onto a node that lacks one of its images, or has another under its name; waits for its containerd. */
export async function loadImages(host: Machine, { archive, digests }: ImageArchive): Promise<void> {
  const there = await listImages(host);
  if ([...digests].some(([name, digest]) => there.get(name) !== digest)) await importImages(host, archive);
}

/** Loads an image archive (OCI or docker) onto a node; answers the names of the images in it. */
export async function importImages(host: Machine, archive: string): Promise<readonly string[]> {
  const ctr = ["ctr", "-a", criSocketOf(host), "-n", NAMESPACE];
  const printed = await runOk([...ctr, "images", "import", archive]);
  return [...printed.matchAll(/unpacking (\S+)/g)].map((match) => match[1] ?? "");
}

/** The digest of each image that a node has, by name. */
async function listImages(host: Machine): Promise<ReadonlyMap<string, string>> {
  const deadline = performance.now() + CONTAINERD_START_MS;
  for (;;) {
    if (existsSync(criSocketOf(host))) {
      const result = await run(["ctr", "-a", criSocketOf(host), "-n", NAMESPACE, "images", "list"]);
      if (result.code === 0) return parseImageList(result.stdout);
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

/** Reads what `ctr images list` prints: name, type and digest of each image, and more. */
export function parseImageList(text: string): ReadonlyMap<string, string> {
  const rows = text.split("\n").map((line) => line.split(/\s+/));
  return new Map(rows.flatMap(([name = "", , digest = ""]) => (digest.startsWith("sha256:") ? [[name, digest]] : [])));
}
