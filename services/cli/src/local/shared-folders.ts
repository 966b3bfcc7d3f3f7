import { existsSync, readFileSync, readdirSync, rmSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { writePrivateFile } from "@trireme/pki";
import { run } from "./shell.ts";
import { STATE_ROOT, clusterNames } from "./state.ts";

/** Folders of the machine that other programs make when they first need them, outside of any cluster's own. */
const SHARED = ["/run/netns", "/run/containerd", "/var/lib/cni"] as const;
const RECORD = join(STATE_ROOT, "shared-folders.json");

/** Before the first cluster of a machine: records which shared folders are not there, so that the last one removes them. */
export function recordSharedFolders(): void {
  if (existsSync(RECORD) || clusterNames().length > 0) return;
  writePrivateFile(RECORD, `${JSON.stringify(SHARED.filter((dir) => !existsSync(dir)))}\n`);
}

/** After the last cluster is gone: removes shared folders that came with us and hold nothing. */
export async function removeSharedFolders(): Promise<void> {
  if (clusterNames().length > 0 || !existsSync(RECORD)) return;
  const ours = JSON.parse(readFileSync(RECORD, "utf8")) as string[];
  for (const dir of ours) await removeIfEmpty(dir);
  rmSync(RECORD);
  if (readdirSync(STATE_ROOT).length === 0) rmdirSync(STATE_ROOT);
}

async function removeIfEmpty(dir: string): Promise<void> {
  if (!existsSync(dir) || !holdsNothing(dir)) return;
  // `ip netns` mounts its folder onto itself; where somebody still holds the mount, the folder stays.
  if (isMountPoint(dir)) await run(["umount", dir]);
  if (!isMountPoint(dir)) rmSync(dir, { recursive: true });
}

function holdsNothing(dir: string): boolean {
  return readdirSync(dir, { withFileTypes: true }).every((it) => it.isDirectory() && holdsNothing(join(dir, it.name)));
}

function isMountPoint(dir: string): boolean {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .some((line) => line.split(" ")[1] === dir);
}
