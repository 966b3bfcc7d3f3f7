import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { chmod, chown, lchown, open, readdir } from "node:fs/promises";
import { childOf } from "./safe-path.ts";

const SETGID = 0o2000;
const O_PATH = 0o10000000;

/** How a volume is given to a group. */
export interface GroupOptions {
  /** The files are only read: the group may not write them either. */
  readonly readOnly?: boolean;
  /** `fsGroupChangePolicy: OnRootMismatch`: nothing is done when the volume's top has the right group and mode already. */
  readonly onRootMismatch?: boolean;
}

/**
 * Gives a volume to a pod's fsGroup as kubelet does: everything in it belongs to the group, which may read (and write) it,
 * and what is made in its directories later belongs to the group as well. Works on descriptors, since other pods may
 * change the tree meanwhile: a link put in the place of a file is not followed.
 */
export async function giveToGroup(root: string, gid: number, options: GroupOptions = {}): Promise<void> {
  const top = await open(root, O_PATH | constants.O_DIRECTORY);
  try {
    const { gid: group, mode } = await top.stat();
    const wanted = modeFor(mode, true, options.readOnly ?? false);
    if (options.onRootMismatch && group === gid && (mode & 0o7777) === wanted) return;
    await giveTree(top, gid, options.readOnly ?? false);
  } finally {
    await top.close();
  }
}

async function giveTree(directory: FileHandle, gid: number, readOnly: boolean): Promise<void> {
  for (const name of await readdir(`/proc/self/fd/${directory.fd}`)) {
    const at = childOf(directory, name);
    let child: FileHandle;
    try {
      child = await open(at, O_PATH | constants.O_NOFOLLOW);
    } catch (error) {
      // Gone since the directory was read.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    try {
      const found = await child.stat();
      if (found.isSymbolicLink()) await lchown(at, found.uid, gid);
      else if (found.isDirectory()) await giveTree(child, gid, readOnly);
      else await give(child, gid, readOnly);
    } finally {
      await child.close();
    }
  }
  // Last, so that a walk that was cut short is not taken for a finished one.
  await give(directory, gid, readOnly);
}

async function give(handle: FileHandle, gid: number, readOnly: boolean): Promise<void> {
  const found = await handle.stat();
  const path = `/proc/self/fd/${handle.fd}`;
  if (found.gid !== gid) await chown(path, found.uid, gid);
  const mode = modeFor(found.mode, found.isDirectory(), readOnly);
  if (mode !== (found.mode & 0o7777)) await chmod(path, mode);
}

function modeFor(mode: number, isDirectory: boolean, readOnly: boolean): number {
  return (mode & 0o7777) | (readOnly ? 0o440 : 0o660) | (isDirectory ? SETGID | 0o110 : 0);
}
