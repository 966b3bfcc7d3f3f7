import { execFile } from "node:child_process";
import { mkdir, readFile, realpath, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { TriremeError } from "@trireme/base";

const run = promisify(execFile);

/** How a file system in memory is made. */
export interface TmpfsOptions {
  /** Bytes that it may hold; undefined: half of the memory, the kernel's default. */
  readonly sizeBytes?: number | bigint;
  /** Never written to swap: for secrets. */
  readonly noSwap?: boolean;
}

/** Mounts a file system in memory on a directory, unless one is there already. */
export async function mountTmpfs(dir: string, { sizeBytes, noSwap = false }: TmpfsOptions = {}): Promise<void> {
  await mkdir(dir, { recursive: true });
  if (await isMountPoint(dir)) return;
  const options = ["mode=1777", ...(sizeBytes === undefined ? [] : [`size=${sizeBytes}`])];
  const mount = (more: readonly string[]): Promise<unknown> =>
    run("mount", ["-t", "tmpfs", "-o", [...options, ...more].join(), "tmpfs", dir]);
  if (!noSwap) return void (await mount([]));
  // Kernels before 6.4 do not know the option; there a secret may be swapped out, as it may be under kubelet.
  await mount(["noswap"]).catch(() => mount([]));
}

/** Binds what an open file or directory is, wherever its name points by now, on a target that exists. */
export async function bindDescriptor(fd: number, target: string): Promise<void> {
  await run("mount", ["--no-canonicalize", "--bind", `/proc/${process.pid}/fd/${fd}`, target]);
}

/** Unmounts everything below a directory, and on it. */
export async function unmountAll(dir: string): Promise<void> {
  for (const mount of await mountsBelow(dir)) await run("umount", [mount]);
  while (await isMountPoint(dir)) await run("umount", [dir]);
}

async function isMountPoint(dir: string): Promise<boolean> {
  return (await mountsBelow(dirname(dir))).includes(await canonical(dir));
}

/** The kernel's table holds names without links. */
function canonical(path: string): Promise<string> {
  return realpath(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
    return path;
  });
}

/** Removes a directory with everything in it, but nothing that is mounted there: that belongs to somebody else. */
export async function removeTree(dir: string): Promise<void> {
  await unmountAll(dir);
  const left = await mountsBelow(dir);
  if (left.length > 0) throw new TriremeError("InternalError", `${left.join(", ")} can not be unmounted`);
  await rm(dir, { recursive: true, force: true });
}

/** Mount points below a directory, deepest first, so that they can be unmounted in order. */
export async function mountsBelow(dir: string): Promise<string[]> {
  const mounts = await readFile("/proc/self/mounts", "utf8");
  const below = `${await canonical(dir)}/`;
  return mounts
    .split("\n")
    .map((line) =>
      (line.split(" ")[1] ?? "").replaceAll(/\\(\d{3})/g, (_, o: string) => String.fromCharCode(parseInt(o, 8))),
    )
    .filter((path) => path.startsWith(below))
    .toSorted((a, b) => b.length - a.length);
}
