import { chmod, lstat, mkdir, readFile, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { TriremeError } from "@trireme/base";
import type { ProjectedFile } from "./payload.ts";

const DATA = "..data";

/**
 * Makes a directory hold these files, so that readers see all of them change at once: a fresh directory, a link `..data` to
 * it that is renamed into place, and links to the files behind it. Kubernetes' own layout, which applications watch.
 * Does nothing when they are there already. Answers whether it wrote. Nobody else may write in the directory.
 *
 * @param prepare is given the fresh directory before anyone can see it.
 */
export async function writeAtomically(
  dir: string,
  files: readonly ProjectedFile[],
  prepare: (fresh: string) => Promise<void> = async () => {},
): Promise<boolean> {
  const wanted = new Map<string, ProjectedFile>();
  for (const file of files) {
    const path = normalize(file.path);
    if (path.startsWith("..") || path.startsWith("/")) {
      throw new TriremeError("Invalid", `path "${file.path}" leaves its volume`);
    }
    // Of two sources with one path the later counts.
    wanted.set(path, file);
  }
  await mkdir(dir, { recursive: true });
  if (await isThere(join(dir, DATA), wanted)) return false;
  const version = `..${process.hrtime.bigint()}`;
  const fresh = join(dir, version);
  await mkdir(fresh);
  for (const [path, { data, mode }] of wanted) {
    await mkdir(dirname(join(fresh, path)), { recursive: true });
    await writeFile(join(fresh, path), data, { mode });
    // The process's umask must not take from it.
    await chmod(join(fresh, path), mode);
  }
  await chmod(fresh, 0o755);
  await prepare(fresh);
  const link = join(dir, "..data_tmp");
  await rm(link, { force: true });
  await symlink(version, link);
  await rename(link, join(dir, DATA));
  const tops = new Set([...wanted.keys()].map((path) => path.split("/")[0]!));
  for (const name of tops) {
    await symlink(join(DATA, name), join(dir, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  }
  for (const entry of await readdir(dir)) {
    const stale = entry.startsWith("..") ? entry !== DATA && entry !== version : !tops.has(entry);
    if (stale) await rm(join(dir, entry), { recursive: true, force: true });
  }
  return true;
}

/** Whether a directory holds files that were written so, whichever. */
export async function isWritten(dir: string): Promise<boolean> {
  return (await lstat(join(dir, DATA)).catch(() => undefined)) !== undefined;
}

/** Whether the present files are the wanted ones, in content and in what the owner may do with them. */
async function isThere(data: string, wanted: ReadonlyMap<string, ProjectedFile>): Promise<boolean> {
  if ((await lstat(data).catch(() => undefined)) === undefined) return false;
  const present = await readdir(data, { recursive: true, withFileTypes: true }).catch(() => []);
  if (present.filter((entry) => entry.isFile()).length !== wanted.size) return false;
  for (const [path, file] of wanted) {
    const found = await stat(join(data, path)).catch(() => undefined);
    if (found === undefined || !found.isFile() || found.size !== file.data.length) return false;
    // A group may have been given more, never less.
    if ((found.mode & file.mode) !== file.mode) return false;
    if (!(await readFile(join(data, path))).equals(file.data)) return false;
  }
  return true;
}
